/**
 * Folds what comes often: the first goes through, later ones wait for the period to pass and only the last of them goes. What is lost
 * with this program costs nothing.
 */
export class Fold<T> {
  private readonly kept = new Map<string, T | null>();

  /**
   * @param everyMillis one in this time, by key
   * @param later       gets the last one that was kept
   */
  constructor(
    private readonly everyMillis: number,
    private readonly later: (last: T) => void,
  ) {}

  /** @returns true when it was kept for later, false when it goes through now */
  keep(key: string, item: T): boolean {
    if (this.kept.has(key)) {
      this.kept.set(key, item);
      return true;
    }
    this.kept.set(key, null);
    setTimeout(() => {
      const last = this.kept.get(key) ?? null;
      this.kept.delete(key);
      if (last !== null) this.later(last);
    }, this.everyMillis).unref();
    return false;
  }
}
