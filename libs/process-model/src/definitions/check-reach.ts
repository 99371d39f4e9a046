import { initialState, statesOf, transitioningStates } from '../states/predicates.js';
import type { Finding } from './findings.js';
import { canReach, reach, transitioningOf, type Reach } from './graph.js';
import type { ProcessDefinition, TypeDefinition } from './types.js';

/**
 * What the machine of each state field, started in its initial state, can never do or never leave. A state field that no process
 * moves keeps its initial state, and that is that.
 */
export function reachFindings(type: TypeDefinition): Finding[] {
  const moved = new Set(Object.values(type.processes).map((process) => process.stateField));
  const fields = ['state', ...Object.keys(type.stateFields).filter((field) => moved.has(field))];
  return [...fields.flatMap((field) => regionFindings(type, field)), ...unknownFinals(type, fields)];
}

function regionFindings(type: TypeDefinition, stateField: string): Finding[] {
  const found = reach(type, stateField);
  const processes = Object.values(type.processes).filter((process) => process.stateField === stateField);
  return [
    ...processes.flatMap((process) => processFindings(process, found, initialState(type, stateField))),
    ...restingFindings(type, stateField, found, processes),
    ...(stateField === 'state' ? removalFindings(type, found) : []),
  ];
}

function processFindings(process: ProcessDefinition, found: Reach, initial: string): Finding[] {
  const name = process.name;
  const unreachable = process.startStates.filter((state) => !found.states.has(state));
  const runs = transitioningOf(process).some((state) => found.runs.has(`${process.verb} ${state}`));
  if (unreachable.length === process.startStates.length && !runs)
    return [
      {
        finding: 'never-starts',
        process: name,
        message: `${name} can never start: none of its start states (${unreachable.join(', ')}) can be reached from ${initial}; let another process lead to one of them, or remove it`,
      },
    ];
  const starts = unreachable.map((state): Finding => ({
    finding: 'unreachable-start',
    state,
    process: name,
    message: `${name} may start from ${state}, which cannot be reached from ${initial}; remove ${state} from start, or let a process lead there`,
  }));
  return [...starts, ...unreachableDone(process, found)];
}

function unreachableDone(process: ProcessDefinition, found: Reach): Finding[] {
  const states = new Set(Object.values(process.done).filter((state) => !found.states.has(state)));
  return [...states].map((state) => ({
    finding: 'unreachable-done',
    state,
    process: process.name,
    message: `${process.name} would end in ${state}, which cannot be reached; remove the entry, or let a process lead there`,
  }));
}

/** Reachable states in which a resource rests: nothing leaves them, or nobody works in them. */
function restingFindings(
  type: TypeDefinition,
  stateField: string,
  found: Reach,
  processes: ProcessDefinition[],
): Finding[] {
  const working = transitioningStates(type, stateField);
  const findings: Finding[] = [];
  const resting = new Map<string, string | undefined>([[initialState(type, stateField), undefined]]);
  for (const process of processes)
    for (const state of Object.values(process.done)) if (!resting.has(state)) resting.set(state, process.name);
  for (const [state, process] of resting) {
    if (!found.states.has(state)) continue;
    if (working.has(state)) findings.push(restsInWork(state, process, processes));
    else if (!type.finalStates.includes(state) && !processes.some((other) => other.startStates.includes(state)))
      findings.push({
        finding: 'dead-end',
        state,
        ...(process === undefined ? {} : { process }),
        message: `${stateField} ${state} is a dead end: no process starts from it; let one start there, or list ${state} under final`,
      });
  }
  return findings;
}

function restsInWork(state: string, process: string | undefined, processes: ProcessDefinition[]): Finding {
  const workers = processes
    .filter((other) => Object.values(other.transitioning).includes(state))
    .map((other) => other.name);
  return {
    finding: 'done-is-transitioning',
    state,
    ...(process === undefined ? {} : { process }),
    message: `${process ?? 'a new resource'} rests in ${state}, the transitioning state of ${workers.join(', ')}, where nobody works; use another state`,
  };
}

/** Without `removed` a resource can never go; a state that cannot get there keeps its resources for ever. */
function removalFindings(type: TypeDefinition, found: Reach): Finding[] {
  if (!found.states.has('removed') && !found.states.has('purged'))
    return [
      {
        finding: 'no-path-to-removed',
        message: `${type.name} has no path to removed: its resources stay for ever; add a remove process whose start states can be reached`,
      },
    ];
  const good = canReach(found.moves, ['removed', 'purged', ...type.finalStates]);
  return [...found.states]
    .filter((state) => !good.has(state))
    .map((state) => ({
      finding: 'no-path-to-removed',
      state,
      message: `from ${state} no path leads to removed; let remove, or a process on the way to it, start there`,
    }));
}

function unknownFinals(type: TypeDefinition, fields: string[]): Finding[] {
  const known = new Set(['removed', 'purged', ...fields.flatMap((field) => [...statesOf(type, field)])]);
  return type.finalStates
    .filter((state) => !known.has(state))
    .map((state) => ({
      finding: 'unknown-final',
      state,
      message: `final lists ${state}, which no process of ${type.name} knows; remove it`,
    }));
}
