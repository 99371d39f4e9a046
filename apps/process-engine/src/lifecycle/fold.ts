import { monotonicMillis } from '@drover/kernel';

/** Items of one key: the last one that waits, if any, and when the next may go. */
interface Folded<T> {
  item: T | null;
  everyMillis: number;
  goesAt: number;
  timer: NodeJS.Timeout;
}

/**
 * Folds what comes often: the first goes through, later ones wait for the period to pass and only the last of them goes. What is lost
 * with this program costs nothing.
 */
export class Fold<T> {
  private readonly folded = new Map<string, Folded<T>>();

  /** @param later gets the last one that was kept */
  constructor(private readonly later: (last: T) => void) {}

  /**
   * @param everyMillis one in this time, by key. It may differ from item to item: no item waits for longer than its own
   * @returns true when it was kept for later, false when it goes through now
   */
  keep(key: string, item: T, everyMillis: number): boolean {
    const folded = this.folded.get(key);
    if (folded === undefined) {
      this.open(key, everyMillis);
      return false;
    }
    Object.assign(folded, { item, everyMillis });
    if (monotonicMillis() + everyMillis < folded.goesAt) {
      clearTimeout(folded.timer);
      this.arm(key, folded);
    }
    return true;
  }

  private open(key: string, everyMillis: number): void {
    const folded = { item: null, everyMillis } as Folded<T>;
    this.folded.set(key, folded);
    this.arm(key, folded);
  }

  private arm(key: string, folded: Folded<T>): void {
    folded.goesAt = monotonicMillis() + folded.everyMillis;
    folded.timer = setTimeout(() => this.over(key, folded), folded.everyMillis).unref();
  }

  private over(key: string, { item, everyMillis }: Folded<T>): void {
    this.folded.delete(key);
    if (item === null) return;
    // It goes now: the next one waits for its period.
    this.open(key, everyMillis);
    this.later(item);
  }
}
