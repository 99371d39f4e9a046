import type { Json, JsonObject } from '@drover/kernel';
import { isJsonObject } from '@drover/kernel';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import type { Document, HandlerRegistration } from './document.js';
import { DEFINITION_SCHEMA } from './schema.js';

/** One thing wrong with a document: where (a JSON pointer) and what to do about it. */
export interface Problem {
  path: string;
  message: string;
}

const ajv = new Ajv2020({ allErrors: true, verbose: true, strict: true, strictTypes: false, allowUnionTypes: true });
ajv.addSchema(DEFINITION_SCHEMA, 'definition');
const validators = new Map<string, ValidateFunction>();

function validatorOf(kind: string): ValidateFunction {
  let validate = validators.get(kind);
  if (validate === undefined) {
    validate = ajv.compile({ $ref: `${DEFINITION_SCHEMA.$id}#/$defs/${kind}` });
    validators.set(kind, validate);
  }
  return validate;
}

/** The problems of one document's shape; an empty list means that the value is a `Document`. */
export function shapeProblems(value: Json): Problem[] {
  if (!isJsonObject(value)) return [{ path: '', message: 'a document must be a map with apiVersion, kind and name' }];
  const kind = value['kind'];
  if (kind !== 'ResourceType' && kind !== 'Handlers')
    return [
      { path: '/kind', message: `kind must be "ResourceType" or "Handlers", not ${JSON.stringify(kind ?? null)}` },
    ];
  return problemsOf(kind, value);
}

/** The problems of a handler's registration, with the same messages as in a definition file. */
export function registrationProblems(value: unknown): Problem[] {
  return problemsOf('Handler', value);
}

export function isDocument(value: Json): value is Json & Document {
  return shapeProblems(value).length === 0;
}

export function isRegistration(value: unknown): value is HandlerRegistration {
  return registrationProblems(value).length === 0;
}

function problemsOf(kind: string, value: unknown): Problem[] {
  const validate = validatorOf(kind);
  if (validate(value)) return [];
  const seen = new Map<string, Problem>();
  for (const error of validate.errors ?? []) {
    const problem = problemOf(error);
    if (problem !== null) seen.set(`${problem.path} ${problem.message}`, problem);
  }
  return [...seen.values()].slice(0, 50);
}

function problemOf(error: ErrorObject): Problem | null {
  const path = error.instancePath;
  const params = error.params as Record<string, unknown>;
  const given = JSON.stringify(error.data)?.slice(0, 80);
  switch (error.keyword) {
    case 'additionalProperties':
      return { path, message: unknownKey(String(params['additionalProperty']), error.parentSchema) };
    case 'required':
      return { path, message: missing(path, String(params['missingProperty']), error.data) };
    case 'enum':
      return { path, message: `${given} is none of ${(params['allowedValues'] as unknown[]).join(', ')}` };
    case 'const':
      return { path, message: `must be ${JSON.stringify(params['allowedValue'])}, not ${given}` };
    case 'type':
      return { path, message: `must be ${[params['type']].flat().join(' or ')}, not ${given}` };
    case 'pattern':
      return { path, message: `${given} does not match ${String(params['pattern'])}` };
    case 'propertyNames':
      return { path, message: `the key "${String(params['propertyName'])}" is no legal name here` };
    default:
      return { path, message: error.message ?? 'is not valid' };
  }
}

/** What is missing; in a process also what to write there, in terms of the states that it names. */
function missing(path: string, key: string, given: unknown): string {
  const plain = `"${key}" is missing`;
  const verb = /^\/processes\/([^/]+)$/.exec(path)?.[1];
  if (verb === undefined || !isJsonObject(given)) return plain;
  return `the process ${verb}: ${plain}${remedy(key, given as JsonObject)}`;
}

function remedy(key: string, process: JsonObject): string {
  const [start, transitioning] = [statesIn(process['start']), statesIn(process['transitioning'])];
  const after = transitioning === '' ? 'its transitioning state' : transitioning;
  const from = start === '' ? '' : ` from ${start}`;
  switch (key) {
    case 'start':
      return '; list the states that it may start from';
    case 'transitioning':
      return `; name the state in which it works, once started${from}`;
    case 'done':
      return `; name the state that it ends in, after ${after}`;
    default:
      return '';
  }
}

/** The states that a key of a process names, as far as it is written as it should be. */
function statesIn(value: Json | undefined): string {
  const states = isJsonObject(value) ? Object.values(value) : [value].flat();
  const names = states.filter((state) => typeof state === 'string');
  return [...new Set(names)].map((name) => `"${name.slice(0, 63)}"`).join(' or ');
}

function unknownKey(key: string, parent: unknown): string {
  const properties =
    isJsonObject(parent) && isJsonObject(parent['properties']) ? Object.keys(parent['properties']) : [];
  return `unknown key "${key}"; allowed here: ${properties.join(', ')}`;
}
