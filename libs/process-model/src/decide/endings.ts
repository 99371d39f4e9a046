import { chainIsDone, chainTarget, type Continuation, delegateTarget, doneFor, ownProcess } from '../states/index.js';
import { beginProcess, READY_LEASE_MILLIS } from './begin.js';
import type { Draft, Effect } from './draft.js';
import { stepFailed } from './failures.js';
import { isHeld } from './gates.js';
import type { Predecessor } from './progress.js';
import { advance } from './steps.js';

/** Where a chain asked for by a result goes. */
export function chainOf(draft: Draft, name: string): Continuation | null {
  const next = ownProcess(draft.around.type, name.toLowerCase());
  return next === null ? null : chainTarget(draft.definition!, draft.region.state, next);
}

/** No step is left: chain, delegate, or rest in the done state. */
export function finish(draft: Draft): void {
  const definition = draft.definition!;
  const done = doneFor(definition, draft.region.state);
  if (done === null) {
    // The state is not on this process's path (only a hand in the database does that): there is nothing to hold.
    draft.say('no', null);
    draft.end('CANCELED');
    draft.effects.push(ended(draft, 'CANCELED'));
    return;
  }
  if (isHeld(draft, null)) return;
  const chain = draft.progress.chain === null ? null : chainOf(draft, draft.progress.chain);
  const refused = chain === null ? null : draft.hindrance(chain.process);
  if (chain !== null && refused !== null) {
    const error = { code: 'HandlerDataRefused', message: `chainProcess "${chain.process.name}": ${refused}` };
    stepFailed(draft, { ...error, retryable: false }, 'UNKNOWN_EXCEPTION');
    return;
  }
  if (chain !== null) {
    followUp(draft, chain, { exit: 'CHAIN', beganState: done, predecessor: draft.progress.predecessor });
    return;
  }
  if (draft.progress.chain !== null) {
    // What was asked for is reached without it.
    rest(draft, done, 'ALREADY_DONE');
    return;
  }
  const goesOn = definition.delegate !== null && (definition.delegate.always || draft.progress.delegate);
  const delegate = goesOn ? delegateTarget(draft.around.type, definition, draft.region.state) : null;
  const hindered = delegate === null ? null : draft.hindrance(delegate.process);
  if (hindered !== null) draft.record('done', { code: 'NoDelegate', message: hindered });
  if (delegate !== null && hindered === null) continueIn(draft, delegate);
  else rest(draft, done, goesOn && delegateIsDone(draft) ? 'ALREADY_DONE' : 'DONE');
}

/** Is the delegate's work done where the process ends? Only a delegate that cannot start there is asked for it. */
export function delegateIsDone({ definition, around, region }: Draft): boolean {
  const to = ownProcess(around.type, definition!.delegate?.process ?? '');
  return to !== null && chainIsDone(definition!, region.state, to);
}

/** The resource rests in the done state, and the process has ended. */
function rest(draft: Draft, done: string, exit: 'DONE' | 'ALREADY_DONE'): void {
  draft.move(done, 'done', 'done');
  const { cause } = draft.progress;
  if (cause === null) draft.say('no', null);
  else draft.say('error', cause.message);
  draft.end(exit);
  draft.effects.push(ended(draft, exit));
}

/** The same instance goes on in another definition, without resting in done. */
function continueIn(draft: Draft, delegate: Continuation): void {
  draft.closeExecution('DELEGATE');
  draft.name = delegate.process.name;
  draft.move(delegate.transitioning, 'delegate', 'transitioning');
  draft.say('yes', null);
  Object.assign(draft.progress, { done: [], endedPhases: [], step: null, attempt: 0, delegate: false, behind: [] });
  draft.progress.hop++;
  draft.newExecution();
  if (draft.nextStep() === undefined) restReady(draft);
  else advance(draft);
}

/** Nothing to call: the move to done is a revision of its own, so it is the next commit. */
function restReady(draft: Draft): void {
  draft.status = 'ready';
  draft.deadlineMillis = null;
  draft.wakeMillis = READY_LEASE_MILLIS;
  draft.effects.push({ kind: 'advance' });
}

/** Ends this process and starts another on the same region, in one commit. */
export function followUp(
  draft: Draft,
  next: Continuation,
  { exit, beganState, predecessor }: { exit: 'CHAIN' | 'FAILED'; beganState: string; predecessor: Predecessor | null },
): void {
  const from = draft.region.state;
  draft.endsEarly = exit === 'FAILED';
  draft.move(next.transitioning, exit === 'CHAIN' ? 'chain' : 'error', 'transitioning');
  draft.say('yes', exit === 'FAILED' ? (draft.error?.message ?? null) : null);
  draft.feedProcess = next.process.name;
  draft.end(exit);
  const begun = beginProcess(next.process, draft.around, {
    resourceId: draft.resource.id,
    accountId: draft.resource.accountId,
    data: draft.process.data,
    notify: draft.process.notify,
    token: draft.process.token,
    beganState,
    parentId: draft.process.parentId,
    parentDispatch: draft.process.parentDispatch,
    entry: { from, to: next.transitioning },
    cause: exit === 'FAILED' ? draft.error : null,
    errorPath: exit === 'FAILED' ? [...draft.progress.errorPath, draft.name] : [],
    predecessor,
    readAt: draft.process.readAt,
  });
  if (begun.message !== null) draft.say('yes', begun.message);
  if (draft.orphaned) begun.insert.wakeMillis = 0;
  draft.successor = begun.insert;
  draft.effects.push(...begun.effects);
}

/** Whoever waits for the process hears that it ended, or that it is parked. */
export function ended(draft: Draft, exitReason: 'DONE' | 'ALREADY_DONE' | 'CANCELED' | 'PARKED'): Effect {
  return { kind: 'ended', processId: draft.process.id, notify: draft.process.notify, exitReason };
}
