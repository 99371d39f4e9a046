import { DroverError } from '@drover/kernel';
import { restingStates } from '../states/index.js';
import type { Draft } from './draft.js';
import { clip, predecessorLeftMillis } from './progress.js';
import { cancelChildrenFirst, childrenToCancel, lookAgain } from './related.js';
import type { HandlerReply } from './reply.js';
import { ended } from './endings.js';
import { park } from './failures.js';

/**
 * An operator cancels the process. With no handler at work it leaves at once; else the handler is told, and the process is
 * `canceling` until it answers or its deadline, which moves no more, has passed.
 * @returns why it makes no sense, or null
 */
export function cancel(draft: Draft, audit: { code: string; message: string }): DroverError | null {
  const to = goal(draft);
  if (to === null && draft.status === 'parked')
    return refused(`cancel is not available: ${draft.name} parks on a cancel, and is parked; retry, skip or force it`);
  if (to !== null && !restingStates(draft.around.type, draft.process.stateField).has(to))
    return refused(`Cannot rest in ${to}, where the run began; use force with a state`);
  const attempt = draft.attemptUnderWay();
  draft.record('canceled', audit);
  draft.noticeCancel(audit.message);
  draft.progress.cancel = { reason: audit.message, attempt: attempt !== null };
  const { deadlineInMillis } = draft.process;
  if (attempt === null) leaveUnlessAwaited(draft);
  // The clock of a durable attempt that nobody took does not run: from now on it does.
  else wait(draft, deadlineInMillis === null ? predecessorLeftMillis(attempt, draft.process.readAt) : 'keep');
  return null;
}

/** Where a cancel leads: the state that the definition or the beginning of the run names; null: parked. */
function goal(draft: Draft): string | null {
  const { onCancel, parksOnCancel } = draft.definition!;
  return parksOnCancel ? null : (onCancel ?? draft.process.beganState);
}

/** An answer while canceling: its data is merged, whatever else it asks for comes too late. */
export function answeredWhileCanceling(draft: Draft, dispatch: number, reply: HandlerReply): string | null {
  if (dispatch !== draft.dispatch || draft.progress.cancel?.attempt !== true) return 'the attempt is over';
  if (reply.kind === 'rejected') {
    draft.record('rejected', { code: 'ReplyRejected', message: reply.reason });
    stay(draft);
    return null;
  }
  if (reply.kind === 'progress') {
    merge(draft, reply);
    draft.say('yes', reply.message ?? draft.region.message, reply.progress ?? draft.region.progress);
    stay(draft);
    return null;
  }
  draft.answered = true;
  if (reply.kind === 'failed') draft.record('canceled', reply.error);
  else {
    merge(draft, reply);
    draft.record('canceled', { code: 'Canceled', message: 'answered after the cancel; its data is merged' });
  }
  attemptOver(draft);
  return null;
}

/** The attempt is known to be no more: nobody heard its event, or it was taken back before anybody took it. */
export function neverTaken(draft: Draft, dispatch: number): string | null {
  if (dispatch !== draft.dispatch || draft.progress.cancel?.attempt !== true) return 'the attempt is over';
  attemptOver(draft);
  return null;
}

/** The deadline is what ends the wait, should the answer never come. The total clock does not: it would let two handlers meet. */
export function wokenWhileCanceling(draft: Draft): void {
  if (draft.progress.leaving !== null) {
    lookAgain(draft);
    return;
  }
  const { deadlineInMillis } = draft.process;
  if (deadlineInMillis !== null && deadlineInMillis > 0) {
    stay(draft);
    return;
  }
  if (deadlineInMillis !== null) draft.expectPassed = 'deadline';
  if (draft.progress.cancel?.attempt === true) {
    draft.record('timeout', { code: 'TIMEOUT', message: 'no answer after the cancel' });
    attemptOver(draft);
    return;
  }
  draft.progress.predecessor = draft.progress.predecessor?.next ?? null;
  leaveUnlessAwaited(draft);
}

/** An attempt that pre-emption had cancelled before has answered, and its data is merged. */
export function predecessorWhileCanceling(draft: Draft): void {
  if (draft.progress.cancel?.attempt === true) stay(draft);
  else leaveUnlessAwaited(draft);
}

function attemptOver(draft: Draft): void {
  draft.progress.cancel = { ...draft.progress.cancel!, attempt: false };
  leaveUnlessAwaited(draft);
}

/** Leaves, unless an attempt that pre-emption cancelled may still be at work. */
function leaveUnlessAwaited(draft: Draft): void {
  const { predecessor } = draft.progress;
  const left = predecessor === null ? 0 : predecessorLeftMillis(predecessor, draft.process.readAt);
  if (left > 0) {
    wait(draft, left);
    draft.notAfter = predecessor!.until;
    return;
  }
  draft.progress.predecessor = null;
  const children = childrenToCancel(draft);
  if (children.length > 0) cancelChildrenFirst(draft, children);
  else leave(draft, goal(draft), 'canceled');
}

/** The last of the children has ended. */
export function leaveWithoutChildren(draft: Draft): void {
  draft.progress.leaving = null;
  draft.progress.joins = {};
  leave(draft, goal(draft), 'canceled');
}

/** Ends the process and puts the resource into a resting state; null parks it where it is. */
export function leave(draft: Draft, state: string | null, kind: 'canceled' | 'forced'): void {
  if (state === null) {
    draft.error = { code: 'Canceled', message: clip(`canceled ${draft.progress.cancel?.reason ?? ''}`) };
    draft.progress.cancel = null;
    draft.deadlineMillis = null;
    draft.waitDeadlineMillis = null;
    park(draft, 'CANCELED');
    return;
  }
  draft.endsEarly = kind === 'forced';
  draft.move(state, kind, 'canceled');
  draft.say('no', null);
  draft.end('CANCELED');
  draft.effects.push(ended(draft, 'CANCELED'));
}

function wait(draft: Draft, deadlineMillis: number | 'keep'): void {
  draft.status = 'canceling';
  draft.deadlineMillis = deadlineMillis;
  draft.waitDeadlineMillis = null;
  draft.wakeMillis = 'deadline';
  draft.say('yes', clip(`canceling ${draft.progress.cancel!.reason}`), draft.region.progress);
}

function stay(draft: Draft): void {
  draft.deadlineMillis = draft.process.deadlineInMillis === null ? null : 'keep';
  draft.wakeMillis = draft.deadlineMillis === null ? 0 : 'deadline';
}

/** Data that is refused changes nothing: the process leaves all the same. */
function merge(draft: Draft, { data }: { data: Parameters<Draft['merge']>[0] }): void {
  try {
    draft.merge(data);
  } catch (error) {
    if (!(error instanceof DroverError)) throw error;
    draft.error = { code: error.code, message: clip(error.message) };
  }
}

function refused(message: string): DroverError {
  return new DroverError('ActionNotAvailable', message);
}
