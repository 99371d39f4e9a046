import type { FeedEntry } from './rows.js';
import type { Tables } from './tables.js';

/** Rows of one read. */
const MAX_ROWS = 500;

/** The feed: numbers are drawn inside transactions, which end in any order. And the one row that says how far it was relayed. */
export class FeedTable {
  /** the relay's place, and the term of whoever may move it */
  readonly relay = { epoch: 0, published: 0 };
  private lastId = 0;
  private lastTransaction = 0;
  private running: { id: number; endsAt: number }[] = [];
  /** by resource: when the transaction ends that holds its row */
  private readonly held = new Map<number, number>();

  constructor(private readonly tables: Tables) {}

  add(entry: Omit<FeedEntry, 'id' | 'visibleAt'>): void {
    const now = this.tables.now();
    // Who changes the resource next waits for the row, and so ends later.
    const visibleAt = Math.max(now + this.tables.commitMillis(), this.held.get(entry.resourceId) ?? 0);
    this.held.set(entry.resourceId, visibleAt);
    this.tables.feed.push({ id: ++this.lastId, visibleAt, ...entry });
    const id = ++this.lastTransaction;
    if (visibleAt > now) this.running.push({ id, endsAt: visibleAt });
  }

  /** A transaction that had drawn numbers was rolled back: they are gone. */
  rolledBack(): void {
    this.lastId++;
  }

  lastDrawn(): number {
    return this.lastId;
  }

  /** Which transactions run: all below `xmin` have ended, none from `next` on had begun. */
  snapshot(): { xmin: number; next: number } {
    const now = this.tables.now();
    this.running = this.running.filter(({ endsAt }) => endsAt > now);
    const next = ++this.lastTransaction;
    return { xmin: Math.min(next, ...this.running.map(({ id }) => id)), next };
  }

  /** Visible rows with `after < id <= upTo`, in order. */
  read(after: number, upTo: number, limit = MAX_ROWS): FeedEntry[] {
    const now = this.tables.now();
    const found: FeedEntry[] = [];
    for (let i = this.placeAfter(after); i < this.tables.feed.length && found.length < limit; i++) {
      const row = this.tables.feed[i]!;
      if (row.id > upTo) break;
      if (row.visibleAt <= now) found.push(row);
    }
    return found;
  }

  /** A new term of the relay; null: a newer one is at work. @returns its place */
  beginTerm(epoch: number): number | null {
    if (this.relay.epoch > epoch) return null;
    this.relay.epoch = epoch;
    return this.relay.published;
  }

  /** @returns false when a newer relay is at work */
  savePublished(published: number, epoch: number): boolean {
    if (this.relay.epoch !== epoch) return false;
    this.relay.published = Math.max(this.relay.published, published);
    return true;
  }

  /** Where the first row behind a number is. */
  private placeAfter(after: number): number {
    const { feed } = this.tables;
    let low = 0;
    let high = feed.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (feed[middle]!.id <= after) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
