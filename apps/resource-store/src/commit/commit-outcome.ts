import type { CommitOutcome, CommitTransition, RegionRow, ResourceRow } from '@drover/contracts';
import type { CommitRow } from './commit-lane.js';

/** The outcome of an applied transition, from what the statement answered. */
export function appliedOutcome(transition: CommitTransition, row: CommitRow): CommitOutcome {
  return {
    outcome: 'applied',
    resourceId: row.res,
    revision: row.revision,
    state: row.state,
    fromState: row.from_state,
    processId: row.pid,
    processVersion: row.pver,
    startTime: transition.start === null ? null : row.now,
    now: row.now,
    resource: transition.returnResource ? resourceAfter(transition, row) : null,
  };
}

/** The resource after the commit: what was read of it, with the change applied. Reads nothing: the statement held its locks. */
function resourceAfter(transition: CommitTransition, row: CommitRow): ResourceRow {
  const { insert, change, stateField } = transition;
  const before: ResourceRow = insert === null ? stored(row) : inserted(insert, row);
  if (change === null) return before;
  const region: RegionRow = {
    state: row.state,
    transitioning: change.transitioning,
    message: change.message,
    progress: change.progress,
  };
  return {
    ...before,
    revision: row.revision,
    ...(stateField === 'state' ? region : { regions: { ...before.regions, [stateField]: region } }),
    ...(change.name === undefined ? {} : { name: change.name }),
    ...(change.description === undefined ? {} : { description: change.description }),
    data: change.data === null ? before.data : { ...before.data, ...change.data },
    removed: before.removed ?? (stateField === 'state' && row.state === 'removed' ? row.now : null),
  };
}

function stored(row: CommitRow): ResourceRow {
  return {
    id: row.res,
    type: row.type,
    kind: row.kind,
    uuid: row.uuid!,
    name: row.name,
    description: row.description,
    state: row.main_state,
    transitioning: row.transitioning,
    message: row.message,
    progress: row.progress,
    regions: row.regions ?? {},
    revision: row.revision,
    data: row.data,
    accountId: row.account_id,
    created: row.created,
    removed: row.removed,
  };
}

function inserted(insert: NonNullable<CommitTransition['insert']>, row: CommitRow): ResourceRow {
  const regions = Object.entries(insert.regions).map(([name, state]) => [
    name,
    { state, transitioning: 'no', message: null, progress: null },
  ]);
  return {
    id: row.res,
    type: insert.type,
    kind: insert.kind,
    uuid: insert.uuid,
    name: insert.name,
    description: insert.description,
    state: 'requested',
    transitioning: 'no',
    message: null,
    progress: null,
    regions: Object.fromEntries(regions),
    revision: 1,
    data: insert.data,
    accountId: insert.accountId,
    created: row.now,
    removed: null,
  };
}
