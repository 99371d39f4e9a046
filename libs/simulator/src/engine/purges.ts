import type { DuePurge } from '@drover/contracts';
import { uuidOf } from '@drover/kernel';
import type { PurgePage, SweepPlace } from '../store/operations.js';
import type { SimEngine } from './sim-engine.js';

const EVERY_MILLIS = 3_000;
const LEASE_MILLIS = 6_000;
/** Small, so that a sweep has pages. */
const PAGE = 2;
const BETWEEN_MILLIS = 50;
const READ_MILLIS = 3_000;

/** Starts the purge of what was removed long enough ago (apps/process-engine/src/clean-up/purges.ts). */
export class Purges {
  constructor(private readonly engine: SimEngine) {}

  start(): void {
    this.next();
  }

  private next(): void {
    this.engine.link.later(EVERY_MILLIS, () => this.page(null));
  }

  private page(after: SweepPlace | null): void {
    const { link, name: engine } = this.engine;
    link.request<PurgePage>(
      READ_MILLIS,
      () => link.store.cleanUp.duePurges({ engine, leaseMillis: LEASE_MILLIS, limit: PAGE, after }),
      (page) => {
        if (page === null) return this.next();
        let open = page.due.length;
        const goOn = (): void => {
          if (page.next === null) this.next();
          else link.later(BETWEEN_MILLIS, () => this.page(page.next));
        };
        if (open === 0) return goOn();
        for (const due of page.due) this.purge(due, () => --open === 0 && goOn());
      },
    );
  }

  /** A refusal is none of ours to mend: the next sweep looks again. */
  private purge({ resourceId, type, revision, removed }: DuePurge, done: () => void): void {
    const commandId = purgeCommandOf(resourceId, removed);
    this.engine.link.purging(resourceId, removed, commandId);
    this.engine.commands.carryOut(
      { kind: 'start', commandId, type, verb: 'purge', resourceId, data: {}, expectRevision: revision },
      this.engine.link.token(),
      done,
    );
  }
}

/** The command of the purge of a resource that was removed then: the same for every engine and sweep. */
export function purgeCommandOf(resourceId: number, removed: number): string {
  return uuidOf(`purge/${resourceId}/${removed}`);
}
