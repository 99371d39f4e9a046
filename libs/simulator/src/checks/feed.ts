import type { FeedMessage } from '../outside/transition-stream.js';
import type { StoreModel } from '../store/store-model.js';
import type { Fail } from './setting.js';

/** Invariant 9 at the far end: each revision is seen once, in order per resource, and nothing is missing. */
export class FeedChecks {
  /** last revision of each resource that was seen */
  private readonly revisions = new Map<number, number>();
  private lastStored = 0;
  private wasLost = false;

  constructor(private readonly fail: Fail) {}

  /** An event came into the stream. */
  stored({ sequence, previousSequence }: FeedMessage): void {
    // The numbers of a stream that was made anew are no fence for a relay that has not noticed: readers pass over what they have seen.
    if (this.wasLost) return;
    if (sequence <= this.lastStored) this.fail(`9: event ${sequence} of the feed follows ${this.lastStored}`);
    if (previousSequence !== this.lastStored && this.lastStored > 0)
      this.fail(`9: event ${sequence} names ${previousSequence} before it, the stream ends with ${this.lastStored}`);
    this.lastStored = sequence;
  }

  /** The broker has lost the stream: what was not noted as published comes again. */
  lost(): void {
    this.wasLost = true;
  }

  /** A reader sees a revision. */
  seen(resourceId: number, revision: number): void {
    const last = this.revisions.get(resourceId) ?? 0;
    if (revision !== last + 1)
      this.fail(`9: revision ${revision} of resource ${resourceId} is seen after revision ${last}`);
    this.revisions.set(resourceId, revision);
  }

  /** Have all revisions been seen? */
  complete({ resources }: StoreModel): boolean {
    for (const { row } of resources.values()) if (this.revisions.get(row.id) !== row.revision) return false;
    return true;
  }

  atEnd({ resources }: StoreModel): void {
    for (const { row } of resources.values()) {
      const seen = this.revisions.get(row.id) ?? 0;
      if (seen !== row.revision)
        this.fail(`9: at the end, revision ${row.revision} of resource ${row.id} was not seen; the last was ${seen}`);
    }
  }
}
