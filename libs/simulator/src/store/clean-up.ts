import type { DuePurge } from '@drover/contracts';
import type { DuePurgesRequest, PurgePage, SweepPlace } from './operations.js';
import type { StoredResource } from './rows.js';
import type { Tables } from './tables.js';

export const DAY_MILLIS = 86_400_000;
/** The lease of the engine that sweeps. */
const SWEEP = 'purge';

/** What is purged, and what is deleted afterwards. */
export class CleanUp {
  constructor(
    private readonly tables: Tables,
    /** delays of the types whose resources are purged, by name, milliseconds */
    private readonly purgeAfter: ReadonlyMap<string, number>,
  ) {}

  /** A page of what was removed long enough ago, by type, then by the time of removal; for one engine at a time. */
  duePurges(request: DuePurgesRequest): PurgePage {
    const page = this.page(request);
    this.tables.record({ kind: 'duePurges', request, page });
    return page;
  }

  /** Finished processes and feed rows of more than so many days ago are dropped. */
  dropHistory(days: number): void {
    const { tables } = this;
    const before = tables.now() - days * DAY_MILLIS;
    for (const [id, { endTime }] of tables.finished) if (endTime < before) tables.finished.delete(id);
    const left = tables.feed.filter(({ visibleAt }) => visibleAt >= before);
    tables.feed.splice(0, tables.feed.length, ...left);
    tables.record({ kind: 'dropHistory', days });
  }

  /** Deletes what was purged more than so many days ago and which nothing names any more. */
  deletePurged(days: number): void {
    const { tables } = this;
    if (tables.defects.keepsPurged === true) return;
    const before = tables.now() - days * DAY_MILLIS;
    const named = new Set<number>();
    for (const { row } of tables.live.values()) named.add(row.resourceId);
    for (const { row } of tables.finished.values()) named.add(row.resourceId);
    for (const { resourceId } of tables.feed) named.add(resourceId);
    const deleted = [...tables.resources.values()]
      .filter(({ row, purged }) => row.state === 'purged' && purged !== null && purged < before && !named.has(row.id))
      .map(({ row }) => row.id);
    for (const id of deleted) tables.resources.delete(id);
    tables.record({ kind: 'deletePurged', days, deleted });
  }

  private page({ engine, leaseMillis, limit, after }: DuePurgesRequest): PurgePage {
    const { tables, purgeAfter } = this;
    const now = tables.now();
    if (tables.takeLease(SWEEP, engine, leaseMillis) === null) return { mine: false, due: [], next: null };
    const looked = [...tables.resources.values()]
      .filter(({ row, purged }) => {
        const delay = purgeAfter.get(row.type);
        if (delay === undefined || row.removed === null || purged !== null) return false;
        const due = tables.defects.hastyPurges === true || row.removed <= now - delay;
        return due && (after === null || compare(placeOf(row), after) > 0);
      })
      .sort((a, b) => compare(placeOf(a.row), placeOf(b.row)))
      .slice(0, limit);
    const last = looked.at(-1);
    return {
      mine: true,
      due: looked.filter(({ row }) => row.state === 'removed').map(({ row }) => dueOf(row)),
      next: last === undefined || looked.length < limit ? null : placeOf(last.row),
    };
  }
}

function placeOf({ type, removed, id }: StoredResource['row']): SweepPlace {
  return { type, removed: removed!, resourceId: id };
}

function dueOf({ id, type, revision, removed }: StoredResource['row']): DuePurge {
  return { resourceId: id, type, revision, removed: removed! };
}

function compare(a: SweepPlace, b: SweepPlace): number {
  if (a.type !== b.type) return a.type < b.type ? -1 : 1;
  return a.removed - b.removed || a.resourceId - b.resourceId;
}
