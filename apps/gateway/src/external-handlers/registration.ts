import { DroverError, globMatches, isJsonObject, type Json, type JsonObject } from '@drover/kernel';
import { parseProcessNames, type Problem, registrationProblems, type TypeRegistry } from '@drover/process-model';

/** Cattle's names for priorities. */
const PRIORITIES: Record<string, number> = { pre: 500, specific: 1000, default_override: 1500, default: 2000 };

/** What a create may carry besides a registration's own keys: nothing that matters. */
const IGNORED = new Set(['type', 'kind', 'links', 'actions']);
/** What an update may change; the engine judges all other keys, since a client may send the whole resource back. */
const CHECKED =
  'name description priority retries timeoutMillis heartbeatMillis totalMillis retry delivery maxInFlight circuitBreaker processConfigs processNames data'.split(
    ' ',
  );

/**
 * A registration as the fields of an `externalHandler` resource. Cattle's `priorityName` becomes a priority.
 * @param types exact process names must be among theirs; globs may match what is declared later
 * @throws DroverError MissingRequired, InvalidField, InvalidFormat, InvalidOption, InvalidReference (an unknown process)
 */
export function registrationFields(body: JsonObject, types: TypeRegistry): JsonObject {
  const fields = pick(withPriority(body), (key) => !IGNORED.has(key));
  const given = pick(fields, (key) => fields[key] !== null);
  check(given, types);
  if (processNames(given).length > 0) return fields;
  throw new DroverError('MissingRequired', 'Name the processes: processConfigs: [{"name": "instance.start"}]', {
    fieldName: 'processConfigs',
  });
}

/** The body of a PUT, checked where it changes a registration. @throws DroverError as `registrationFields` */
export function changedFields(body: JsonObject, types: TypeRegistry): JsonObject {
  const fields = withPriority(body);
  check({ name: 'any', ...pick(fields, (key) => CHECKED.includes(key) && fields[key] !== null) }, types);
  return fields;
}

function check(given: JsonObject, types: TypeRegistry): void {
  const [problem] = registrationProblems(given);
  if (problem !== undefined) throw refused(problem);
  for (const text of processNames(given)) checkProcesses(text, types);
  for (const onError of onErrors(given)) checkProcess(onError, types, 'onError');
}

function pick(body: JsonObject, wanted: (key: string) => boolean): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([key]) => wanted(key)));
}

function withPriority(body: JsonObject): JsonObject {
  const { priorityName, ...rest } = body;
  if (priorityName === undefined || priorityName === null) return rest;
  const priority =
    typeof priorityName === 'string' && Object.hasOwn(PRIORITIES, priorityName) ? PRIORITIES[priorityName] : undefined;
  if (priority === undefined)
    throw new DroverError('InvalidOption', `priorityName is one of ${Object.keys(PRIORITIES).join(', ')}`, {
      fieldName: 'priorityName',
    });
  return { priority, ...rest };
}

function processNames(body: JsonObject): string[] {
  const older = typeof body['processNames'] === 'string' ? [body['processNames']] : [];
  return [...configs(body).map((config) => String(config['name'])), ...older];
}

function onErrors(body: JsonObject): string[] {
  return configs(body)
    .map((config) => config['onError'])
    .filter((name): name is string => typeof name === 'string');
}

function configs(body: JsonObject): JsonObject[] {
  const listed: Json = body['processConfigs'] ?? [];
  return Array.isArray(listed) ? listed.filter(isJsonObject) : [];
}

function checkProcesses(text: string, types: TypeRegistry): void {
  const parsed = parseProcessNames(text);
  if (parsed.length === 0)
    throw new DroverError('InvalidFormat', 'A process name is empty', { fieldName: 'processConfigs' });
  for (const { glob } of parsed) checkProcess(glob, types, 'processConfigs');
}

/** A glob may wait for types that come later; an exact name that matches nothing is a mistake that would never be noticed. */
function checkProcess(name: string, types: TypeRegistry, fieldName: string): void {
  if (name.includes('*') || types.process(name) !== undefined) return;
  const verb = name.split('.')[1] ?? '';
  const alike = types
    .all()
    .flatMap((type) => Object.values(type.processes).map((process) => process.name))
    .filter((known) => globMatches(`*.${verb}`, known) || known.startsWith(`${name.split('.')[0]}.`))
    .slice(0, 10);
  const hint = alike.length === 0 ? '' : `; there are ${alike.join(', ')}`;
  throw new DroverError('InvalidReference', `There is no process "${name.slice(0, 130)}"${hint}`, { fieldName });
}

/** One problem, with the code and the field that an API client expects. */
function refused({ path, message }: Problem): DroverError {
  const missing = /^"(\w+)" is missing$/.exec(message)?.[1];
  if (missing !== undefined)
    return new DroverError('MissingRequired', `The field "${missing}" is required`, { fieldName: missing });
  const fieldName = path.split('/')[1];
  const code = message.startsWith('unknown key') ? 'InvalidField' : 'InvalidFormat';
  return new DroverError(code, fieldName === undefined ? message : `${fieldName}: ${message}`, { fieldName });
}
