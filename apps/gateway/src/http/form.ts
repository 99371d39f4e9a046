import { DroverError, jsonDepth, type Json, type JsonObject, MAX_JSON_DEPTH, refuseUnstorable } from '@drover/kernel';
import { coerceForm, type TypeDefinition } from '@drover/process-model';

/** The fields of a form: all text, since only a type knows better. A repeated field is an array. */
export class FormBody {
  constructor(readonly fields: JsonObject) {}
}

/** A body as it came: JSON, or a form. */
export type RequestBody = JsonObject | FormBody;

/**
 * Reads `application/x-www-form-urlencoded` or `multipart/form-data`.
 * @throws DroverError InvalidBodyContent for what is no form, or holds a file
 */
export async function readForm(body: Buffer, contentType: string): Promise<FormBody> {
  if (body.length === 0) return new FormBody({});
  const entries = await parse(body, contentType);
  const names = [...new Set(entries.map(([name]) => name))];
  const fields = Object.fromEntries(
    names.map((name): [string, Json] => {
      const values = entries.filter(([other]) => other === name).map(([, value]) => value);
      return [name, values.length === 1 ? values[0]! : values];
    }),
  );
  refuseUnstorable(fields);
  return new FormBody(fields);
}

/** Fields in one form at most: far more than any type has. */
const MAX_FIELDS = 1_000;

/** Node's own parser does the work. */
async function parse(body: Buffer, contentType: string): Promise<[string, string][]> {
  const form = await new Response(new Uint8Array(body), { headers: { 'content-type': contentType } })
    .formData()
    .catch(() => {
      throw new DroverError('InvalidBodyContent', 'The body is not a valid form');
    });
  const entries = [...form.entries()];
  if (entries.length > MAX_FIELDS)
    throw new DroverError('InvalidBodyContent', `The form has over ${MAX_FIELDS} fields`);
  return entries.map(([name, value]) => {
    if (typeof value !== 'string')
      throw new DroverError('InvalidBodyContent', `The field "${name.slice(0, 100)}" is a file; files are not taken`);
    return [name, value];
  });
}

/** The body as a resource of this type has it: numbers, maps and the like are read out of the text of a form. */
export function bodyFor(type: TypeDefinition, body: RequestBody): JsonObject {
  if (!(body instanceof FormBody)) return body;
  // The texts are read as JSON below: their depth must be known before.
  for (const text of Object.values(body.fields).flat())
    if (typeof text === 'string' && jsonDepth(text) >= MAX_JSON_DEPTH)
      throw new DroverError('TooDeep', `JSON is nested deeper than ${MAX_JSON_DEPTH} levels`);
  const fields = coerceForm(type, body.fields);
  refuseUnstorable(fields);
  return fields;
}
