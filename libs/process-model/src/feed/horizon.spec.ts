import { describe, expect, it } from 'vitest';
import { Horizon } from './horizon.js';

describe('the horizon of the feed', () => {
  it('is the newest number when nothing runs', () => {
    expect(new Horizon().advance(7, { xmin: 100, next: 100 })).toBe(7);
  });

  it('waits for every transaction that ran when the number was drawn, and for no later one', () => {
    const horizon = new Horizon();
    expect(horizon.advance(7, { xmin: 100, next: 103 })).toBe(0);
    // 102 still runs; 104 began later and may still draw 8 and above
    expect(horizon.advance(9, { xmin: 102, next: 105 })).toBe(0);
    expect(horizon.advance(9, { xmin: 104, next: 106 })).toBe(7);
    expect(horizon.advance(9, { xmin: 107, next: 108 })).toBe(9);
  });

  it('never goes back', () => {
    const horizon = new Horizon();
    expect(horizon.advance(7, { xmin: 5, next: 5 })).toBe(7);
    expect(horizon.advance(8, { xmin: 5, next: 9 })).toBe(7);
  });

  it('waits only for those who write the feed, where it is asked for them', () => {
    const horizon = new Horizon();
    expect(horizon.advance(7, { xmin: 100, next: 103 })).toBe(0);
    expect(horizon.waitsFor).toBe(103);
    expect(horizon.advancePast(7, ['3/1', '4/1'])).toBe(0);
    // 4/1 still writes; 3/2 came later and may still draw 8 and above
    expect(horizon.advancePast(9, ['3/2', '4/1'])).toBe(0);
    expect(horizon.advancePast(9, ['3/2', '4/2'])).toBe(7);
    expect(horizon.advancePast(9, [])).toBe(9);
    expect(horizon.waitsFor).toBe(103);
    expect(horizon.advance(9, { xmin: 104, next: 104 })).toBe(9);
    expect(horizon.waitsFor).toBeNull();
  });
});
