import { DroverError, jsonEquals } from '@drover/kernel';
import { defaultProcesses } from './defaults.js';
import type { ProcessDocument, ResourceTypeDocument } from './document.js';
import { reach } from './graph.js';
import { relationshipProblems, relationshipsOf, relatedWork } from './relationships.js';
import {
  ENVELOPE_FIELDS,
  idPrefixOf,
  isReservedFieldName,
  isReservedLink,
  isReservedTypeName,
  pluralOf,
  processName,
  regionFieldNames,
} from './names.js';
import { invalid } from './parse.js';
import type { FieldDefinition, ProcessDefinition, Relationship, TypeDefinition, StepRetryPolicy } from './types.js';
import { shapeProblems, type Problem } from './validate.js';
import { valueProblem } from '../fields/values.js';
import { transitioningFor } from '../states/predicates.js';

/** What a process has when its document says nothing else. */
export const PROCESS_DEFAULTS = {
  timeoutMillis: 45_000,
  heartbeatMillis: null,
  retry: {
    maxAttempts: 5,
    initialMillis: 2_000,
    maxMillis: 120_000,
    jitter: 0.2,
    nonRetryable: [],
  } satisfies StepRetryPolicy,
  waitMillis: 86_400_000,
  totalMillis: null,
  preempt: 'wait',
  priority: 0,
  maxConcurrent: null,
} as const;

/** How long a resource stays `removed` where the document says nothing, milliseconds: a day. */
export const PURGE_AFTER_MILLIS = 86_400_000;

export interface CompileOptions {
  /** version of the definition, >= 1 */
  version: number;
  /** a definition shipped with the product: may use names that are reserved for it */
  system: boolean;
}

/**
 * Expands a document into a full type: default processes generated and trimmed, maps complete, names full, defaults filled in.
 * Says nothing about the machine's soundness: that is `checkType`.
 * @throws DroverError InvalidDefinition with every problem of shape and name in `extra.detail`
 */
export function compileType(document: ResourceTypeDocument, options: CompileOptions): TypeDefinition {
  const problems = shapeProblems(document as never);
  if (problems.length > 0) throw named(document, problems);
  problems.push(...nameProblems(document, options.system), ...fieldProblems(document.fields ?? {}));
  problems.push(...relationshipProblems(document));
  if (problems.length > 0) throw named(document, problems);
  const type: TypeDefinition = {
    name: document.name,
    plural: document.plural ?? pluralOf(document.name),
    idPrefix: document.idPrefix ?? idPrefixOf(document.name),
    version: options.version,
    ...(document.description === undefined ? {} : { description: document.description }),
    fields: structuredClone(document.fields ?? {}),
    stateFields: structuredClone(document.stateFields ?? {}),
    relationships: relationshipsOf(document),
    processes: {},
    finalStates: [...new Set(['removed', 'purged', ...(document.final ?? [])])],
    purgeAfterMillis: null,
    maxConcurrent: document.maxConcurrent ?? null,
    system: options.system,
  };
  type.processes = processesOf(document, type.relationships);
  trimDefaults(type);
  type.purgeAfterMillis = purgeAfter(type, document);
  return type;
}

function purgeAfter(type: TypeDefinition, { purgeAfterMillis }: ResourceTypeDocument): number | null {
  const { purge } = type.processes;
  const purges = purge?.stateField === 'state' && transitioningFor(purge, 'removed') !== null;
  if (!purges && typeof purgeAfterMillis === 'number')
    throw invalid([
      {
        path: '/purgeAfterMillis',
        message: `${type.name}: purgeAfterMillis needs a process "purge" that starts from removed`,
      },
    ]);
  return purges ? (purgeAfterMillis === undefined ? PURGE_AFTER_MILLIS : purgeAfterMillis) : null;
}

function named(document: ResourceTypeDocument, problems: Problem[]): DroverError {
  const name = typeof document?.name === 'string' ? `${document.name}: ` : '';
  return invalid(problems.map(({ path, message }) => ({ path, message: name + message })));
}

function nameProblems(document: ResourceTypeDocument, system: boolean): Problem[] {
  const problems: Problem[] = [];
  const refuse = (path: string, message: string): number => problems.push({ path, message });
  if (typeof document.extends === 'string')
    refuse(
      '/extends',
      `extends "${document.extends}": subtypes are not supported yet; leave extends out or set it to null`,
    );
  if (!system)
    for (const [path, name] of [
      ['/name', document.name],
      ['/plural', document.plural ?? pluralOf(document.name)],
    ] as const)
      if (isReservedTypeName(name)) refuse(path, `the name "${name}" is reserved for the API; choose another`);
  const regions = Object.keys(document.stateFields ?? {});
  const fields = Object.keys(document.fields ?? {});
  for (const name of regions) {
    if (isReservedFieldName(name)) refuse(`/stateFields/${name}`, `the name "${name}" is reserved; choose another`);
    if (fields.includes(name)) refuse(`/fields/${name}`, `"${name}" is declared both as a field and as a state field`);
  }
  const regionNames = new Set(regions.flatMap(regionFieldNames));
  for (const name of fields) {
    if (isReservedFieldName(name)) refuse(`/fields/${name}`, reservedField(name));
    else if (document.fields?.[name]?.type === 'reference' && isReservedLink(name))
      refuse(`/fields/${name}`, `the link of the field "${name}" is reserved for the API; choose another name`);
    else if (regionNames.has(name))
      refuse(`/fields/${name}`, `"${name}" belongs to a state field; choose another name`);
  }
  return problems;
}

function reservedField(name: string): string {
  return ENVELOPE_FIELDS.has(name)
    ? `the field "${name}" is reserved: every resource has it; choose another name`
    : `the field "${name}" is reserved for the API; choose another name`;
}

function fieldProblems(fields: Record<string, FieldDefinition>): Problem[] {
  const problems: Problem[] = [];
  for (const [name, field] of Object.entries(fields)) {
    const path = `/fields/${name}`;
    const refuse = (message: string): number => problems.push({ path, message: `field "${name}": ${message}` });
    if ((field.type === 'reference') !== (field.to !== undefined))
      refuse('`to` goes with type reference: name the type it points to');
    if ((field.type === 'enum') !== (field.options !== undefined))
      refuse('`options` goes with type enum: list the legal values');
    if (field.min !== undefined && field.max !== undefined && field.min > field.max) refuse('min is above max');
    if (field.minLength !== undefined && field.maxLength !== undefined && field.minLength > field.maxLength)
      refuse('minLength is above maxLength');
    if (field.required === true && field.create === false)
      refuse('required, but may not be given when creating (create: false)');
    if (field.default !== undefined && field.default !== null) {
      const wrong = valueProblem(field, field.default);
      if (wrong !== null) refuse(`its default ${wrong.message}`);
    }
  }
  return problems;
}

function processesOf(
  document: ResourceTypeDocument,
  relationships: Record<string, Relationship>,
): Record<string, ProcessDefinition> {
  const declared = document.processes ?? {};
  const generated = defaultProcesses(document.defaultProcesses ?? true);
  const verbs = new Set([...generated.keys(), ...Object.keys(declared)]);
  const processes: Record<string, ProcessDefinition> = {};
  for (const verb of verbs) {
    const own = Object.hasOwn(declared, verb) ? declared[verb] : undefined;
    const process = own ?? generated.get(verb)!;
    const orphan = own === undefined && typeof process.delegate === 'string' && !verbs.has(process.delegate);
    processes[verb] = expand(
      document.name,
      verb,
      orphan ? { ...process, delegate: null } : process,
      relationships,
      own === undefined,
    );
  }
  return processes;
}

function expand(
  typeName: string,
  verb: string,
  document: ProcessDocument,
  relationships: Record<string, Relationship>,
  generated: boolean,
): ProcessDefinition {
  const startStates = [...new Set(document.start)];
  const transitioning = expandMap(document.transitioning, startStates);
  const done = expandMap(document.done, [...new Set(Object.values(transitioning))]);
  const delegate = typeof document.delegate === 'string' ? { to: document.delegate } : (document.delegate ?? null);
  return {
    name: processName(typeName, verb),
    verb,
    resourceType: typeName,
    stateField: document.stateField ?? 'state',
    startStates,
    transitioning,
    done,
    delegate: delegate && { process: fullName(typeName, delegate.to), always: delegate.always ?? false },
    onError: document.onError == null ? null : fullName(typeName, document.onError),
    onCancel: document.onCancel === 'start' || document.onCancel === 'parked' ? null : (document.onCancel ?? null),
    parksOnCancel: document.onCancel === 'parked',
    timeoutMillis: document.timeoutMillis ?? PROCESS_DEFAULTS.timeoutMillis,
    heartbeatMillis: document.heartbeatMillis ?? PROCESS_DEFAULTS.heartbeatMillis,
    retry: { ...PROCESS_DEFAULTS.retry, ...document.retry },
    waitMillis: document.waitMillis ?? PROCESS_DEFAULTS.waitMillis,
    totalMillis: document.totalMillis ?? PROCESS_DEFAULTS.totalMillis,
    preempt: document.preempt ?? PROCESS_DEFAULTS.preempt,
    priority: document.priority ?? PROCESS_DEFAULTS.priority,
    maxConcurrent: document.maxConcurrent ?? PROCESS_DEFAULTS.maxConcurrent,
    related: (document.related ?? []).map((work) => relatedWork(work, relationships)),
    include: document.include ?? [],
    refuseWhile: document.refuseWhile ?? [],
    ...(document.description === undefined ? {} : { description: document.description }),
    source: generated ? 'default' : 'declared',
  };
}

/** One state stands for all of them; a map stays as written, gaps and strays included: the checker names those. */
function expandMap(states: string | Record<string, string>, froms: string[]): Record<string, string> {
  return typeof states === 'string' ? Object.fromEntries(froms.map((from) => [from, states])) : { ...states };
}

/** A verb or a full name, as a full name. */
export function fullName(typeName: string, ref: string): string {
  return ref.includes('.') ? ref.toLowerCase() : processName(typeName, ref);
}

/**
 * Generated processes lose the start states that the type cannot reach, and go when none remains. What was unreachable adds
 * nothing to what is reachable, so one pass is enough; a delegate to a process that went is dropped.
 */
function trimDefaults(type: TypeDefinition): void {
  const reachable = reach(type, 'state').states;
  for (const [verb, process] of Object.entries(type.processes)) {
    if (process.source !== 'default') continue;
    const startStates = process.startStates.filter((state) => reachable.has(state));
    if (startStates.length === 0) delete type.processes[verb];
    else type.processes[verb] = { ...process, startStates, ...trimmedMaps(process, startStates) };
  }
  for (const process of Object.values(type.processes))
    if (process.source === 'default' && process.delegate && !hasProcess(type, process.delegate.process))
      process.delegate = null;
}

function trimmedMaps(
  process: ProcessDefinition,
  startStates: string[],
): Pick<ProcessDefinition, 'transitioning' | 'done'> {
  const transitioning = pick(process.transitioning, startStates);
  return { transitioning, done: pick(process.done, [...new Set(Object.values(transitioning))]) };
}

function pick(map: Record<string, string>, keys: string[]): Record<string, string> {
  return Object.fromEntries(keys.filter((key) => Object.hasOwn(map, key)).map((key) => [key, map[key]!]));
}

function hasProcess(type: TypeDefinition, name: string): boolean {
  return Object.values(type.processes).some((process) => process.name === name);
}

/** Do two compiled types differ in anything but their version? */
export function sameDefinition(a: TypeDefinition, b: TypeDefinition): boolean {
  return jsonEquals({ ...a, version: 0 }, { ...b, version: 0 });
}
