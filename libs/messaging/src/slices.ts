import { monotonicMillis } from '@drover/kernel';

/** Of one turn of the event loop, milliseconds: so long may what comes keep the rest of the program waiting. */
const SLICE_MILLIS = 3;

/**
 * Does work in slices, so that a burst of it leaves turns of the event loop to everything else. The client library calls back for every message of a
 * socket's read, and the system hands over up to two megabytes in one turn: fifty thousand requests, parsed and refused as they came, kept
 * the answers to other work waiting for 0.6 to 1.4 s (2026-11-23). What is little is done at once; the order is kept.
 */
export class Slices<T> {
  private items: (T | undefined)[] = [];
  private head = 0;
  /** when the slice of this turn is over; 0: nothing was done in it */
  private until = 0;
  private whenEmpty: (() => void)[] = [];

  /** @param work must not throw */
  constructor(private readonly work: (item: T) => void) {}

  /** Items that were not looked at yet. */
  get waiting(): number {
    return this.items.length - this.head;
  }

  add(item: T): void {
    const now = monotonicMillis();
    if (this.until === 0) {
      this.until = now + SLICE_MILLIS;
      setImmediate(() => this.turn());
    }
    if (this.waiting === 0 && now < this.until) this.work(item);
    else this.items.push(item);
  }

  /** Resolves when nothing waits. */
  async empty(): Promise<void> {
    if (this.waiting > 0) await new Promise<void>((resolve) => this.whenEmpty.push(resolve));
  }

  private turn(): void {
    this.until = monotonicMillis() + SLICE_MILLIS;
    while (this.waiting > 0 && monotonicMillis() < this.until) {
      const item = this.items[this.head]!;
      this.items[this.head++] = undefined;
      this.work(item);
    }
    if (this.waiting > 0) {
      if (this.head > 1_024 && this.head * 2 > this.items.length) {
        this.items = this.items.slice(this.head);
        this.head = 0;
      }
      setImmediate(() => this.turn());
      return;
    }
    this.items = [];
    this.head = 0;
    this.until = 0;
    for (const resolve of this.whenEmpty.splice(0)) resolve();
  }
}
