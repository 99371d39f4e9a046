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
}
