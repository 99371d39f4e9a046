import type { CommitOutcome, ResourceRow } from '@drover/contracts';
import type { CommitRow } from './commit-lane.js';

/** The outcome of an applied transition, from what the statement answered. */
export function appliedOutcome(row: CommitRow, returnResource: boolean): CommitOutcome {
  return {
    outcome: 'applied',
    resourceId: row.res,
    revision: row.revision,
    state: row.state,
    fromState: row.from_state,
    processId: row.pid,
    processVersion: row.pver,
    now: row.now,
    ...(row.swept == null ? {} : { swept: row.swept }),
    before: returnResource && row.uuid !== undefined ? stored(row) : null,
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
