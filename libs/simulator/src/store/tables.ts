import type { PauseRow, ProcessRow, ResourceRow, WorkRow } from '@drover/contracts';
import type { StoreDefects, StoreOperation } from './operations.js';
import {
  type Applied,
  type FeedEntry,
  type FinishedProcess,
  type Gate,
  type LiveProcess,
  readProcess,
  type StoredResource,
} from './rows.js';

export interface TableOptions {
  /** the database's clock, epoch milliseconds */
  now: () => number;
  /** reply slots */
  slots?: number;
  defects?: StoreDefects;
  /** told of each applied transition, after it */
  observer?: (applied: Applied) => void;
  /** told of everything that is asked, with its answer */
  record?: (operation: StoreOperation) => void;
  /** how long the transaction of a commit stays open after it has drawn its numbers, milliseconds */
  commitMillis?: () => number;
}

/** All rows of the store in memory. Rows are replaced, never changed, so that callers may keep them. */
export class Tables {
  readonly resources = new Map<number, StoredResource>();
  readonly live = new Map<number, LiveProcess>();
  readonly finished = new Map<number, FinishedProcess>();
  readonly feed: FeedEntry[] = [];
  readonly commands = new Map<string, { hash: string | null; resourceId: number; processId: number | null }>();
  readonly slots: { engine: string | null; epoch: number; expiresAt: number }[];
  readonly pauses = new Map<string, PauseRow>();
  readonly handlerGates = new Map<string, Gate>();
  readonly leases = new Map<string, { holder: string; epoch: number; expiresAt: number }>();
  readonly uuids = new Set<string>();
  registryRevision = 1;
  readonly now: () => number;
  readonly defects: StoreDefects;
  readonly observer: (applied: Applied) => void;
  readonly record: (operation: StoreOperation) => void;
  readonly commitMillis: () => number;
  private lastNumber = 0;

  constructor({ now, slots = 4, defects = {}, observer, record, commitMillis }: TableOptions) {
    this.now = now;
    this.defects = defects;
    this.observer = observer ?? (() => undefined);
    this.record = record ?? (() => undefined);
    this.commitMillis = commitMillis ?? (() => 0);
    this.slots = Array.from({ length: slots }, () => ({ engine: null, epoch: 0, expiresAt: now() }));
  }

  nextNumber(): number {
    return ++this.lastNumber;
  }

  resource(id: number): ResourceRow | null {
    return this.resources.get(id)?.row ?? null;
  }

  /** The live process of a region, as the database reads it now. */
  processOf(resourceId: number, stateField: string): ProcessRow | null {
    const held = this.resources.get(resourceId)?.live.get(stateField);
    return held === undefined ? null : readProcess(held, this.now());
  }

  workOf(held: LiveProcess): WorkRow {
    return { process: readProcess(held, this.now()), resource: this.resources.get(held.row.resourceId)!.row };
  }

  /** Takes or renews the lease of a job. @returns its epoch, which rises with every change of hands; null: somebody else has it */
  takeLease(job: string, holder: string, millis: number): number | null {
    const now = this.now();
    const lease = this.leases.get(job) ?? { holder, epoch: 1, expiresAt: now };
    const mine = lease.holder === holder;
    if (!mine && lease.expiresAt > now) return null;
    const epoch = mine ? lease.epoch : lease.epoch + 1;
    this.leases.set(job, { holder, epoch, expiresAt: now + millis });
    return epoch;
  }

  /** Another set of handlers, or another definition: one revision covers both. */
  changeRegistry(): void {
    this.registryRevision++;
    this.record({ kind: 'registry' });
  }
}
