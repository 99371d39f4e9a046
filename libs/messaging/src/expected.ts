import { ChurningMap, monotonicMillis } from '@drover/kernel';

/**
 * What is waited for until a deadline of its own each, by key; one timer for all. A timer each would be set and cleared for every request
 * of a program, and hardly ever fire.
 */
export class Expected<T extends { due: number }> {
  private readonly entries = new ChurningMap<string, T>();
  private timer: NodeJS.Timeout | undefined;
  /** when the timer fires: with the earliest deadline, or before it */
  private timerDue = Infinity;

  /** @param late told of what did not come in time, and is waited for no more */
  constructor(private readonly late: (entry: T) => void) {}

  get size(): number {
    return this.entries.size;
  }

  /**
   * Once more for another deadline.
   * @param entry its `due` is monotonic, milliseconds; Infinity: no deadline yet
   */
  add(key: string, entry: T): void {
    this.entries.set(key, entry);
    if (entry.due < this.timerDue) this.wakeAt(entry.due);
  }

  /** What came is waited for no more. */
  take(key: string): T | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    this.entries.delete(key);
    // An idle program is not woken for nothing.
    if (this.entries.size === 0) this.rest();
    return entry;
  }

  /** Nothing is waited for any more. */
  takeAll(): T[] {
    const all = [...this.entries.values()];
    for (const key of this.entries.keys()) this.entries.delete(key);
    this.rest();
    return all;
  }

  private rest(): void {
    clearTimeout(this.timer);
    this.timerDue = Infinity;
  }

  /** What comes leaves the timer alone while more is waited for: it fires about once in the usual time to wait, however much comes. */
  private wakeAt(due: number): void {
    clearTimeout(this.timer);
    this.timerDue = due;
    this.timer = setTimeout(() => this.sweep(), Math.max(0, Math.ceil(due - monotonicMillis())));
  }

  private sweep(): void {
    this.timerDue = Infinity;
    const now = monotonicMillis();
    let next = Infinity;
    const late: T[] = [];
    for (const [key, entry] of this.entries.entries()) {
      if (entry.due > now) next = Math.min(next, entry.due);
      else {
        this.entries.delete(key);
        late.push(entry);
      }
    }
    if (next < Infinity) this.wakeAt(next);
    for (const entry of late) this.late(entry);
  }
}
