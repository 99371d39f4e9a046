import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Fold } from './fold.js';

describe('Fold', () => {
  let gone: number[];
  let fold: Fold<number>;
  beforeEach(() => {
    vi.useFakeTimers();
    gone = [];
    fold = new Fold((last) => gone.push(last));
  });
  afterEach(() => vi.useRealTimers());

  it('lets the first through, and of those in its period the last', () => {
    expect([1, 2, 3].map((item) => fold.keep('a', item, 1_000))).toEqual([false, true, true]);
    expect(fold.keep('b', 9, 1_000)).toBe(false);
    vi.advanceTimersByTime(999);
    expect(gone).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(gone).toEqual([3]);
  });

  it('one goes in each period, also when the one before it was kept', () => {
    for (let item = 0; item < 30; item++) {
      fold.keep('a', item, 1_000);
      vi.advanceTimersByTime(100);
    }
    expect(gone).toEqual([9, 19, 29]);
  });

  it('forgets a key when nothing came for a period', () => {
    fold.keep('a', 1, 1_000);
    vi.advanceTimersByTime(1_000);
    expect(fold.keep('a', 2, 1_000)).toBe(false);
  });

  it('an item waits for its own period at most: a clock that began meanwhile may be shorter', () => {
    fold.keep('a', 1, 1_000);
    vi.advanceTimersByTime(10);
    fold.keep('a', 2, 100);
    vi.advanceTimersByTime(100);
    expect(gone).toEqual([2]);
    fold.keep('a', 3, 1_000);
    vi.advanceTimersByTime(100);
    expect(gone).toEqual([2, 3]);
  });
});
