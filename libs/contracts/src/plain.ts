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
  if (change === null) return isPlainStep(transition);
  return movesOnly(change) && (isPlainStart(transition) || isPlainStep(transition) || isPlainEnd(transition));
}

function isPlainStart({ insert, processId, start, change }: CommitTransition): boolean {
  return (
    insert === null &&
    processId === null &&
    start !== null &&
    change!.data === null &&
    hasPlainFields(start) &&
    start.totalMillis === null &&
    start.beganState === null &&
    start.parentId === null &&
    start.parentDispatch === null
  );
}

function isPlainStep(transition: CommitTransition): boolean {
  const { update, end, start, change } = transition;
  return (
    update !== null &&
    end === null &&
    start === null &&
    hasPlainFields(update) &&
    (update.notAfter ?? null) === null &&
    (change === null || typeof change.toState === 'string') &&
    isGuardedPlainly(transition)
  );
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

function isPlainEnd(transition: CommitTransition): boolean {
  const { end, start, update, change } = transition;
  return (
    end !== null &&
    end.errorCode === null &&
    end.errorMessage === null &&
    start === null &&
    update === null &&
    typeof change!.toState === 'string' &&
    isGuardedPlainly(transition)
  );
}

/** Of a live process: by its version, its resource's revision and type, and nothing else. */
function isGuardedPlainly(transition: CommitTransition): boolean {
  return (
    transition.processId !== null &&
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
