import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Slices } from './slices.js';

// Time passes only where a test says so: a busy machine may stand still for longer than a slice at any line.
beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

/** Takes time as work does. */
const spend = (millis: number): void => void vi.advanceTimersByTime(millis);

const turnOfLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('work in slices', () => {
  it('is done at once while it is little', () => {
    const done: number[] = [];
    const slices = new Slices<number>((n) => done.push(n));
    slices.add(1);
    slices.add(2);
    expect([done, slices.waiting]).toEqual([[1, 2], 0]);
  });

  it('that is much is spread over turns of the event loop, in its order, and nothing is left out', async () => {
    const done: number[] = [];
    const slices = new Slices<number>((n) => {
      spend(1);
      done.push(n);
    });
    const all = Array.from({ length: 40 }, (_, n) => n);
    for (const n of all) slices.add(n);
    expect(slices.waiting).toBeGreaterThan(0);
    let turns = 0;
    for (; slices.waiting > 0; turns++) await turnOfLoop();
    expect(turns).toBeGreaterThan(2);
    expect(done).toEqual(all);
  });

  it('says when nothing waits any more', async () => {
    let done = 0;
    const slices = new Slices<number>(() => {
      spend(1);
      done++;
    });
    await slices.empty();
    for (let n = 0; n < 20; n++) slices.add(n);
    await slices.empty();
    expect(done).toBe(20);
    slices.add(20);
    expect(done).toBe(21);
  });

  it('what comes while some waits goes behind it', async () => {
    const done: string[] = [];
    const slices = new Slices<string>((name) => {
      if (name !== 'late') spend(2);
      done.push(name);
    });
    for (const name of ['a', 'b', 'c', 'd']) slices.add(name);
    slices.add('late');
    await slices.empty();
    expect(done).toEqual(['a', 'b', 'c', 'd', 'late']);
  });
});
