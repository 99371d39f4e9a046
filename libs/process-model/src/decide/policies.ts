import type { HandlerBinding, ProcessDefinition, StepRetryPolicy } from '../definitions/types.js';
import type { Draft } from './draft.js';
import type { Bounds } from './progress.js';
import type { StepError } from './reply.js';

/**
 * How a step's failures are met: what the handler says, key by key, then the process. Codes that either of them calls not retryable are
 * not. `retries`, the protocol's word for attempts in all, comes before `retry.maxAttempts`.
 */
export function retryPolicyOf(definition: ProcessDefinition, handler: HandlerBinding | undefined): StepRetryPolicy {
  const { retry } = definition;
  const own = handler?.retry ?? {};
  return {
    maxAttempts: handler?.retries ?? own.maxAttempts ?? retry.maxAttempts,
    initialMillis: own.initialMillis ?? retry.initialMillis,
    maxMillis: own.maxMillis ?? retry.maxMillis,
    jitter: own.jitter ?? retry.jitter,
    nonRetryable: [...retry.nonRetryable, ...(own.nonRetryable ?? [])],
  };
}

export const timeoutOf = (definition: ProcessDefinition, handler: HandlerBinding | undefined): number =>
  handler?.timeoutMillis ?? definition.timeoutMillis;

/** Longest silence of a handler at work, milliseconds; null: each progress gives a whole `timeoutMillis` anew. */
export const heartbeatOf = (definition: ProcessDefinition, handler: HandlerBinding | undefined): number | null =>
  handler?.heartbeatMillis ?? definition.heartbeatMillis;

/**
 * The first deadline of an attempt, and what has to be noted because the one deadline of a process is not enough: a heartbeat is shorter
 * than the attempt that it belongs to, and a handler's total outlives its attempts.
 * @param stepUntil when the handler's total ends, from an earlier attempt of the step; null: it begins now
 */
export function arm(
  definition: ProcessDefinition,
  handler: HandlerBinding,
  stepUntil: number | null,
): { deadlineMillis: number; bounds: Bounds | null } {
  const timeout = timeoutOf(definition, handler);
  const heartbeat = heartbeatOf(definition, handler);
  const total = handler.totalMillis ?? null;
  if (heartbeat === null && total === null) return { deadlineMillis: timeout, bounds: null };
  const deadlineMillis = Math.min(timeout, heartbeat ?? timeout, stepUntil === null ? (total ?? timeout) : timeout);
  return { deadlineMillis, bounds: { armedMillis: deadlineMillis, attemptUntil: null, stepUntil } };
}

/**
 * When the attempt under way and its step end at the latest, by the database's clock. The database set the attempt's first deadline,
 * `armedMillis` after its beginning: from there all else follows. Null: there is no such bound, or the attempt's clock does not run.
 */
export function boundsOf(draft: Draft): Bounds | null {
  const { bounds } = draft.progress;
  const { deadlineInMillis, readAt } = draft.process;
  if (bounds === null || bounds.attemptUntil !== null || deadlineInMillis === null) return bounds;
  const handler = draft.currentStep()?.handler;
  const deadline = readAt + deadlineInMillis;
  const began = deadline - bounds.armedMillis;
  const total = handler?.totalMillis ?? null;
  const stepUntil = bounds.stepUntil ?? (total === null ? null : began + total);
  // A deadline that the step's end has cut (a millisecond may be lost in rounding) says nothing about the beginning.
  const cut = bounds.stepUntil !== null && deadline >= bounds.stepUntil - 1;
  const attemptUntil = cut ? bounds.stepUntil! : began + timeoutOf(draft.definition!, handler);
  return {
    armedMillis: bounds.armedMillis,
    attemptUntil: Math.min(attemptUntil, stepUntil ?? attemptUntil),
    stepUntil,
  };
}

/** The attempt is over; what is left of the handler's total goes on. */
export function keepStepBound(draft: Draft): void {
  const stepUntil = boundsOf(draft)?.stepUntil ?? null;
  draft.progress.bounds = stepUntil === null ? null : { armedMillis: 0, attemptUntil: null, stepUntil };
  draft.notAfter = stepUntil;
}

/** Has the handler's total run out? Asked only of rows that were just read: when its next attempt would begin, or has gone on too long. */
export function stepIsOver(draft: Draft): boolean {
  const stepUntil = boundsOf(draft)?.stepUntil ?? null;
  return stepUntil !== null && draft.process.readAt >= stepUntil;
}

/** Progress of one attempt is written at most once in this time, milliseconds, … */
const PROGRESS_MILLIS = 1_000;
/** … and no more often than once in this, however short its clock. */
const LEAST_PROGRESS_MILLIS = 10;

/**
 * How long progress may be kept back, so that several reports are one write: never longer than a quarter of the clock that it moves, else a
 * handler that reports in time could run out of it meanwhile.
 * @param clockInMillis what is left of that clock as of the last write; null: none runs
 * @returns milliseconds, 10 to 1,000
 */
export function progressPeriodMillis(clockInMillis: number | null): number {
  const quarter = clockInMillis === null ? PROGRESS_MILLIS : Math.floor(clockInMillis / 4);
  return Math.min(PROGRESS_MILLIS, Math.max(LEAST_PROGRESS_MILLIS, quarter));
}

/** Progress: the handler is alive. With a heartbeat the attempt's own end stays where it is. */
export function extend(draft: Draft): number {
  const definition = draft.definition!;
  const handler = draft.currentStep()?.handler;
  const heartbeat = heartbeatOf(definition, handler);
  const millis = heartbeat ?? timeoutOf(definition, handler);
  const bounds = boundsOf(draft);
  // Without a clock so far (it counted as absent), the attempt begins now.
  draft.progress.bounds = bounds?.attemptUntil === null ? { ...bounds, armedMillis: millis } : bounds;
  if (bounds !== null)
    draft.notAfter = heartbeat === null ? bounds.stepUntil : (bounds.attemptUntil ?? bounds.stepUntil);
  return millis;
}

/** Why the attempt's clock has run out, for its record. */
export function overdueError(draft: Draft): StepError {
  const definition = draft.definition!;
  const handler = draft.currentStep()?.handler;
  const name = handler?.name ?? '';
  const timeout = timeoutOf(definition, handler);
  const heartbeat = heartbeatOf(definition, handler);
  const bounds = boundsOf(draft);
  if (stepIsOver(draft)) return totalError(name, handler?.totalMillis ?? 0);
  if (heartbeat !== null && draft.process.readAt < (bounds?.attemptUntil ?? Infinity))
    return {
      code: 'TIMEOUT',
      message: `Handler ${name} was silent for longer than its heartbeat of ${heartbeat} ms`,
      retryable: true,
    };
  const message = `Handler ${name} did not answer within ${timeout} ms (a reply larger than the broker's payload limit never arrives).`;
  return { code: 'TIMEOUT', message, retryable: true };
}

export function totalError(handler: string, totalMillis: number): StepError {
  const message = `The attempts of handler ${handler} took longer than ${totalMillis} ms in all`;
  return { code: 'HandlerTotalTimeout', message, retryable: false };
}
