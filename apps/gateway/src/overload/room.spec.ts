import { describe, expect, it } from 'vitest';
import { Room } from './room.js';

const MOST = 2_048;
const LEAST = 640;

/** Milliseconds that the event loop is late when it keeps up, and when it does not. */
const FINE = 5;
const LATE = 400;

function after(ticks: [lateMillis: number, open: number][]): number {
  const room = new Room();
  for (const [late, open] of ticks) room.note(late, open);
  return room.size;
}

describe('the room for commands', () => {
  it('is wide while the event loop keeps up, however many are open', () => {
    expect(after([])).toBe(MOST);
    expect(after(Array.from({ length: 10 }, () => [FINE, 1_500]))).toBe(MOST);
  });

  it('is soon less than what is open when the loop is late, and never less than a few', () => {
    // A caller may have half of it open.
    expect(after([[LATE, 1_000]]) / 2).toBeLessThan(1_000);
    expect(after(Array.from({ length: 4 }, () => [LATE, 400])) / 2).toBeLessThan(400);
    expect(after(Array.from({ length: 20 }, () => [LATE, 1_000]))).toBe(LEAST);
  });

  it('stays as it is when the loop is late for another reason than commands', () => {
    expect(after([[LATE, 3]])).toBe(MOST);
  });

  it('has a place for each of 256 that a client keeps going while the programs warm up', () => {
    expect(after(Array.from({ length: 100 }, () => [LATE, 256])) / 2).toBeGreaterThan(256);
  });

  it('is wide again three seconds after an overload, at twenty looks a second', () => {
    const overload = Array.from({ length: 20 }, (): [number, number] => [LATE, 1_000]);
    const quiet = Array.from({ length: 60 }, (): [number, number] => [FINE, 0]);
    expect(after([...overload, ...quiet])).toBe(MOST);
  });
});
