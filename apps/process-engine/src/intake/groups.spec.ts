import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Groups } from './groups.js';

const SIZE = 16;

describe('groups of starts that give way', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('are full at their size, and when one of them has ended', () => {
    const groups = new Groups(() => undefined);
    const joined = Array.from({ length: SIZE }, () => groups.join(0));
    expect([new Set(joined).size, groups.hasPlace(0)]).toEqual([1, false]);
    const other = new Groups(() => undefined);
    const group = other.join(0);
    other.join(0);
    expect(other.hasPlace(5)).toBe(true);
    other.left(group, 5);
    expect(other.hasPlace(5)).toBe(false);
  });

  it('rest for as long as they took, and then say so', () => {
    const rested = vi.fn();
    const groups = new Groups(rested);
    const group = groups.join(100);
    groups.join(100);
    groups.left(group, 120);
    expect(vi.getTimerCount()).toBe(0);
    groups.left(group, 130);
    expect([groups.hasPlace(159), groups.hasPlace(160)]).toEqual([false, true]);
    vi.advanceTimersByTime(29);
    expect(rested).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(rested).toHaveBeenCalledOnce();
    // A timer may be a little early by the other clock.
    expect(groups.hasPlace(159.9)).toBe(true);
  });

  it('rest a quarter of a second at most, however slow the database is', () => {
    const groups = new Groups(() => undefined);
    groups.left(groups.join(0), 10_000);
    expect(groups.hasPlace(10_250)).toBe(true);
  });
});
