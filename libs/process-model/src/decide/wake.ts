import { formatId, PROCESS_INSTANCE_PREFIX } from '@drover/kernel';
import type { BoundStep } from '../handlers/bindings.js';
import { begunAfterPredecessor } from './answers.js';
import { cancel, wokenWhileCanceling } from './cancel.js';
import { Draft } from './draft.js';
import { type DeliveryCheck, isOut, LOOK_MILLIS, lookedAt, passOver } from './durable.js';
import { isPaused, reportOutcome, waitedTooLong } from './gates.js';
import { heartbeatOf, overdueError, stepIsOver, totalError } from './policies.js';
import { clip, waitingFor } from './progress.js';
import { lookAgain } from './related.js';
import { beforeTotal, sendAttempt, startAttempt } from './attempts.js';
import { stepFailed } from './failures.js';
import { advance } from './steps.js';

/** The process waits on as it did: status, clocks and wake-up stay. */
export function stayAsItIs(draft: Draft): void {
  draft.waitingHandler = draft.process.waitingHandler;
  draft.heldBy = draft.process.heldBy;
  draft.deadlineMillis = draft.process.deadlineInMillis === null ? null : 'keep';
  draft.wakeMillis = draft.status === 'parked' ? null : 'keep';
}

/** The attempt goes on as it was: its clocks stay. */
export function keepWaiting(draft: Draft): void {
  const { deadlineInMillis, waitDeadlineInMillis, totalDeadlineInMillis, waitingHandler } = draft.process;
  draft.waitingHandler = waitingHandler;
  draft.deadlineMillis = deadlineInMillis === null ? null : 'keep';
  if (isOut(draft)) {
    draft.wakeMillis = beforeTotal(deadlineInMillis ?? LOOK_MILLIS, totalDeadlineInMillis);
    return;
  }
  const wake = beforeTotal(deadlineInMillis ?? waitDeadlineInMillis ?? 0, totalDeadlineInMillis);
  draft.wakeMillis = wake === deadlineInMillis ? 'deadline' : wake;
}

export function woken(draft: Draft, delivery: DeliveryCheck | null): string | null {
  const { process } = draft;
  if (draft.orphaned) return parentEnded(draft);
  if (process.status === 'parked') return 'parked: an operator must act';
  if (process.status === 'canceling') {
    wokenWhileCanceling(draft);
    return null;
  }
  if (passed(process.totalDeadlineInMillis)) {
    draft.expectPassed = 'total';
    draft.noticeCancel('the process reached the end of its longest life');
    stepFailed(
      draft,
      { code: 'TotalTimeout', message: 'The process reached the end of its longest life', retryable: false },
      'TIMEOUT',
      draft.attemptUnderWay(),
    );
    return null;
  }
  if (isOut(draft)) return lookedAt(draft, delivery);
  switch (process.status) {
    case 'ready':
      advance(draft);
      return null;
    case 'dispatched':
    case 'running':
      return overdue(draft);
    case 'backoff':
    case 'delayed':
      return attemptAgain(draft);
    case 'held': {
      const late = waitedTooLong(draft);
      if (late !== null) stepFailed(draft, late, 'TIMEOUT');
      else if (draft.progress.step !== null) attemptAgain(draft);
      else goOnToTheEnd(draft);
      return null;
    }
    case 'waitingChildren':
      return lookAgain(draft);
    case 'waitingHandler':
      return probe(draft);
    case 'waitingPredecessor':
      if (!passed(process.deadlineInMillis)) return rearm(draft);
      draft.expectPassed = 'deadline';
      begunAfterPredecessor(draft);
      return null;
  }
}

/** Its parent has ended early: it is cancelled as by an operator. What cannot be cancelled goes on, and its record says why. */
function parentEnded(draft: Draft): string | null {
  draft.progress.parentEnded = true;
  if (draft.status === 'canceling') {
    wokenWhileCanceling(draft);
    return null;
  }
  const parent = formatId(PROCESS_INSTANCE_PREFIX, draft.process.parentId!);
  const refusal = cancel(draft, { code: 'ParentEnded', message: `since its parent process ${parent} has ended` });
  if (refusal === null) return null;
  draft.record('rejected', { code: 'ParentEnded', message: refusal.message });
  stayAsItIs(draft);
  return null;
}

function passed(inMillis: number | null): boolean {
  return inMillis !== null && inMillis <= 0;
}

/** The attempt's clock, a take-over, or a wake-up that came before a moved deadline. */
function overdue(draft: Draft): string | null {
  const { process } = draft;
  const step = draft.currentStep();
  if (step === undefined) {
    // The handler was deactivated while it worked, and its time is up or nobody can be asked again.
    if (!passed(process.deadlineInMillis)) return rearm(draft);
    draft.expectPassed = 'deadline';
    passOver(draft);
    return null;
  }
  if (process.resend && !passed(process.deadlineInMillis)) {
    return sendAgain(draft, step.handler.kind === 'builtin' ? 'run' : 'dispatch');
  }
  if (!passed(process.deadlineInMillis)) return rearm(draft);
  draft.expectPassed = 'deadline';
  const error = overdueError(draft);
  const rejected = process.errorCode === 'ReplyRejected' ? ` Its last reply was rejected: ${process.errorMessage}` : '';
  reportOutcome(draft, true);
  // Inside an engine whoever runs the attempt keeps its time; only silence is seen here alone.
  if (step.handler.kind === 'external' || heartbeatOf(draft.definition!, step.handler) !== null)
    draft.noticeCancel(error.message);
  stepFailed(draft, { ...error, message: clip(`${error.message}${rejected}`) }, 'TIMEOUT');
  return null;
}

/** The same event, with the same id: answers come to this engine's slot from now on. */
export function sendAgain(draft: Draft, effect: 'run' | 'dispatch'): null {
  keepWaiting(draft);
  if (!isOut(draft)) draft.slot = draft.around.slot;
  draft.effects.push({ kind: effect });
  return null;
}

function rearm(draft: Draft): null {
  keepWaiting(draft);
  return null;
}

/** The next attempt of a step: a retry counts, a delay the handler asked for does not. */
function attemptAgain(draft: Draft): null {
  draft.replan();
  const step = draft.currentStep();
  if (step === undefined) {
    passOver(draft);
    return null;
  }
  if (stepIsOver(draft)) return tooLong(draft, step);
  if (draft.process.status === 'backoff') draft.progress.attempt++;
  startAttempt(draft, step);
  return null;
}

/** The handler's total ran out between two attempts. */
function tooLong(draft: Draft, { handler }: BoundStep): null {
  stepFailed(draft, totalError(handler.name, handler.totalMillis ?? 0), 'TIMEOUT');
  return null;
}

/** Held when no step was left; one whose handler was registered meanwhile comes first. */
function goOnToTheEnd(draft: Draft): void {
  draft.replan();
  advance(draft);
}

/** Asks a handler that was absent, with the same event: no attempt is spent on its absence. */
function probe(draft: Draft): null {
  const step = draft.currentStep();
  if (step === undefined) {
    passOver(draft);
    return null;
  }
  if (passed(draft.process.waitDeadlineInMillis)) {
    draft.expectPassed = 'wait';
    const message = `Handler ${step.handler.name} has had no subscriber for ${draft.definition!.waitMillis} ms`;
    stepFailed(draft, { code: 'HandlerAbsent', message, retryable: false }, 'TIMEOUT');
    return null;
  }
  if (stepIsOver(draft)) return tooLong(draft, step);
  if (isPaused(draft, step)) return null;
  sendAttempt(draft, step, draft.definition!);
  // Released, since another event was heard: this one will be too. A probe says nothing before it knows.
  if (draft.process.resend) draft.say('yes', null);
  return null;
}

/** The probe drew no "nobody listens": what was said about the waiting goes. */
export function heard(draft: Draft, dispatch: number): string | null {
  const said = draft.region.message === waitingFor(draft.currentStep()?.handler.name);
  if (dispatch !== draft.dispatch || draft.status !== 'dispatched' || !said) return 'nothing was said about waiting';
  draft.say('yes', null, draft.region.progress);
  keepWaiting(draft);
  return null;
}

/** 503: nobody listens. The process waits, shown on the resource, until the handler is back. */
export function unheard(draft: Draft, dispatch: number): string | null {
  if (dispatch !== draft.dispatch || draft.status !== 'dispatched' || isOut(draft)) return 'the attempt is over';
  const step = draft.currentStep();
  if (step === undefined) return 'the handler was deactivated';
  const { waitMillis } = draft.definition!;
  const left = draft.process.waitDeadlineInMillis;
  draft.status = 'waitingHandler';
  draft.waitingHandler = step.handler.name;
  draft.deadlineMillis = null;
  draft.waitDeadlineMillis = left === null ? waitMillis : 'keep';
  draft.wakeMillis = beforeTotal(left ?? waitMillis, draft.process.totalDeadlineInMillis);
  draft.notAfter = draft.progress.bounds?.stepUntil ?? null;
  draft.say('yes', waitingFor(step.handler.name));
  return null;
}
