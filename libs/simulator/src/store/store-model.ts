import type { RelationRef } from '@drover/contracts';
import { CleanUp } from './clean-up.js';
import { Commits } from './commits.js';
import { DueWork } from './due-work.js';
import { FeedTable } from './feed-table.js';
import { Gates } from './gates.js';
import { Processes } from './processes.js';
import { readRelated } from './related-reads.js';
import { Slots } from './slots.js';
import { type TableOptions, Tables } from './tables.js';

/**
 * The resource-store in memory, written a second time: it shares no code with the statements of apps/resource-store/src/sql. A test
 * replays its histories against PostgreSQL and compares answers and rows.
 */
export class StoreModel extends Tables {
  readonly feedTable = new FeedTable(this);
  readonly commits = new Commits(this, new Processes(this), this.feedTable);
  readonly dueWork = new DueWork(this);
  readonly slotLeases = new Slots(this);
  readonly gates = new Gates(this);
  readonly cleanUp: CleanUp;

  /** @param purgeAfter delays of the types whose resources are purged, by name, milliseconds */
  constructor(options: TableOptions, purgeAfter: ReadonlyMap<string, number> = new Map()) {
    super(options);
    this.cleanUp = new CleanUp(this, purgeAfter);
  }

  readRelated(relation: RelationRef | null, stateField: string, parentId: number, dispatches: readonly number[]) {
    return readRelated(this, relation, stateField, parentId, dispatches);
  }
}
