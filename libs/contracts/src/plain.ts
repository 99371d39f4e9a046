import type { CommitTransition, ProcessFields, ResourceChange } from './commit.js';

/** States of a resource that exists no more but for its record: nothing starts in its other regions. */
export const GONE_STATES: readonly string[] = ['removed', 'purging', 'purged'];

/**
 * Is it one of the commonest transitions, with nothing about it that is seldom? A process that starts on the free `state` of a resource, goes on
 * to its next step, or ends: they have statements of their own, which know nothing else (apps/resource-store/src/sql/commit-plain.sql.ts).
 */
export function isPlain(transition: CommitTransition): boolean {
  const { stateField, expectType, change } = transition;
  // What a handler's registration does to its name is in the other statements.
  if (stateField !== 'state' || expectType === null || expectType === 'externalHandler') return false;
  if (change !== null && !movesOnly(change)) return false;
  return transition.processId === null ? isPlainStart(transition) : isPlainOfLive(transition);
}

function isPlainStart({ insert, start, change }: CommitTransition): boolean {
  return (
    insert === null &&
    change !== null &&
    change.data === null &&
    start !== null &&
    hasPlainFields(start) &&
    start.totalMillis === null &&
    start.beganState === null &&
    start.parentId === null &&
    start.parentDispatch === null
  );
}

/** Guarded by its version, its resource's revision and type, and nothing else, a process goes on or ends. */
function isPlainOfLive(transition: CommitTransition): boolean {
  const { update, end, start, change, expectStates, expectPassed, wakeParent, returnResource } = transition;
  if (expectStates !== null || expectPassed !== null || wakeParent !== null || returnResource) return false;
  if (start !== null || (change !== null && typeof change.toState !== 'string')) return false;
  if (update !== null) return end === null && hasPlainFields(update) && (update.notAfter ?? null) === null;
  return end !== null && end.errorCode === null && end.errorMessage === null && change !== null;
}

/** Nothing that waits, is held, failed or follows another process. */
function hasPlainFields(fields: ProcessFields): boolean {
  return (
    fields.deadlineMillis !== 'keep' &&
    fields.wakeMillis !== 'keep' &&
    fields.waitDeadlineMillis === null &&
    fields.waitingHandler === null &&
    fields.predecessorId === null &&
    fields.heldBy === null &&
    fields.admitted === null &&
    fields.errorCode === null &&
    fields.errorMessage === null
  );
}

/** The resource's state and data are all that changes, and the resource stays. */
function movesOnly({ toState, message, progress, name, description, refs }: ResourceChange): boolean {
  if (message !== null || progress !== null || name !== undefined || description !== undefined || refs !== undefined)
    return false;
  if (typeof toState === 'string') return !GONE_STATES.includes(toState);
  return toState !== null && !Object.values(toState).some((state) => GONE_STATES.includes(state));
}
