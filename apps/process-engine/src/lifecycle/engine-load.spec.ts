import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EngineLoad } from './engine-load.js';

describe('what an engine has to do', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('counts what is worked on, and what is with a handler that was asked a moment ago', () => {
    const load = new EngineLoad(() => 3);
    for (const id of [1, 2, 3, 4]) load.askedHandler(id);
    expect([load.busy, load.moving]).toEqual([3, 7]);
    load.cameBack(2);
    load.cameBack(9);
    expect(load.moving).toBe(6);
  });

  it('does not wait for handlers that take their time', () => {
    const load = new EngineLoad(() => 0);
    vi.advanceTimersByTime(10_000);
    load.askedHandler(1);
    vi.advanceTimersByTime(499);
    load.askedHandler(2);
    vi.advanceTimersByTime(400);
    expect(load.moving).toBe(2);
    load.cameBack(2);
    expect(load.moving).toBe(1);
    vi.advanceTimersByTime(600);
    expect(load.moving).toBe(0);
    // Long after the last look, too.
    load.askedHandler(3);
    vi.advanceTimersByTime(60_000);
    expect(load.moving).toBe(0);
  });

  it('knows how many inputs a process needs until it ends, or rests', () => {
    const load = new EngineLoad(() => 0);
    for (let process = 0; process < 1_000; process++) {
      for (let input = 0; input < 10; input++) load.worked(5);
      load.rested();
    }
    expect(load.inputsOfOne).toBeCloseTo(10, 0);
    expect(load.inputMillis).toBeCloseTo(5, 3);
  });

  it('takes one whose handler does not answer soon for one that rests', () => {
    const load = new EngineLoad(() => 0);
    for (let id = 0; id < 5_000; id++) {
      load.worked(1);
      load.askedHandler(id);
      vi.advanceTimersByTime(1);
    }
    // One or two: those of the last second are still counted on.
    expect(load.inputsOfOne).toBeLessThan(3);
  });

  it('forgets what was slow once', () => {
    const load = new EngineLoad(() => 0);
    load.worked(10_000);
    expect(load.inputMillis).toBeGreaterThan(250);
    for (let i = 0; i < 200; i++) load.worked(2);
    expect(load.inputMillis).toBeLessThan(3);
  });
});
