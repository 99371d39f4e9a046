import type { CommitTransition, ResourceChange } from './commit.js';

/** States of a resource that exists no more but for its record: nothing starts in its other regions. */
export const GONE_STATES: readonly string[] = ['removed', 'purging', 'purged'];

/**
 * Is it one of the two commonest transitions, with nothing about it that is seldom? A process that starts on the free `state` of a resource,
 * or the end of one that started so: they have statements of their own, which know nothing else (apps/resource-store/src/sql/commit-plain.sql.ts).
 */
export function isPlain(transition: CommitTransition): boolean {
  const { stateField, expectType, change } = transition;
  // What a handler's registration does to its name is in the other statements.
  if (stateField !== 'state' || expectType === null || expectType === 'externalHandler') return false;
  return change !== null && movesOnly(change) && (isPlainStart(transition) || isPlainEnd(transition));
}

function isPlainStart({ insert, processId, start, change }: CommitTransition): boolean {
  return (
    insert === null &&
    processId === null &&
    start !== null &&
    start.deadlineMillis !== 'keep' &&
    start.wakeMillis !== 'keep' &&
    change!.data === null &&
    start.waitingHandler === null &&
    start.predecessorId === null &&
    start.heldBy === null &&
    start.admitted === null &&
    start.errorCode === null &&
    start.errorMessage === null &&
    start.waitDeadlineMillis === null &&
    start.totalMillis === null &&
    start.beganState === null &&
    start.parentId === null &&
    start.parentDispatch === null
  );
}

function isPlainEnd(transition: CommitTransition): boolean {
  const { processId, end, start, update, change } = transition;
  return (
    processId !== null &&
    end !== null &&
    end.errorCode === null &&
    end.errorMessage === null &&
    start === null &&
    update === null &&
    typeof change!.toState === 'string' &&
    transition.expectStates === null &&
    transition.expectPassed === null &&
    transition.wakeParent === null &&
    !transition.returnResource
  );
}

/** The resource's state and data are all that changes, and the resource stays. */
function movesOnly({ toState, message, progress, name, description, refs }: ResourceChange): boolean {
  if (message !== null || progress !== null || name !== undefined || description !== undefined || refs !== undefined)
    return false;
  if (typeof toState === 'string') return !GONE_STATES.includes(toState);
  return toState !== null && !Object.values(toState).some((state) => GONE_STATES.includes(state));
}
