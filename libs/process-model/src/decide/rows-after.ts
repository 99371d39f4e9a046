import type { CommitOutcome, CommitTransition, ProcessRow, ResourceRow } from '@drover/contracts';

type Applied = Extract<CommitOutcome, { outcome: 'applied' }>;

/** The live process after an applied transition (the one it started, else the one it updated), or null when none is left. */
export function processAfter(
  before: ProcessRow | null,
  transition: CommitTransition,
  applied: Applied,
): ProcessRow | null {
  const clocks = { resend: false, readAt: applied.now };
  if (transition.start !== null) {
    const {
      deadlineMillis,
      waitDeadlineMillis: _wait,
      wakeMillis: _wake,
      totalMillis,
      beganState,
      ...fields
    } = transition.start;
    return {
      ...fields,
      ...clocks,
      id: applied.processId!,
      version: applied.processVersion!,
      resourceId: applied.resourceId,
      resourceType: applied.resource?.type ?? before?.resourceType ?? transition.insert?.type ?? '',
      beganState: beganState ?? applied.fromState,
      accountId: applied.resource?.accountId ?? before?.accountId ?? null,
      startTime: applied.startTime ?? applied.now,
      deadlineInMillis: typeof deadlineMillis === 'number' ? deadlineMillis : null,
      waitDeadlineInMillis: null,
      totalDeadlineInMillis: totalMillis,
    };
  }
  if (transition.update === null || before === null) return null;
  const { deadlineMillis, waitDeadlineMillis, wakeMillis: _wake, ...fields } = transition.update;
  const elapsed = applied.now - before.readAt;
  return {
    ...before,
    ...fields,
    ...clocks,
    version: applied.processVersion!,
    deadlineInMillis: kept(deadlineMillis, before.deadlineInMillis, elapsed),
    waitDeadlineInMillis: kept(waitDeadlineMillis, before.waitDeadlineInMillis, elapsed),
    totalDeadlineInMillis: kept('keep', before.totalDeadlineInMillis, elapsed),
  };
}

/** A clock as a distance from the commit; `elapsed` milliseconds lie between the row before it and the commit. */
function kept(value: number | 'keep' | null, before: number | null, elapsed: number): number | null {
  if (value !== 'keep') return value;
  return before === null ? null : before - elapsed;
}

/** The resource after an applied transition, from the row before it; when the answer carries the row, that one. */
export function resourceAfter(before: ResourceRow, transition: CommitTransition, applied: Applied): ResourceRow {
  if (applied.resource !== null) return applied.resource;
  const { change } = transition;
  if (change === null) return before;
  const region = {
    state: applied.state,
    transitioning: change.transitioning,
    message: change.message,
    progress: change.progress,
  };
  const after: ResourceRow = {
    ...before,
    revision: applied.revision,
    data: change.data === null ? before.data : { ...before.data, ...change.data },
    name: change.name === undefined ? before.name : change.name,
    description: change.description === undefined ? before.description : change.description,
  };
  if (transition.stateField === 'state') return { ...after, ...region };
  return { ...after, regions: { ...before.regions, [transition.stateField]: region } };
}
