import { DroverError, type JsonObject } from '@drover/kernel';
import { answeredWhileCanceling, predecessorWhileCanceling } from './cancel.js';
import { Draft } from './draft.js';
import { heardFrom, isOut } from './durable.js';
import { reportOutcome } from './gates.js';
import { extend, keepStepBound } from './policies.js';
import { awaited, clip, waitingFor, without } from './progress.js';
import type { HandlerReply } from './reply.js';
import { beforeTotal, startAttempt } from './attempts.js';
import { stepFailed } from './failures.js';
import { advance, stepDone } from './steps.js';
import { keepWaiting, stayAsItIs } from './wake.js';

const OPEN: ReadonlySet<string> = new Set(['dispatched', 'running', 'waitingHandler']);

export function replied(draft: Draft, dispatch: number, reply: HandlerReply): string | null {
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
  const message = draft.region.message === waitingFor(step?.handler.name) ? null : draft.region.message;
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
  if (draft.region.message === waitingFor(draft.currentStep()?.handler.name)) draft.say('yes', null);
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

/** What the cancelled attempt made is merged, so that this process's first handler sees it. */
export function predecessorAnswered(draft: Draft, predecessorId: number, data: JsonObject): string | null {
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

export function begunAfterPredecessor(draft: Draft): void {
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
