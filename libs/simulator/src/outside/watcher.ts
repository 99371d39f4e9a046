import type { FeedChecks } from '../checks/feed.js';
import type { FeedTable } from '../store/feed-table.js';
import type { FeedMessage } from './transition-stream.js';

/**
 * A reader of the feed that goes on where it was: an event that does not follow the last one it saw makes it read the table, as the
 * gateway's watch does.
 */
export class Watcher {
  /** the feed's sequence of the last event it has seen */
  private last = 0;

  constructor(
    private readonly feed: FeedTable,
    private readonly checks: FeedChecks,
  ) {}

  see({ sequence, previousSequence, resourceId, revision }: FeedMessage): void {
    // Published again after the stream was lost.
    if (sequence <= this.last) return;
    if (previousSequence > this.last) this.catchUp(previousSequence);
    this.last = sequence;
    this.checks.seen(resourceId, revision);
  }

  /** Reads what it has missed out of the table; never further than what was published. */
  private catchUp(upTo: number): void {
    for (const { resourceId, revision } of this.feed.read(this.last, upTo, Infinity))
      this.checks.seen(resourceId, revision);
  }
}
