import { describe, expect, it } from 'vitest';
import { ChurningMap } from './churning-map.js';

describe('ChurningMap', () => {
  it('is a map', () => {
    const map = new ChurningMap<number, string>();
    expect([map.size, map.get(1), map.has(1), map.oldestKey, map.delete(1)]).toEqual([
      0,
      undefined,
      false,
      undefined,
      false,
    ]);
    map.set(1, 'a');
    map.set(2, 'b');
    map.set(1, 'c');
    expect([...map.entries()]).toEqual([
      [1, 'c'],
      [2, 'b'],
    ]);
    expect([map.size, map.get(1), map.has(2), map.oldestKey]).toEqual([2, 'c', true, 1]);
    expect([map.delete(1), map.delete(1)]).toEqual([true, false]);
    expect([map.size, map.oldestKey]).toEqual([1, 2]);
    map.set(1, 'd');
    expect([...map.entries()].map(([key]) => key)).toEqual([2, 1]);
  });

  it('goes on where an entry is deleted while it is walked through', () => {
    const map = new ChurningMap<number, number>();
    for (let i = 0; i < 10; i++) map.set(i, i);
    const seen = [];
    for (const [key, value] of map.entries()) {
      seen.push(value);
      map.delete(key);
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(map.size).toBe(0);
  });
});
