/** What a snapshot says about running transactions. */
export interface Snapshot {
  /** all transactions below have ended */
  xmin: number;
  /** none from here on had begun: a number just drawn, not the snapshot's xmax */
  next: number;
}

/**
 * Up to which feed number nothing can appear any more. Numbers are drawn inside transactions that commit in any order: `id > last`
 * would skip the late ones for ever. But a transaction has its own id before it draws a number. So once every transaction that ran
 * when `last` was the newest number drawn has ended, each row up to `last` is either visible or will never be.
 *
 * `xmin` alone, with rows in order of their transactions, is not enough: a transaction that began earlier may change a resource later
 * (it waited for the row), and would be published first.
 */
export class Horizon {
  private safe = 0;
  private pending: { last: number; next: number } | null = null;
  private written: { last: number; writers: ReadonlySet<string> } | null = null;

  /** The transaction id that must be passed before the snapshots can tell more; null: none. */
  get waitsFor(): number | null {
    return this.pending?.next ?? null;
  }

  /**
   * @param last     the newest number drawn; read before the snapshot was taken
   * @param snapshot taken after `last` was read
   * @returns the highest number up to which the feed is final
   */
  advance(last: number, { xmin, next }: Snapshot): number {
    if (this.pending !== null && xmin >= this.pending.next) {
      this.safe = Math.max(this.safe, this.pending.last);
      this.pending = null;
    }
    if (xmin === next) this.safe = Math.max(this.safe, last);
    else if (this.pending === null && last > this.safe) this.pending = { last, next };
    return this.safe;
  }

  /**
   * As {@link advance}, by those alone who may draw a number: a snapshot waits for every transaction of the whole server that writes, whatever
   * its database, and one of them may run for hours.
   * @param last    the newest number drawn; read before the writers were
   * @param writers transactions that hold the lock of whoever inserts into the feed: taken before a number is drawn, given back after the rows can be seen
   */
  advancePast(last: number, writers: readonly string[]): number {
    if (this.written !== null && !writers.some((writer) => this.written!.writers.has(writer))) {
      this.safe = Math.max(this.safe, this.written.last);
      this.written = null;
    }
    if (writers.length === 0) this.safe = Math.max(this.safe, last);
    else if (this.written === null && last > this.safe) this.written = { last, writers: new Set(writers) };
    return this.safe;
  }
}
