/**
 * A map whose entries come and go all the time. As `Map`, but a deleted value is let go of at once: when a `Map` of V8 makes itself a new
 * table, the old one keeps what was in it, and where that table is in the old generation all of it lives on there until a major
 * collection, with everything it reaches (ADR 059). Here it keeps empty cells.
 */
export class ChurningMap<K, V> {
  private readonly cells = new Map<K, { value: V | undefined }>();

  get size(): number {
    return this.cells.size;
  }

  get(key: K): V | undefined {
    return this.cells.get(key)?.value;
  }

  has(key: K): boolean {
    return this.cells.has(key);
  }

  set(key: K, value: V): void {
    const cell = this.cells.get(key);
    if (cell === undefined) this.cells.set(key, { value });
    else cell.value = value;
  }

  /** @returns whether there was one */
  delete(key: K): boolean {
    const cell = this.cells.get(key);
    if (cell === undefined) return false;
    cell.value = undefined;
    return this.cells.delete(key);
  }

  /** In the order in which they were first set; an entry may be deleted meanwhile. */
  keys(): MapIterator<K> {
    return this.cells.keys();
  }

  /** As {@link keys}. */
  *values(): Generator<V> {
    for (const { value } of this.cells.values()) yield value as V;
  }

  /** As {@link keys}. */
  *entries(): Generator<[K, V]> {
    for (const [key, { value }] of this.cells) yield [key, value as V];
  }
}
