import type { ProcessRow } from '@drover/contracts';
import { unitHash } from '@drover/kernel';
import type { BoundStep } from '../handlers/bindings.js';
import { type Draft, handlerOfStep } from './draft.js';
import { reportOutcome } from './gates.js';
import { heartbeatOf, overdueError, stepIsOver, timeoutOf, totalError } from './policies.js';
import { clip, waitingFor } from './progress.js';
import { beforeTotal, sendAttempt } from './attempts.js';
import { stepFailed } from './failures.js';
import { advance } from './steps.js';

/** The first look at an event that was just stored: "waiting for handler X" shows within a second. */
export const LOOK_MILLIS = 400;
/** Longest pause between two tries to store an event, or to ask the broker about it. */
const MAX_AGAIN_MILLIS = 30_000;

/** What the broker says about the event of a durable attempt that is out. */
export interface DeliveryCheck {
  event:
    /** in the stream, and nobody has taken it */
    | 'undelivered'
    /** taken; it is worked on, or will be delivered again when its acknowledgement time is over */
    | 'unacknowledged'
    /** the handler is finished with it: its answer is here, on its way, or never comes */
    | 'acknowledged'
    /** not in any stream: the broker's disk was lost, or the event outlived the stream's bounds */
    | 'lost';
  handler:
    /** it asks for events right now: nothing waits for it */
    | 'asks'
    /** it takes or acknowledges events, and asks for none at this moment */
    | 'busy'
    /** nobody asks, nothing moves */
    | 'absent';
}

const OUT: ReadonlySet<string> = new Set(['dispatched', 'waitingHandler']);

/** Is the event of an attempt out in the work stream, or on its way there? */
export function isOut(draft: Draft): boolean {
  return draft.progress.work !== null && OUT.has(draft.status);
}

/** The same of a live process: its wake-up asks the broker first. */
export function isOutDurably({ status, progress }: Pick<ProcessRow, 'status' | 'progress'>): boolean {
  return progress['work'] !== undefined && OUT.has(status);
}

/**
 * The broker stored the event of an attempt.
 * @param sequence in the stream
 * @param stream   when that stream was made, epoch milliseconds: another one does not hold the event
 */
export function stored(draft: Draft, dispatch: number, sequence: number, stream: number): string | null {
  if (dispatch !== draft.dispatch || !isOut(draft)) return 'the attempt is over';
  draft.progress.work = { sequence, stream };
  goOn(draft, LOOK_MILLIS);
  return null;
}

/** The broker did not take the event: it is sent again, with the same id, and the resource says why it is late. */
export function notStored(draft: Draft, dispatch: number, reason: string): string | null {
  if (dispatch !== draft.dispatch || !isOut(draft)) return 'the attempt is over';
  goOn(draft, againMillis(draft));
  draft.say('yes', clip(`the event for handler ${handlerOfStep(draft.progress.step)} is not stored yet: ${reason}`));
  return null;
}

/** The wake-up of a durable attempt: only what the broker says about its event can make a clock run. */
export function lookedAt(draft: Draft, check: DeliveryCheck | null): string | null {
  const { process, progress } = draft;
  const step = draft.currentStep();
  if (check?.handler === 'asks') release(draft);
  if (step === undefined) return unbound(draft, check);
  const timeout = attemptMillis(draft);
  const heartbeat = heartbeatOf(draft.definition!, step.handler);
  if (stepIsOver(draft)) {
    const error = totalError(step.handler.name, step.handler.totalMillis ?? 0);
    draft.noticeCancel(error.message);
    stepFailed(draft, error, 'TIMEOUT', draft.attemptUnderWay());
    return null;
  }
  if (process.deadlineInMillis !== null && process.deadlineInMillis <= 0) {
    draft.expectPassed = 'deadline';
    const message = `Handler ${step.handler.name} acknowledged its event and did not answer within ${timeout} ms`;
    reportOutcome(draft, true);
    const error = heartbeat === null ? { code: 'TIMEOUT', message, retryable: true } : overdueError(draft);
    draft.noticeCancel(error.message);
    stepFailed(draft, error, 'TIMEOUT');
    return null;
  }
  if (check?.event === 'acknowledged') {
    spoken(draft);
    beginBounds(draft, step);
    const left = process.deadlineInMillis ?? Math.min(timeout, heartbeat ?? timeout);
    goOn(draft, left, process.deadlineInMillis === null ? left : 'keep');
    draft.waitDeadlineMillis = null;
    return null;
  }
  if (process.waitDeadlineInMillis !== null && process.waitDeadlineInMillis <= 0) {
    draft.expectPassed = 'wait';
    const message = `Handler ${step.handler.name} did not take and answer its event within ${draft.definition!.waitMillis} ms`;
    draft.noticeCancel(message);
    stepFailed(draft, { code: 'HandlerAbsent', message, retryable: false }, 'TIMEOUT', draft.attemptUnderWay());
    return null;
  }
  if (step.handler.delivery !== 'durable' || check?.event === 'lost' || progress.work!.sequence === 0) {
    // The same attempt: its id stays, and the stream stores an id once.
    sendAttempt(draft, step, draft.definition!);
    if (isOut(draft)) draft.wakeMillis = beforeTotal(againMillis(draft), process.totalDeadlineInMillis);
    return null;
  }
  switch (check?.event) {
    case undefined:
      goOn(draft, againMillis(draft));
      draft.status = process.status;
      draft.waitingHandler = process.waitingHandler;
      return null;
    case 'unacknowledged':
      spoken(draft);
      beginBounds(draft, step);
      goOn(draft, timeout, process.deadlineInMillis === null ? heartbeat : 'keep');
      return null;
    case 'undelivered':
      if (check!.handler === 'absent') return absent(draft, step);
      spoken(draft);
      // Soon: a heartbeat and a handler's total begin when the event is seen to be taken.
      goOn(draft, Math.min(timeout, heartbeat ?? timeout, step.handler.totalMillis ?? timeout));
      return null;
  }
}

/**
 * The handler was seen to have the event: its total begins with the first attempt that is taken, and with a heartbeat the attempt has an end
 * too. Only of rows that were just read.
 */
function beginBounds(draft: Draft, { handler }: BoundStep): void {
  const { readAt } = draft.process;
  const { bounds } = draft.progress;
  const heartbeat = heartbeatOf(draft.definition!, handler);
  const total = handler.totalMillis ?? null;
  if (heartbeat === null && total === null) return;
  const stepUntil = bounds?.stepUntil ?? (total === null ? null : readAt + total);
  const until = bounds?.attemptUntil ?? (heartbeat === null ? null : readAt + attemptMillis(draft));
  const attemptUntil = until === null ? null : Math.min(until, stepUntil ?? until);
  draft.progress.bounds = { armedMillis: heartbeat ?? 0, attemptUntil, stepUntil };
}

/** Do this step's heartbeat and total wait for the event to be seen taken? */
function boundsAwaited(draft: Draft): boolean {
  const { bounds } = draft.progress;
  const handler = draft.currentStep()?.handler;
  const heartbeat = heartbeatOf(draft.definition!, handler);
  const total = handler?.totalMillis ?? null;
  return (heartbeat !== null && (bounds?.attemptUntil ?? null) === null) || (total !== null && bounds === null);
}

/**
 * Progress of a durable attempt: the handler is at work, so it is not waited for; its attempt clock moves only if it runs. A heartbeat begins
 * with it, or anew.
 */
export function heardFrom(draft: Draft): void {
  const { deadlineInMillis, waitDeadlineInMillis } = draft.process;
  const timeout = attemptMillis(draft);
  const heartbeat = heartbeatOf(draft.definition!, draft.currentStep()?.handler);
  const millis = heartbeat ?? timeout;
  goOn(draft, millis, heartbeat ?? (deadlineInMillis === null ? null : timeout));
  if (boundsAwaited(draft)) draft.wakeMillis = beforeTotal(LOOK_MILLIS, draft.process.totalDeadlineInMillis);
  const acknowledged = heartbeat === null ? deadlineInMillis !== null : waitDeadlineInMillis === null;
  draft.waitDeadlineMillis = acknowledged ? null : draft.definition!.waitMillis;
}

/** The attempt goes on as it was, and its event is looked at again after a while, at the latest when its clock has run out. */
export function goOn(draft: Draft, millis: number, deadline: number | 'keep' | null = 'keep'): void {
  const { process } = draft;
  draft.status = 'dispatched';
  draft.deadlineMillis = deadline === 'keep' && process.deadlineInMillis === null ? null : deadline;
  const left = deadline === 'keep' ? process.deadlineInMillis : deadline;
  draft.wakeMillis = beforeTotal(Math.min(millis, left ?? millis), process.totalDeadlineInMillis);
  const { bounds } = draft.progress;
  draft.notAfter = bounds?.attemptUntil ?? bounds?.stepUntil ?? null;
}

/** How long one attempt of the step under way may take, milliseconds. */
function attemptMillis(draft: Draft): number {
  return timeoutOf(draft.definition!, draft.currentStep()?.handler);
}

/** Nobody takes the event. Whoever waits longest is looked at every second, and the others when the handler asks again. */
function absent(draft: Draft, step: BoundStep): null {
  const { waitDeadlineInMillis, totalDeadlineInMillis } = draft.process;
  const { bounds } = draft.progress;
  // Whoever had taken it is gone: the attempt begins anew when it is taken again; the handler's total goes on.
  if (bounds?.attemptUntil != null)
    draft.progress.bounds = bounds.stepUntil === null ? null : { ...bounds, armedMillis: 0, attemptUntil: null };
  draft.notAfter = bounds?.stepUntil ?? null;
  draft.status = 'waitingHandler';
  draft.waitingHandler = step.handler.name;
  draft.deadlineMillis = null;
  draft.wakeMillis = beforeTotal(waitDeadlineInMillis ?? draft.definition!.waitMillis, totalDeadlineInMillis);
  draft.say('yes', waitingFor(step.handler.name));
  return null;
}

/** The handler was deactivated: it gets no more events. One that it may have in hand may still be answered, for as long as an attempt takes. */
function unbound(draft: Draft, check: DeliveryCheck | null): null {
  const { process, progress } = draft;
  const taken = check?.event === 'unacknowledged' || check?.event === 'acknowledged';
  const waits = process.status === 'waitingHandler' || progress.work!.sequence === 0 || check?.event === 'lost';
  const over = process.deadlineInMillis !== null && process.deadlineInMillis <= 0;
  if (over || (waits && !taken)) {
    passOver(draft);
    return null;
  }
  const { timeoutMillis } = draft.definition!;
  goOn(draft, process.deadlineInMillis ?? timeoutMillis, process.deadlineInMillis === null ? timeoutMillis : 'keep');
  return null;
}

/** A step whose handler was deactivated is left out, and the record says so. */
export function passOver(draft: Draft): void {
  const handler = handlerOfStep(draft.progress.step);
  const waited = draft.process.status === 'waitingHandler';
  const message = `handler ${handler} was deactivated${waited ? ' while the process waited for it' : ''}`;
  draft.record('skipped', { code: 'HandlerInactive', message });
  if (waited) release(draft);
  draft.say('yes', null);
  advance(draft);
}

/** Whoever else waits for the handler is decided again. */
function release(draft: Draft): void {
  const { status, waitingHandler } = draft.process;
  if (status === 'waitingHandler' && waitingHandler !== null)
    draft.effects.push({ kind: 'release', handler: waitingHandler });
}

/** The waiting is over: what was said about it goes. A handler's own message stays. */
function spoken(draft: Draft): void {
  const said = draft.region.message ?? '';
  const handler = handlerOfStep(draft.progress.step);
  if (said === waitingFor(handler) || said.startsWith(`the event for handler ${handler} is not stored yet`))
    draft.say('yes', null, draft.region.progress);
}

/** Until the next try: a quarter of the time that was spent waiting, so that ever fewer tries are made; spread by a hash. */
function againMillis(draft: Draft): number {
  const { id, version, waitDeadlineInMillis } = draft.process;
  const { waitMillis } = draft.definition!;
  const waited = Math.max(0, waitMillis - (waitDeadlineInMillis ?? waitMillis));
  const pause = Math.min(MAX_AGAIN_MILLIS, Math.max(LOOK_MILLIS, waited / 4));
  return Math.round(pause * (1 - 0.2 * unitHash(`${id}/${version}`)));
}
