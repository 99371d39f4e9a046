/** Of commands that wait for an engine's answer at once, however much it keeps up with. */
const MOST = 2_048;
/** Never less: a caller with half as many open is no overload, however late the event loop is, as that of a program that has just begun. */
const LEAST = 640;
/** Later than this, the event loop has more requests before it than it can look at in time; milliseconds. */
const LATE_MILLIS = 100;
const SHRINK = 0.7;
const GROW = 1.1;

/**
 * How many commands a gateway may have open, as its own event loop keeps up with them: where that is late, requests wait in their sockets
 * and no measurement of the engines shows it. Quickly less, slowly more: from the least to the most within three seconds. Pure.
 */
export class Room {
  private places = MOST;

  get size(): number {
    return Math.round(this.places);
  }

  /** Has the event loop been late lately? */
  get isNarrow(): boolean {
    return this.places < MOST;
  }

  /**
   * What the event loop has shown lately; to be told several times a second.
   * @param lateMillis how much later than it was asked to a timer fired
   * @param open commands open at the moment
   */
  note(lateMillis: number, open: number): void {
    if (lateMillis <= LATE_MILLIS) this.places = Math.min(MOST, this.places * GROW);
    // A caller has at most as many open as are free: half of the places.
    else if (open > LEAST / 2) this.places = Math.max(LEAST, Math.min(this.places, 2 * open) * SHRINK);
  }
}
