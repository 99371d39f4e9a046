import {
  DroverError,
  isJsonObject,
  MAX_BODY_BYTES,
  mergeData,
  refuseUnstorable,
  type Json,
  type JsonObject,
} from '@drover/kernel';
import type { TypeDefinition } from '../definitions/types.js';
import { envelopeText, knownFields } from './body.js';
import { valueProblem } from './values.js';

/** What a reply's `data` changes: envelope texts, and the changed top-level keys of the stored document with their whole new values. */
export interface HandlerData {
  name?: string | null;
  description?: string | null;
  data: JsonObject;
}

/**
 * Checks what a handler's reply wants to write. `x` replaces, `+x` merges into map x. It may set any declared field (whoever
 * else may write it), `name`, `description`, and the free map `data`; null empties a field that is not required.
 * @param current the stored document: declared fields and `data`
 * @throws DroverError HandlerDataRefused naming the key; DataTooLarge when the document would be over 256 KiB
 */
export function validateHandlerData(type: TypeDefinition, current: JsonObject, patch: JsonObject): HandlerData {
  const result: HandlerData = { data: {} };
  for (const [rawKey, value] of Object.entries(patch)) {
    const key = rawKey.startsWith('+') && rawKey.length > 1 ? rawKey.slice(1) : rawKey;
    if (key === 'name' || key === 'description') result[key] = textOf(key, rawKey, value);
    else result.data[key] = merged(type, { ...pick(current, key), ...pick(result.data, key) }, rawKey, key, value);
  }
  refuseLarge(current, result.data);
  return result;
}

function pick(from: JsonObject, key: string): JsonObject {
  return Object.hasOwn(from, key) ? { [key]: from[key]! } : {};
}

function textOf(key: 'name' | 'description', rawKey: string, value: Json): string | null {
  if (rawKey !== key) throw refused(rawKey, 'is text: it cannot be merged into');
  return orRefused(key, () => {
    refuseUnstorable(value);
    return envelopeText(key, value);
  });
}

function merged(type: TypeDefinition, base: JsonObject, rawKey: string, key: string, value: Json): Json {
  const field = Object.hasOwn(type.fields, key) ? type.fields[key]! : undefined;
  if (field === undefined && key !== 'data')
    throw refused(rawKey, `may not be set by a handler; ${type.name} has ${knownFields(type)}`);
  if (rawKey !== key && !isJsonObject(value)) throw refused(rawKey, 'must be a map: + merges into a map');
  const next = orRefused(rawKey, () => {
    const after = mergeData(base, { [rawKey]: value })[key]!;
    refuseUnstorable(after);
    return after;
  });
  if (field === undefined) {
    if (!isJsonObject(next)) throw refused(rawKey, 'must be a map');
  } else if (next !== null) {
    const problem = valueProblem(field, next);
    if (problem !== null) throw refused(rawKey, problem.message);
  } else if (field.required === true && field.nullable !== true) throw refused(rawKey, 'may not be null');
  return next;
}

/** Whatever is wrong inside a value is the handler's fault, and names its key. */
function orRefused<T>(key: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof DroverError) throw refused(key, `cannot be stored: ${error.message}`);
    throw error;
  }
}

function refuseLarge(current: JsonObject, changed: JsonObject): void {
  if (Object.keys(changed).length === 0) return;
  const bytes = Buffer.byteLength(JSON.stringify({ ...current, ...changed }));
  if (bytes > MAX_BODY_BYTES)
    throw new DroverError(
      'DataTooLarge',
      `The resource's data would be ${bytes} bytes; at most ${MAX_BODY_BYTES} are kept`,
    );
}

function refused(key: string, why: string): DroverError {
  return new DroverError('HandlerDataRefused', `The key "${key}" ${why}`, { fieldName: key });
}
