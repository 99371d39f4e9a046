import { isJsonObject, parseId, type ErrorCode, type Json } from '@drover/kernel';
import type { FieldDefinition } from '../definitions/types.js';

/** What is wrong with a value, as an error code and a text that goes after the field's name. */
export interface ValueProblem {
  code: ErrorCode;
  message: string;
}

const ISO_DATE = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

/** Is this value (not null) legal for the field? Null when it is. */
export function valueProblem(field: FieldDefinition, value: Json): ValueProblem | null {
  switch (field.type) {
    case 'string':
    case 'password':
      return typeof value === 'string' ? lengthProblem(field, value.length, 'characters') : format('must be text');
    case 'int':
      return Number.isSafeInteger(value) ? limitProblem(field, value as number) : format('must be a whole number');
    case 'float':
      return typeof value === 'number' ? limitProblem(field, value) : format('must be a number');
    case 'boolean':
      return typeof value === 'boolean' ? null : format('must be true or false');
    case 'date':
      return isDate(value) ? null : format('must be an ISO 8601 date, such as 2026-01-31T12:00:00Z');
    case 'enum':
      return optionProblem(field, value);
    case 'map':
      return isJsonObject(value) ? lengthProblem(field, Object.keys(value).length, 'keys') : format('must be a map');
    case 'array':
      return Array.isArray(value) ? lengthProblem(field, value.length, 'entries') : format('must be an array');
    case 'reference':
      return typeof value === 'string' && parseId(value) !== null
        ? null
        : { code: 'InvalidReference', message: `must be the id of a resource of type ${field.to ?? ''}, such as 1x5` };
    case 'json':
      return null;
  }
}

function format(message: string): ValueProblem {
  return { code: 'InvalidFormat', message };
}

function isDate(value: Json): boolean {
  return typeof value === 'string' && ISO_DATE.test(value) && !Number.isNaN(Date.parse(value));
}

function optionProblem(field: FieldDefinition, value: Json): ValueProblem | null {
  const options = field.options ?? [];
  if (typeof value === 'string' && options.includes(value)) return null;
  return { code: 'InvalidOption', message: `must be one of ${options.join(', ')}` };
}

function limitProblem(field: FieldDefinition, value: number): ValueProblem | null {
  if (field.min !== undefined && value < field.min)
    return { code: 'MinLimitExceeded', message: `must be at least ${field.min}, not ${value}` };
  if (field.max !== undefined && value > field.max)
    return { code: 'MaxLimitExceeded', message: `must be at most ${field.max}, not ${value}` };
  return null;
}

function lengthProblem(field: FieldDefinition, length: number, unit: string): ValueProblem | null {
  if (field.minLength !== undefined && length < field.minLength)
    return { code: 'MinLengthExceeded', message: `must have at least ${field.minLength} ${unit}, not ${length}` };
  if (field.maxLength !== undefined && length > field.maxLength)
    return { code: 'MaxLengthExceeded', message: `must have at most ${field.maxLength} ${unit}, not ${length}` };
  return null;
}
