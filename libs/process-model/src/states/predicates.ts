import { GONE_STATES } from '@drover/contracts';
import type { ProcessDefinition, TypeDefinition } from '../definitions/types.js';

/** May the process start from this state? A transitioning state of another process counts: it pre-empts that one. */
export function isStart(process: ProcessDefinition, state: string): boolean {
  return process.startStates.includes(state);
}

/** Is this a state in which the process works? As in Cattle, a key of its done map counts too. */
export function isTransitioning(process: ProcessDefinition, state: string): boolean {
  return Object.hasOwn(process.done, state) || Object.values(process.transitioning).includes(state);
}

/**
 * Does the process end in this state? A state may be start and done of one process (`update`): whether a run has begun is read
 * from its row, never guessed from here.
 */
export function isDone(process: ProcessDefinition, state: string): boolean {
  return Object.values(process.done).includes(state);
}

/** The transitioning state a start from `state` leads to, or null when the process may not start there. */
export function transitioningFor(process: ProcessDefinition, state: string): string | null {
  return isStart(process, state) && Object.hasOwn(process.transitioning, state) ? process.transitioning[state]! : null;
}

/** The done state after `transitioningState`, or null when that is none of the process's transitioning states. */
export function doneFor(process: ProcessDefinition, transitioningState: string): string | null {
  return Object.hasOwn(process.done, transitioningState) ? process.done[transitioningState]! : null;
}

/** The state of one state field: `state` itself, or what the region holds (its initial state when it says nothing). */
export function regionState(
  type: TypeDefinition,
  stateField: string,
  state: string,
  regions: Record<string, string>,
): string {
  if (stateField === 'state') return state;
  return Object.hasOwn(regions, stateField) ? regions[stateField]! : (type.stateFields[stateField]?.initial ?? '');
}

/** States of a resource that exists no more but for its record: nothing starts in its other regions. */
export function isGone(state: string): boolean {
  return GONE_STATES.includes(state);
}

/**
 * The verbs that are legal now, in the definition's order: exactly those whose process may start from the present state of its
 * state field.
 * @param regions state field → its present state; `state` need not be in it
 */
export function legalActions(type: TypeDefinition, state: string, regions: Record<string, string> = {}): string[] {
  const gone = isGone(state);
  return Object.values(type.processes)
    .filter((process) => !gone || process.stateField === 'state')
    .filter((process) => isStart(process, regionState(type, process.stateField, state, regions)))
    .map((process) => process.verb);
}

/** The initial state of a state field: `requested` for `state`. */
export function initialState(type: TypeDefinition, stateField: string): string {
  return stateField === 'state' ? 'requested' : (type.stateFields[stateField]?.initial ?? '');
}

/** The states of one field in which some process works: a resource rests in none of them. */
export function transitioningStates(type: TypeDefinition, stateField: string): Set<string> {
  const states = new Set<string>();
  for (const process of Object.values(type.processes))
    if (process.stateField === stateField) for (const state of Object.values(process.transitioning)) states.add(state);
  return states;
}

/** The states of a region in which a resource may rest: no process works in them. */
export function restingStates(type: TypeDefinition, stateField: string): Set<string> {
  const resting = statesOf(type, stateField);
  for (const state of transitioningStates(type, stateField)) resting.delete(state);
  return resting;
}

/** Every state a state field can name: the initial one and all that its processes mention. */
export function statesOf(type: TypeDefinition, stateField: string): Set<string> {
  const states = new Set([initialState(type, stateField)]);
  for (const process of Object.values(type.processes)) {
    if (process.stateField !== stateField) continue;
    for (const state of process.startStates) states.add(state);
    for (const [from, to] of [...Object.entries(process.transitioning), ...Object.entries(process.done)]) {
      states.add(from);
      states.add(to);
    }
    if (process.onCancel !== null) states.add(process.onCancel);
  }
  return states;
}
