import { DroverError } from '@drover/kernel';
import type { DefaultProcessesDocument, ProcessDocument } from './document.js';

/** The processes every type has unless it says otherwise: Cattle's default set, edge for edge. */
const DEFAULTS: Record<string, ProcessDocument> = {
  create: { start: ['requested'], transitioning: 'registering', done: 'inactive', delegate: 'activate' },
  activate: { start: ['inactive', 'registering'], transitioning: 'activating', done: 'active' },
  deactivate: {
    start: ['requested', 'registering', 'active', 'activating', 'updating-active', 'updating-inactive'],
    transitioning: 'deactivating',
    done: 'inactive',
  },
  remove: {
    start: ['requested', 'inactive', 'registering', 'updating-active', 'updating-inactive'],
    transitioning: 'removing',
    done: 'removed',
  },
  purge: { start: ['removed'], transitioning: 'purging', done: 'purged' },
  update: {
    start: ['inactive', 'active'],
    transitioning: { inactive: 'updating-inactive', active: 'updating-active' },
    done: { 'updating-inactive': 'inactive', 'updating-active': 'active' },
  },
};

/**
 * The generated processes of one type by verb, renamed, without the excluded ones and before trimming. A generated delegate to
 * a process that is excluded is dropped.
 * @throws DroverError InvalidDefinition when `renameProcess` or `exclude` names no default process
 */
export function defaultProcesses(options: DefaultProcessesDocument | boolean): Map<string, ProcessDocument> {
  if (options === false) return new Map();
  const { rename = {}, renameProcess = {}, exclude = [] } = options === true ? {} : options;
  const state = (name: string): string => rename[name] ?? name;
  const verb = (name: string): string => renameProcess[name] ?? name;
  refuseUnknownVerbs(Object.keys(renameProcess), 'renameProcess');
  refuseUnknownVerbs(exclude, 'exclude', Object.values(renameProcess));
  const generated = new Map<string, ProcessDocument>();
  for (const [name, process] of Object.entries(DEFAULTS)) {
    if (exclude.includes(name) || exclude.includes(verb(name))) continue;
    generated.set(verb(name), {
      start: [...new Set(process.start.map(state))],
      transitioning: renameStates(process.transitioning, state),
      done: renameStates(process.done, state),
      ...(typeof process.delegate === 'string' ? { delegate: verb(process.delegate) } : {}),
    });
  }
  return generated;
}

function renameStates(
  states: string | Record<string, string>,
  state: (name: string) => string,
): string | Record<string, string> {
  if (typeof states === 'string') return state(states);
  return Object.fromEntries(Object.entries(states).map(([from, to]) => [state(from), state(to)]));
}

function refuseUnknownVerbs(verbs: string[], key: string, alsoKnown: string[] = []): void {
  const known = [...Object.keys(DEFAULTS), ...alsoKnown];
  const unknown = verbs.find((verb) => !known.includes(verb));
  if (unknown === undefined) return;
  throw new DroverError(
    'InvalidDefinition',
    `defaultProcesses.${key} names "${unknown}", which is no default process; they are ${Object.keys(DEFAULTS).join(', ')}`,
    { detail: [{ path: `/defaultProcesses/${key}`, message: `"${unknown}" is no default process` }] },
  );
}
