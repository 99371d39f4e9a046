import { DroverError, isJsonObject, jsonEquals, type Json, type JsonObject } from '@drover/kernel';
import { ENVELOPE_FIELDS } from '../definitions/names.js';
import type { FieldDefinition, TypeDefinition } from '../definitions/types.js';
import { valueProblem } from './values.js';

/** A checked body as the store keeps it: envelope columns, and one document of declared fields and the free map `data`. */
export interface CheckedBody {
  name?: string | null;
  description?: string | null;
  uuid?: string;
  kind?: string | null;
  data: JsonObject;
}

/** Longest text of an envelope column, characters. */
const ENVELOPE_LENGTHS = { name: 255, description: 4096, uuid: 128, kind: 255 } as const;
type EnvelopeText = keyof typeof ENVELOPE_LENGTHS;

/**
 * Checks the body of a create and fills in defaults.
 * @throws DroverError MissingRequired, InvalidField, InvalidFormat, InvalidOption, InvalidReference, MinLimitExceeded,
 * MaxLimitExceeded, MinLengthExceeded, MaxLengthExceeded, NotNullable or FieldNotWritable, with `fieldName`
 */
export function validateCreate(type: TypeDefinition, body: JsonObject): CheckedBody {
  const checked: CheckedBody = { data: {} };
  for (const [key, value] of Object.entries(body)) {
    if (key === 'type' && sameType(type, value)) continue;
    if (isEnvelopeText(key)) setEnvelope(checked, key, value);
    else if (key === 'data') checked.data['data'] = freeMap(value);
    else {
      const field = fieldOf(type, key);
      if (field.create === false) throw notWritable(key, 'may not be given when creating');
      checked.data[key] = checkValue(key, field, value);
    }
  }
  for (const [key, field] of Object.entries(type.fields)) fillIn(checked.data, key, field);
  return checked;
}

/**
 * Checks the body of a PUT and returns only what it changes. Clients may send a whole resource back: what equals the present
 * value is left out, whoever may write it.
 * @param current the resource as the client sees it, envelope and fields side by side
 * @throws DroverError as `validateCreate`, without MissingRequired
 */
export function validateUpdate(type: TypeDefinition, body: JsonObject, current?: JsonObject): CheckedBody {
  const checked: CheckedBody = { data: {} };
  for (const [key, value] of Object.entries(body)) {
    if (current !== undefined && isUnchanged(current, key, value)) continue;
    if (key === 'name' || key === 'description') setEnvelope(checked, key, value);
    else if (key === 'data') checked.data['data'] = freeMap(value);
    else if (isOurs(type, key)) throw notWritable(key, 'is written by the product only');
    else {
      const field = fieldOf(type, key);
      if (field.update !== true) throw notWritable(key, 'may not be changed after creating');
      checked.data[key] = checkValue(key, field, value);
    }
  }
  return checked;
}

/** The resources that a body points to, in the order of its keys; null references point to nothing. */
export function references(type: TypeDefinition, body: JsonObject): { field: string; type: string; id: string }[] {
  return Object.entries(body).flatMap(([key, value]) => {
    const field = Object.hasOwn(type.fields, key) ? type.fields[key]! : undefined;
    return field?.to !== undefined && typeof value === 'string' ? [{ field: key, type: field.to, id: value }] : [];
  });
}

/**
 * Form fields are all text: those of numeric, boolean, map, array and json fields are read as JSON where they can be; the rest
 * stays for `validateCreate` to judge.
 */
export function coerceForm(type: TypeDefinition, form: JsonObject): JsonObject {
  const read = (key: string, value: Json): Json => {
    const kind = key === 'data' ? 'map' : Object.hasOwn(type.fields, key) ? type.fields[key]!.type : 'string';
    if (kind === 'array' && !Array.isArray(value)) return [value].map(parsed).flat() as Json[];
    return typeof value === 'string' && READ_AS_JSON.has(kind) ? parsed(value) : value;
  };
  return Object.fromEntries(Object.entries(form).map(([key, value]) => [key, read(key, value)]));
}

const READ_AS_JSON = new Set(['int', 'float', 'boolean', 'map', 'json']);

function parsed(value: Json): Json {
  try {
    return typeof value === 'string' ? (JSON.parse(value) as Json) : value;
  } catch {
    return value;
  }
}

function fillIn(data: JsonObject, key: string, field: FieldDefinition): void {
  if (Object.hasOwn(data, key)) return;
  if (field.default !== undefined) data[key] = structuredClone(field.default);
  else if (field.required === true)
    throw new DroverError('MissingRequired', `The field "${key}" is required`, { fieldName: key });
}

/** A field that holds nothing shows as null: sending null back changes nothing. */
function isUnchanged(current: JsonObject, key: string, value: Json): boolean {
  return jsonEquals(Object.hasOwn(current, key) ? current[key] : null, value);
}

function isEnvelopeText(key: string): key is EnvelopeText {
  return Object.hasOwn(ENVELOPE_LENGTHS, key);
}

/** Envelope and region fields: what the product writes. */
function isOurs(type: TypeDefinition, key: string): boolean {
  if (ENVELOPE_FIELDS.has(key)) return true;
  return Object.keys(type.stateFields).some((region) => key === region || key.startsWith(`${region}Transitioning`));
}

function sameType(type: TypeDefinition, value: Json): boolean {
  return typeof value === 'string' && value.toLowerCase() === type.name.toLowerCase();
}

function setEnvelope(checked: CheckedBody, key: EnvelopeText, value: Json): void {
  checked[key] = envelopeText(key, value) as string;
}

/** The checked text of an envelope column; all but `uuid` may be null. */
export function envelopeText(key: EnvelopeText, value: Json): string | null {
  if (value === null && key !== 'uuid') return null;
  if (value === null) throw new DroverError('NotNullable', `The field "${key}" may not be null`, { fieldName: key });
  const field: FieldDefinition = {
    type: 'string',
    minLength: key === 'uuid' ? 1 : 0,
    maxLength: ENVELOPE_LENGTHS[key],
  };
  return checkValue(key, field, value) as string;
}

function freeMap(value: Json): JsonObject {
  if (isJsonObject(value)) return value;
  throw new DroverError('InvalidFormat', 'The field "data" must be a map', { fieldName: 'data' });
}

function fieldOf(type: TypeDefinition, key: string): FieldDefinition {
  if (Object.hasOwn(type.fields, key)) return type.fields[key]!;
  if (isOurs(type, key)) throw notWritable(key, 'is written by the product only');
  throw new DroverError('InvalidField', `"${key}" is no field of ${type.name}; it has ${knownFields(type)}`, {
    fieldName: key,
  });
}

/** The fields a client may name, for messages. */
export function knownFields(type: TypeDefinition): string {
  return ['name', 'description', ...Object.keys(type.fields), 'data'].join(', ');
}

function checkValue(key: string, field: FieldDefinition, value: Json): Json {
  if (value === null) {
    if (field.nullable === true) return null;
    throw new DroverError('NotNullable', `The field "${key}" may not be null`, { fieldName: key });
  }
  const problem = valueProblem(field, value);
  if (problem !== null)
    throw new DroverError(problem.code, `The field "${key}" ${problem.message}`, { fieldName: key });
  return value;
}

function notWritable(key: string, why: string): DroverError {
  return new DroverError('FieldNotWritable', `The field "${key}" ${why}`, { fieldName: key });
}
