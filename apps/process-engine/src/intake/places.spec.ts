import { describe, expect, it } from 'vitest';
import { Places } from './places.js';

const QUICK = 5;
const made = (load: Partial<{ busy: number; moving: number; inputMillis: number; inputsOfOne: number }> = {}) => {
  const now = { busy: 0, moving: 0, inputMillis: QUICK, inputsOfOne: 1, ...load };
  return { load: now, places: new Places(512, now) };
};
const times = (count: number, act: () => void): void => {
  for (let i = 0; i < count; i++) act();
};

describe('how many starts may begin', () => {
  it('as many as are driven at once, of processes of one step whatever is with handlers', () => {
    const { load, places } = made();
    expect([places.areFree(511, false), places.areFree(512, false)]).toEqual([true, false]);
    load.moving = 900;
    expect([places.areFree(100, false), places.areFree(124, false)]).toEqual([true, false]);
  });

  it('fewer of processes of many steps: each has all of them before it', () => {
    const { load, places } = made({ inputsOfOne: 10 });
    load.moving = 102;
    expect([places.areFree(0, false), places.areFree(32, false)]).toEqual([true, false]);
    load.moving = 300;
    expect([places.areFree(0, false), places.areFree(4, false)]).toEqual([true, false]);
  });

  it('more and more, while their inputs are worked on in time', () => {
    const { load, places } = made({ inputsOfOne: 10, moving: 100 });
    const before = places.mostMoving;
    times(100, () => places.started(QUICK, false));
    expect(places.mostMoving).toBeCloseTo(before + 25, 5);
    load.moving = 0;
    times(1_000, () => places.started(QUICK, false));
    expect(places.mostMoving).toBeCloseTo(before, 0);
  });

  it('fewer, while an input takes so long that ten of them would take too long', () => {
    const { load, places } = made({ inputsOfOne: 10, moving: 100, inputMillis: 80 });
    times(20, () => places.started(QUICK, false));
    expect(places.mostMoving).toBeLessThan(75);
    times(1_000, () => places.started(QUICK, false));
    expect(places.mostMoving).toBe(32);
    expect(places.areFree(0, false)).toBe(true);
    // The same time is nothing to a process of one input.
    Object.assign(load, { inputsOfOne: 1 });
    times(10, () => places.started(QUICK, false));
    expect(places.mostMoving).toBeGreaterThan(34);
  });

  it('never none, however much is under way', () => {
    const { places } = made({ busy: 100_000, moving: 100_000, inputsOfOne: 100, inputMillis: 10_000 });
    times(1_000, () => places.started(10_000, false));
    expect([places.areFree(0, false), places.areFree(1, false)]).toEqual([true, false]);
  });

  it('fewer while several accounts start', () => {
    const { places } = made({ busy: 100 });
    expect([places.areFree(28, true), places.areFree(32, true), places.areFree(32, false)]).toEqual([
      true,
      false,
      true,
    ]);
  });
});
