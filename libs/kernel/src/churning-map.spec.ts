import { describe, expect, it } from 'vitest';
import { ChurningMap } from './churning-map.js';

describe('ChurningMap', () => {
  it('is a map', () => {
    const map = new ChurningMap<number, string>();
    expect([map.size, map.get(1), map.has(1), map.delete(1)]).toEqual([0, undefined, false, false]);
    map.set(1, 'a');
    map.set(2, 'b');
    map.set(1, 'c');
    const first = [
      [1, 'c'],
      [2, 'b'],
    ];
    expect([...map.entries()]).toEqual(first);
    expect([map.size, map.get(1), map.has(2)]).toEqual([2, 'c', true]);
    expect([map.delete(1), map.delete(1), map.size]).toEqual([true, false, 1]);
    map.set(1, 'd');
    expect([...map.keys()]).toEqual([2, 1]);
    expect([...map.values()]).toEqual(['b', 'd']);
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
