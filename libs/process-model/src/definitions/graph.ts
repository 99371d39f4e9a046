import { delegateTarget, onErrorTarget } from '../states/continuations.js';
import { doneFor, initialState, transitioningFor } from '../states/predicates.js';
import type { ProcessDefinition, TypeDefinition } from './types.js';

/** What one region can do from its initial state. */
export interface Reach {
  /** states it can be in, transitioning ones too */
  states: Set<string>;
  /** runs it can be in: `<verb> <transitioning state>` */
  runs: Set<string>;
  /** state → states one move away */
  moves: Map<string, Set<string>>;
}

/**
 * Everything a state field can reach: by starting (also out of another process's transitioning state), finishing, delegating,
 * failing into `onError`, and cancelling.
 */
export function reach(type: TypeDefinition, stateField: string): Reach {
  const processes = Object.values(type.processes).filter((process) => process.stateField === stateField);
  const found: Reach = { states: new Set(), runs: new Set(), moves: new Map() };
  const open: string[] = [];
  const visit = (from: string | null, to: string): void => {
    if (from !== null) link(found.moves, from, to);
    if (found.states.has(to)) return;
    found.states.add(to);
    open.push(to);
  };
  const run = (process: ProcessDefinition, from: string, transitioning: string): void => {
    visit(from, transitioning);
    const key = `${process.verb} ${transitioning}`;
    if (found.runs.has(key)) return;
    found.runs.add(key);
    const done = doneFor(process, transitioning);
    if (done !== null) visit(transitioning, done);
    if (process.onCancel !== null) visit(transitioning, process.onCancel);
    const next = delegateTarget(type, process, transitioning);
    if (next !== null) run(next.process, transitioning, next.transitioning);
    for (const began of process.onError === null ? [] : startsOf(process, transitioning)) {
      const failed = onErrorTarget(type, process, transitioning, began);
      if (failed !== null) run(failed.process, transitioning, failed.transitioning);
    }
  };
  visit(null, initialState(type, stateField));
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    for (const process of processes) {
      const transitioning = transitioningFor(process, state);
      if (transitioning !== null && process.startStates.includes(state)) run(process, state, transitioning);
    }
  }
  return found;
}

/** The start states that lead to this transitioning state. */
export function startsOf(process: ProcessDefinition, transitioning: string): string[] {
  return process.startStates.filter((state) => transitioningFor(process, state) === transitioning);
}

/** The distinct transitioning states of a process, in the order of its start states. */
export function transitioningOf(process: ProcessDefinition): string[] {
  return [
    ...new Set(process.startStates.map((state) => transitioningFor(process, state)).filter((state) => state !== null)),
  ];
}

/** States from which one of the goals can be reached. */
export function canReach(moves: Map<string, Set<string>>, goals: Iterable<string>): Set<string> {
  const back = new Map<string, Set<string>>();
  for (const [from, tos] of moves) for (const to of tos) link(back, to, from);
  const reached = new Set(goals);
  for (const state of reached) for (const before of back.get(state) ?? []) reached.add(before);
  return reached;
}

function link(moves: Map<string, Set<string>>, from: string, to: string): void {
  const tos = moves.get(from);
  if (tos === undefined) moves.set(from, new Set([to]));
  else tos.add(to);
}
