import { chainTarget, onErrorTarget, ownProcess } from '../states/continuations.js';
import { doneFor, statesOf, transitioningFor, transitioningStates } from '../states/predicates.js';
import type { Finding, FindingCode } from './findings.js';
import { startsOf, transitioningOf } from './graph.js';
import type { ProcessDefinition, TypeDefinition } from './types.js';

/** What is wrong with single processes, wherever the resource may be: maps, delegates, onError, onCancel. */
export function structureFindings(type: TypeDefinition): Finding[] {
  const processes = Object.values(type.processes);
  return [
    ...processes.flatMap((process) => [
      ...stateFieldFindings(type, process),
      ...mapFindings(process),
      ...delegateFindings(type, process),
      ...onErrorFindings(type, process),
      ...onCancelFindings(type, process),
    ]),
    ...circularDelegates(type),
  ];
}

function finding(code: FindingCode, process: ProcessDefinition, message: string, state?: string): Finding {
  const place = state === undefined ? {} : { state };
  return { finding: code, ...place, process: process.name, message: `${process.name}: ${message}` };
}

function stateFieldFindings(type: TypeDefinition, process: ProcessDefinition): Finding[] {
  const field = process.stateField;
  if (field === 'state' || Object.hasOwn(type.stateFields, field)) return [];
  const known = ['state', ...Object.keys(type.stateFields)].join(', ');
  return [
    finding(
      'unknown-state-field',
      process,
      `moves the state field "${field}", which is not declared; declare it under stateFields or use one of ${known}`,
    ),
  ];
}

/** A state with no entry, and entries for states that never occur. */
function mapFindings(process: ProcessDefinition): Finding[] {
  const found: Finding[] = [];
  for (const state of process.startStates)
    if (transitioningFor(process, state) === null)
      found.push(
        finding(
          'missing-transitioning',
          process,
          `may start from ${state}, but \`transitioning\` has no entry for it; add one or remove ${state} from start`,
          state,
        ),
      );
  for (const state of Object.keys(process.transitioning))
    if (!process.startStates.includes(state))
      found.push(
        finding(
          'ambiguous-map',
          process,
          `\`transitioning\` has an entry for ${state}, which is no start state; add ${state} to start or remove the entry`,
          state,
        ),
      );
  const transitioning = transitioningOf(process);
  for (const state of transitioning)
    if (doneFor(process, state) === null)
      found.push(
        finding(
          'no-way-out',
          process,
          `the transitioning state ${state} has no way out: \`done\` has no entry for it; add one`,
          state,
        ),
      );
  for (const state of Object.keys(process.done))
    if (!transitioning.includes(state))
      found.push(
        finding(
          'ambiguous-map',
          process,
          `\`done\` has an entry for ${state}, but no start state leads to ${state}; let one lead there or remove the entry`,
          state,
        ),
      );
  return found;
}

function delegateFindings(type: TypeDefinition, process: ProcessDefinition): Finding[] {
  if (process.delegate === null) return [];
  const to = ownProcess(type, process.delegate.process);
  if (to === null)
    return [
      finding(
        'dangling-delegate',
        process,
        `delegates to ${process.delegate.process}, which does not exist; the type has ${verbs(type)}`,
      ),
    ];
  return transitioningOf(process)
    .filter((state) => chainTarget(process, state, to) === null)
    .map((state) => finding('delegate-impossible', process, impossible(process, to, state), state));
}

function impossible(process: ProcessDefinition, to: ProcessDefinition, state: string): string {
  if (to.stateField !== process.stateField)
    return `delegates to ${to.name}, which moves ${to.stateField}, not ${process.stateField}; use chainProcess in a result instead`;
  const done = doneFor(process, state);
  const states = done === null ? state : `${done} nor from ${state}`;
  return `delegates to ${to.name}, which can start neither from ${states}; add one of them to its start`;
}

function verbs(type: TypeDefinition): string {
  return Object.keys(type.processes).join(', ') || 'no process';
}

function onErrorFindings(type: TypeDefinition, process: ProcessDefinition): Finding[] {
  if (process.onError === null) return [];
  const to = ownProcess(type, process.onError);
  if (to === null)
    return [
      finding(
        'unknown-on-error',
        process,
        `onError names ${process.onError}, which does not exist; the type has ${verbs(type)}`,
      ),
    ];
  const found: Finding[] = [];
  for (const state of transitioningOf(process)) {
    const began = startsOf(process, state);
    if (began.some((one) => onErrorTarget(type, process, state, one) !== null)) continue;
    const fallbacks = process.onCancel === null ? began : [process.onCancel];
    const message = `onError names ${to.name}, which can start neither from ${state} nor from ${fallbacks.join(', ')}; add one of them to its start`;
    found.push(finding('on-error-impossible', process, message, state));
  }
  return found;
}

function onCancelFindings(type: TypeDefinition, process: ProcessDefinition): Finding[] {
  const state = process.onCancel;
  if (state === null) return [];
  const others = { ...type, processes: withoutOnCancel(type) };
  if (!statesOf(others, process.stateField).has(state))
    return [
      finding(
        'unknown-on-cancel',
        process,
        `onCancel names ${state}, which no process knows; name a state of ${process.stateField}`,
        state,
      ),
    ];
  if (transitioningStates(type, process.stateField).has(state))
    return [
      finding(
        'unknown-on-cancel',
        process,
        `onCancel names ${state}, a transitioning state: nothing would work there; name a state to rest in`,
        state,
      ),
    ];
  return [];
}

function withoutOnCancel(type: TypeDefinition): Record<string, ProcessDefinition> {
  return Object.fromEntries(
    Object.entries(type.processes).map(([verb, process]) => [verb, { ...process, onCancel: null }]),
  );
}

/** Each circle once, at the process that comes first in the type. */
function circularDelegates(type: TypeDefinition): Finding[] {
  const seen = new Set<string>();
  const found: Finding[] = [];
  for (const process of Object.values(type.processes)) {
    const path: string[] = [];
    let next: ProcessDefinition | null = process;
    while (next !== null && !seen.has(next.name) && !path.includes(next.name)) {
      path.push(next.name);
      next = next.delegate === null ? null : ownProcess(type, next.delegate.process);
    }
    if (next !== null && path.includes(next.name)) {
      const circle = [...path.slice(path.indexOf(next.name)), next.name];
      found.push(
        finding('circular-delegate', next, `delegates in a circle: ${circle.join(' → ')}; remove one delegate`),
      );
    }
    for (const name of path) seen.add(name);
  }
  return found;
}
