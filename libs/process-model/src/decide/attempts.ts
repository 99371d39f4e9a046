import type { ProcessRow } from '@drover/contracts';
import type { ProcessDefinition } from '../definitions/types.js';
import type { BoundStep } from '../handlers/bindings.js';
import { stepsOf } from '../handlers/steps-of.js';
import { ownProcess } from '../states/index.js';
import type { Draft, Surroundings } from './draft.js';
import { LOOK_MILLIS } from './durable.js';
import { isHeld } from './gates.js';
import { arm, heartbeatOf, timeoutOf } from './policies.js';
import { predecessorLeftMillis, unpackProgress } from './progress.js';
import { beginRelated } from './related.js';

/** Begins an attempt of a step: a new id, the same key. */
export function startAttempt(draft: Draft, step: BoundStep): void {
  const definition = draft.definition!;
  draft.progress.stepStart = draft.around.now;
  const { predecessor } = draft.progress;
  if (predecessor !== null && step.handler.kind === 'external') {
    draft.status = 'waitingPredecessor';
    draft.deadlineMillis = predecessorLeftMillis(predecessor, draft.process.readAt);
    draft.wakeMillis = beforeTotal(draft.deadlineMillis, draft.process.totalDeadlineInMillis);
    return;
  }
  if (isHeld(draft, step)) return;
  draft.dispatch++;
  sendAttempt(draft, step, definition);
}

/** Sends the attempt under way, for the first time or, with the same id, once more: the attempt clock starts. */
export function sendAttempt(draft: Draft, step: BoundStep, definition: ProcessDefinition): void {
  if (step.related !== undefined) {
    beginRelated(draft, step.related);
    return;
  }
  if (isDurable(step)) {
    sendDurably(draft, definition);
    return;
  }
  draft.progress.work = null;
  draft.slot = draft.around.slot;
  const { deadlineMillis, bounds } = arm(definition, step.handler, draft.progress.bounds?.stepUntil ?? null);
  draft.progress.bounds = bounds;
  draft.notAfter = bounds?.stepUntil ?? null;
  draft.deadlineMillis = deadlineMillis;
  draft.wakeMillis = beforeTotal(deadlineMillis, draft.process.totalDeadlineInMillis);
  const external = step.handler.kind === 'external';
  draft.status = external ? 'dispatched' : 'running';
  draft.effects.push({ kind: external ? 'dispatch' : 'run' });
}

export function isDurable({ handler }: BoundStep): boolean {
  return handler.kind === 'external' && handler.delivery === 'durable';
}

/** Into the work stream, where it waits for its handler: only the waiting clock runs. */
function sendDurably(draft: Draft, definition: ProcessDefinition): void {
  const again = draft.dispatch === draft.process.dispatch && draft.progress.work !== null;
  draft.progress.work = { sequence: 0, stream: 0 };
  // The stored event, if it was stored, names the slot of its first try: its answer comes there.
  draft.slot = again ? (draft.process.slot ?? draft.around.slot) : draft.around.slot;
  draft.status = 'dispatched';
  draft.deadlineMillis = null;
  draft.waitDeadlineMillis ??= definition.waitMillis;
  draft.wakeMillis = beforeTotal(LOOK_MILLIS, draft.process.totalDeadlineInMillis);
  draft.effects.push({ kind: 'dispatch' });
}

/** Clocks of the attempt under way, milliseconds. */
export interface AttemptClocks {
  /** how long it may take: the handler's own time, else the process's */
  timeoutMillis: number;
  /** longest silence, or null */
  heartbeatMillis: number | null;
}

export function attemptClocks(process: ProcessRow, around: Surroundings): AttemptClocks {
  const { step } = unpackProgress(process.progress);
  const handler = stepsOf(around, process.name).find((candidate) => candidate.key === step)?.handler;
  const definition = ownProcess(around.type, process.name);
  if (definition === null) return { timeoutMillis: 0, heartbeatMillis: null };
  return { timeoutMillis: timeoutOf(definition, handler), heartbeatMillis: heartbeatOf(definition, handler) };
}

/** The wake-up for a clock: never later than the end of the process's whole life. */
export function beforeTotal(millis: number, totalInMillis: number | null): number {
  return Math.max(0, Math.min(millis, totalInMillis ?? millis));
}
