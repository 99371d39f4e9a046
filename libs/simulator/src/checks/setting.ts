import type { ProcessRow } from '@drover/contracts';
import {
  type HandlerBinding,
  type HandlerTable,
  handlerOfStep,
  ownProcess,
  type ProcessDefinition,
  type TypeDefinition,
} from '@drover/process-model';
import type { Registry } from '../engine/link.js';
import type { WorkStream } from '../outside/work-stream.js';
import { isPause } from '../store/rows.js';
import type { StoreModel } from '../store/store-model.js';

/** What the checks look at, and how strict they may be. */
export interface Setting {
  now: () => number;
  store: StoreModel;
  work: WorkStream;
  typeAt: (name: string, version: number) => TypeDefinition;
  registry: () => Registry;
  /** nothing goes wrong: each step is sent exactly once */
  calm: boolean;
  /** engines, store and broker do not fail: what has to happen happens soon */
  sound: boolean;
}

/** Notes a violation. */
export type Fail = (message: string) => void;

const byName = new WeakMap<HandlerTable, Map<string, HandlerBinding>>();

/** A handler as it is registered now. */
export function handlerNow({ registry }: Setting, name: string): HandlerBinding | undefined {
  const { handlers } = registry();
  let known = byName.get(handlers);
  if (known === undefined) byName.set(handlers, (known = new Map(handlers.handlers.map((one) => [one.name, one]))));
  return known.get(name);
}

/** Key of the step that is being worked on. */
export function stepOf({ progress }: ProcessRow): string | undefined {
  return progress['step'] as string | undefined;
}

/** The handler whose turn it is. */
export function handlerOf(row: ProcessRow): string {
  return handlerOfStep(stepOf(row) ?? null);
}

export function definitionOf({ typeAt }: Setting, row: ProcessRow): ProcessDefinition | null {
  return ownProcess(typeAt(row.resourceType, row.definitionVersion), row.name);
}

/** A step with the hop it belongs to: after a delegate the same handler may have another turn. */
export function hopAndStep(row: ProcessRow, step: string): string {
  return `${(row.progress['hop'] as number | undefined) ?? 0} ${row.name} ${step}`;
}

export const attemptOf = (process: number, dispatch: number): string => `${process}.${dispatch}`;

/** Is it a pause that holds the process, and not the wait for a place at its handler? */
export function isPaused({ heldBy }: ProcessRow): boolean {
  return isPause(heldBy);
}

/** A handler works, as far as the store knows. */
export const WORKING: ReadonlySet<string> = new Set(['dispatched', 'running']);
/** An attempt is under way, or will be as soon as its handler is there. */
export const OPEN: ReadonlySet<string> = new Set([...WORKING, 'waitingHandler']);

/** Is an attempt under way, or may be? */
export function hasAttempt({ status, progress }: ProcessRow): boolean {
  if (OPEN.has(status)) return true;
  return status === 'canceling' && (progress['cancel'] as { attempt: boolean } | undefined)?.attempt === true;
}
