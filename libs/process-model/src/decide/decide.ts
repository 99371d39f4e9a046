import type { CommitTransition, ProcessRow, ResourceRow } from '@drover/contracts';
import { DroverError, type JsonObject } from '@drover/kernel';
import { answeredWhileCanceling, neverTaken, predecessorWhileCanceling, wokenWhileCanceling } from './cancel.js';
import { Draft, type Effect, type Surroundings } from './draft.js';
import { isPaused, notAdmitted, reportOutcome, waitedTooLong } from './gates.js';
import { operate, type OperatorInput } from './operate.js';
import { type DeliveryCheck, heardFrom, isOut, LOOK_MILLIS, lookedAt, notStored, passOver, stored } from './durable.js';
import { awaited, clip, without } from './progress.js';
import type { BoundStep } from '../handlers/bindings.js';
import { extend, keepStepBound, overdueError, stepIsOver, totalError } from './policies.js';
import { lookAgain, relatedRead, type RelatedInput } from './related.js';
import type { HandlerReply } from './reply.js';
import { advance, beforeTotal, sendAttempt, startAttempt, stepDone, stepFailed } from './steps.js';

/** What happened to a live process. */
export type Input =
  /** nothing is being worked on: go on */
  | { kind: 'advance' }
  /** an answer to one attempt, in-process or over NATS */
  | { kind: 'reply'; dispatch: number; reply: HandlerReply }
  /** `next_wake_at` has come; for a durable attempt, with what the broker says about its event, when it could be asked */
  | { kind: 'wake'; delivery?: DeliveryCheck }
  /** the broker stored the event of a durable attempt */
  | { kind: 'stored'; dispatch: number; sequence: number; stream: number }
  /** the broker did not take the event of a durable attempt */
  | { kind: 'notStored'; dispatch: number; reason: string }
  /** the event of a durable attempt that was given up is out of the stream, and nobody had taken it: no answer will come */
  | { kind: 'withdrawn'; dispatch: number }
  /** the event of this attempt was sent to a handler that had been absent, and the broker did not say that nobody listens */
  | { kind: 'heard'; dispatch: number }
  /** the event of this attempt was not sent: the engine's lease was over */
  | { kind: 'unsent'; dispatch: number }
  /** the broker knows no subscriber for the event of this attempt */
  | { kind: 'noResponders'; dispatch: number }
  /** no place was free at the handler; `failures`: in a row, where its circuit is not closed, else null */
  | { kind: 'notAdmitted'; handler: string; failures: number | null }
  /** the attempt that pre-emption cancelled has answered */
  | { kind: 'predecessorAnswered'; predecessorId: number; data: JsonObject }
  /** what was read for a step of related work */
  | RelatedInput
  | OperatorInput;

export type Decision =
  /** commit this; when it is applied, carry out the effects */
  | { kind: 'commit'; transition: CommitTransition; effects: Effect[] }
  /** nothing changes, and this is to be done */
  | { kind: 'effects'; effects: Effect[] }
  /** nothing changes: a late or repeated input */
  | { kind: 'ignore'; reason: string }
  /** an operator's act that makes no sense now */
  | { kind: 'refuse'; error: DroverError };

/**
 * The decision core: what follows from one input to one live process. A total function of its arguments: no I/O, no clock, no
 * randomness; the rows are not modified.
 */
export function decide(process: ProcessRow, resource: ResourceRow, around: Surroundings, input: Input): Decision {
  const draft = new Draft(process, resource, around);
  if (draft.definition === undefined) return { kind: 'ignore', reason: `process ${process.name} is not defined` };
  const refusal = apply(draft, input);
  if (refusal instanceof DroverError) return { kind: 'refuse', error: refusal };
  if (refusal !== null) return { kind: 'ignore', reason: refusal };
  if (draft.unchanged) return { kind: 'effects', effects: draft.effects };
  const transition = draft.build();
  if (input.kind === 'operate') {
    transition.commandId = input.commandId ?? null;
    transition.commandHash = input.commandHash ?? null;
  }
  return { kind: 'commit', transition, effects: draft.effects };
}

/** Works an input into the draft; a text says why nothing follows from it. */
function apply(draft: Draft, input: Input): string | DroverError | null {
  switch (input.kind) {
    case 'advance':
      if (draft.status !== 'ready') return `status is ${draft.status}`;
      advance(draft);
      return null;
    case 'reply':
      return replied(draft, input.dispatch, input.reply);
    case 'wake':
      return woken(draft, input.delivery ?? null);
    case 'stored':
      return stored(draft, input.dispatch, input.sequence, input.stream);
    case 'notStored':
      return notStored(draft, input.dispatch, input.reason);
    case 'withdrawn':
      return draft.status === 'canceling' ? neverTaken(draft, input.dispatch) : 'the attempt is over';
    case 'heard':
      return heard(draft, input.dispatch);
    case 'unsent':
      if (input.dispatch !== draft.dispatch || draft.status !== 'dispatched') return 'the attempt is over';
      return sendAgain(draft, 'dispatch');
    case 'noResponders':
      if (draft.status === 'canceling') return neverTaken(draft, input.dispatch);
      return unheard(draft, input.dispatch);
    case 'notAdmitted':
      return notAdmitted(draft, input.handler, input.failures);
    case 'predecessorAnswered':
      return predecessorAnswered(draft, input.predecessorId, input.data);
    case 'related':
      return relatedRead(draft, input);
    case 'operate':
      return operate(draft, input);
  }
}

const OPEN: ReadonlySet<string> = new Set(['dispatched', 'running', 'waitingHandler']);

function replied(draft: Draft, dispatch: number, reply: HandlerReply): string | null {
  if (draft.status === 'canceling') return answeredWhileCanceling(draft, dispatch, reply);
  if (dispatch !== draft.dispatch || !OPEN.has(draft.status)) return 'the attempt is over';
  draft.answered = reply.kind !== 'progress' && reply.kind !== 'rejected';
  if (draft.answered) reportOutcome(draft, reply.kind === 'failed' && reply.error.retryable);
  switch (reply.kind) {
    case 'done':
      stepDone(draft, reply);
      return null;
    case 'failed':
      stepFailed(draft, reply.error, 'UNKNOWN_EXCEPTION');
      return null;
    case 'delay':
      return delayed(draft, reply);
    case 'progress':
      return progressed(draft, reply);
    case 'rejected':
      draft.error = { code: 'ReplyRejected', message: clip(`${draft.progress.step ?? ''}: ${reply.reason}`) };
      draft.record('rejected', draft.error);
      keepWaiting(draft);
      return null;
  }
}

/** The process waits on as it did: status, clocks and wake-up stay. */
function stayAsItIs(draft: Draft): void {
  draft.waitingHandler = draft.process.waitingHandler;
  draft.heldBy = draft.process.heldBy;
  draft.deadlineMillis = draft.process.deadlineInMillis === null ? null : 'keep';
  draft.wakeMillis = draft.status === 'parked' ? null : 'keep';
}

/** The attempt goes on as it was: its clocks stay. */
function keepWaiting(draft: Draft): void {
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

function progressed(draft: Draft, reply: Extract<HandlerReply, { kind: 'progress' }>): string | null {
  const step = draft.currentStep();
  try {
    draft.merge(reply.data);
  } catch (error) {
    return refusedData(draft, error);
  }
  if (isOut(draft)) heardFrom(draft);
  else {
    draft.status = draft.status === 'running' ? 'running' : 'dispatched';
    draft.deadlineMillis = extend(draft);
    draft.wakeMillis = beforeTotal(draft.deadlineMillis, draft.process.totalDeadlineInMillis);
    draft.waitDeadlineMillis = null;
  }
  const message = draft.region.message === waitingFor(step) ? null : draft.region.message;
  draft.say('yes', reply.message ?? message, reply.progress ?? draft.region.progress);
  return null;
}

function delayed(draft: Draft, reply: Extract<HandlerReply, { kind: 'delay' }>): string | null {
  try {
    draft.merge(reply.data);
  } catch (error) {
    return refusedData(draft, error);
  }
  const { waitMillis } = draft.definition!;
  const left = draft.process.waitDeadlineInMillis;
  if (reply.delayMillis > (left ?? waitMillis)) {
    const message = `asked for a delay of ${reply.delayMillis} ms; waitMillis (${waitMillis}) leaves ${Math.max(0, left ?? waitMillis)}`;
    stepFailed(draft, { code: 'DelayTooLong', message, retryable: false }, 'UNKNOWN_EXCEPTION');
    return null;
  }
  draft.waitDeadlineMillis = left === null ? waitMillis : 'keep';
  if (draft.region.message === waitingFor(draft.currentStep())) draft.say('yes', null);
  draft.record('delayed');
  draft.closeExecution('DELAY');
  draft.newExecution();
  draft.status = 'delayed';
  draft.wakeMillis = beforeTotal(reply.delayMillis, draft.process.totalDeadlineInMillis);
  keepStepBound(draft);
  return null;
}

function refusedData(draft: Draft, error: unknown): null {
  if (!(error instanceof DroverError)) throw error;
  stepFailed(draft, { code: error.code, message: error.message, retryable: false }, 'UNKNOWN_EXCEPTION');
  return null;
}

function woken(draft: Draft, delivery: DeliveryCheck | null): string | null {
  const { process } = draft;
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
  stepFailed(draft, { ...error, message: clip(`${error.message}${rejected}`) }, 'TIMEOUT');
  return null;
}

/** The same event, with the same id: answers come to this engine's slot from now on. */
function sendAgain(draft: Draft, effect: 'run' | 'dispatch'): null {
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
function heard(draft: Draft, dispatch: number): string | null {
  const said = draft.region.message === waitingFor(draft.currentStep());
  if (dispatch !== draft.dispatch || draft.status !== 'dispatched' || !said) return 'nothing was said about waiting';
  draft.say('yes', null, draft.region.progress);
  keepWaiting(draft);
  return null;
}

/** 503: nobody listens. The process waits, shown on the resource, until the handler is back. */
function unheard(draft: Draft, dispatch: number): string | null {
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
  draft.say('yes', waitingFor(step));
  return null;
}

function waitingFor(step: BoundStep | undefined): string {
  return `waiting for handler ${step?.handler.name ?? ''}`;
}

/** What the cancelled attempt made is merged, so that this process's first handler sees it. */
function predecessorAnswered(draft: Draft, predecessorId: number, data: JsonObject): string | null {
  const { predecessor } = draft.progress;
  if (predecessor === null || !awaited(predecessor).some((one) => one.processId === predecessorId))
    return 'no such predecessor';
  try {
    draft.merge(data);
  } catch (error) {
    if (!(error instanceof DroverError)) throw error;
    draft.error = { code: error.code, message: clip(error.message) };
  }
  if (predecessor.processId === predecessorId) begunAfterPredecessor(draft);
  else {
    // One further back: it is awaited no more, the nearer one still is.
    draft.progress.predecessor = without(predecessor, predecessorId);
    stayAsItIs(draft);
  }
  return null;
}

function begunAfterPredecessor(draft: Draft): void {
  draft.progress.predecessor = draft.progress.predecessor?.next ?? null;
  if (draft.status === 'canceling') {
    predecessorWhileCanceling(draft);
    return;
  }
  if (draft.status === 'waitingPredecessor') {
    const step = draft.currentStep();
    if (step === undefined) advance(draft);
    else startAttempt(draft, step);
    return;
  }
  // An in-process step is under way, between two attempts or parked: only the note of the predecessor goes.
  stayAsItIs(draft);
}
