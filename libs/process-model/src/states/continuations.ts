import type { ProcessDefinition, TypeDefinition } from '../definitions/types.js';
import { doneFor, isDone, transitioningFor } from './predicates.js';

/** A process that goes on from another one's transitioning state, and the transitioning state it takes. */
export interface Continuation {
  process: ProcessDefinition;
  transitioning: string;
}

/** The process with this full name, if it is one of the type's own. */
export function ownProcess(type: TypeDefinition, name: string): ProcessDefinition | null {
  const dot = name.indexOf('.');
  const verb = name.slice(dot + 1);
  if (!Object.hasOwn(type.processes, verb)) return null;
  const process = type.processes[verb]!;
  return process.name === name ? process : null;
}

/**
 * Where a chain goes from P's transitioning state: Q's transitioning state for the done state P would have reached, else for
 * the transitioning state itself. Null when Q can start from neither, or moves another state field.
 */
export function chainTarget(
  from: ProcessDefinition,
  transitioningState: string,
  to: ProcessDefinition,
): Continuation | null {
  if (to.stateField !== from.stateField) return null;
  const done = doneFor(from, transitioningState);
  const transitioning = (done === null ? null : transitioningFor(to, done)) ?? transitioningFor(to, transitioningState);
  return transitioning === null ? null : { process: to, transitioning };
}

/** Would a chain from P's transitioning state find Q's work done: is the state where P ends a done state of Q? */
export function chainIsDone(from: ProcessDefinition, transitioningState: string, to: ProcessDefinition): boolean {
  const done = doneFor(from, transitioningState);
  return to.stateField === from.stateField && done !== null && isDone(to, done);
}

/** Where the process's own delegate goes from its transitioning state; null when there is none. */
export function delegateTarget(
  type: TypeDefinition,
  process: ProcessDefinition,
  transitioningState: string,
): Continuation | null {
  const to = process.delegate === null ? null : ownProcess(type, process.delegate.process);
  return to === null ? null : chainTarget(process, transitioningState, to);
}

/**
 * Where `onError` goes: from the transitioning state if its process starts there, else as after a cancel, from the state the
 * resource would fall back to. Null when it can start from neither, or moves another state field: the process is parked.
 * @param began the state the run began in
 */
export function onErrorTarget(
  type: TypeDefinition,
  process: ProcessDefinition,
  transitioningState: string,
  began: string,
  onError: string | null = process.onError,
): Continuation | null {
  const to = onError === null ? null : ownProcess(type, onError);
  if (to === null || to === process || to.stateField !== process.stateField) return null;
  const transitioning = transitioningFor(to, transitioningState) ?? transitioningFor(to, process.onCancel ?? began);
  return transitioning === null ? null : { process: to, transitioning };
}
