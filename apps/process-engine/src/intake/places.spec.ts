import { describe, expect, it } from 'vitest';
import { Places } from './places.js';

const QUICK = 5;
const made = (load: Partial<{ busy: number; moving: number; inputMillis: number; inputsOfOne: number }> = {}) => {
  clock = 0;
  const now = { busy: 0, moving: 0, inputMillis: QUICK, inputsOfOne: 1, ...load };
  return { load: now, places: new Places(512, now) };
};
/** So many starts are committed, one every ten milliseconds. */
const commits = (places: Places, count: number, tookMillis = QUICK): void => {
  for (let i = 0; i < count; i++) places.started(tookMillis, false, (clock += 10));
};
let clock = 0;

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

  it('twice as many in a second, while they are in motion and their inputs in time', () => {
    const { load, places } = made({ inputsOfOne: 10, moving: 102 });
    const before = places.mostMoving;
    const follow = (seconds: number): void => {
      for (let i = 0; i < 100 * seconds; i++) {
        load.moving = Math.round(places.mostMoving);
        commits(places, 1);
      }
    };
    follow(1);
    expect(places.mostMoving / before).toBeCloseTo(2, 1);
    follow(1);
    expect(places.mostMoving / before).toBeCloseTo(4, 1);
    // Late once, slowly for a while.
    load.inputMillis = 80;
    commits(places, 1);
    load.inputMillis = QUICK;
    const after = places.mostMoving;
    follow(1);
    expect(places.mostMoving).toBeCloseTo(after + 25, 0);
  });

  it('no more than are used; and after a pause, what it was at first', () => {
    const { load, places } = made({ inputsOfOne: 10, moving: 102 });
    const before = places.mostMoving;
    commits(places, 100);
    const grown = places.mostMoving;
    expect(grown).toBeLessThan(115);
    commits(places, 1_000);
    expect(places.mostMoving).toBe(grown);
    load.moving = 0;
    places.areFree(0, false);
    expect(places.mostMoving).toBe(before);
  });

  it('fewer, while an input takes so long that ten of them would take too long', () => {
    const { load, places } = made({ inputsOfOne: 10, moving: 100, inputMillis: 80 });
    commits(places, 20);
    expect(places.mostMoving).toBeLessThan(75);
    commits(places, 1_000);
    expect(places.mostMoving).toBe(32);
    expect(places.areFree(0, false)).toBe(true);
    // The same time is nothing to a process of one input.
    Object.assign(load, { inputsOfOne: 1 });
    commits(places, 10);
    expect(places.mostMoving).toBeGreaterThan(34);
  });

  it('never none, however much is under way', () => {
    const { places } = made({ busy: 100_000, moving: 100_000, inputsOfOne: 100, inputMillis: 10_000 });
    commits(places, 1_000, 10_000);
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
