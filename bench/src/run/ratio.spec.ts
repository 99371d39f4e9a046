import { describe, expect, it } from 'vitest';
import { hasFallen, median, medianRatio } from './ratio.js';

describe('the ratio to the limit engine', () => {
  it('is the median over the slices: one disturbed slice does not move it', () => {
    const steady = [
      { limit: 1_000, drover: 300 },
      { limit: 4_000, drover: 1_200 },
      { limit: 2_000, drover: 600 },
    ];
    expect(medianRatio([...steady, { limit: 3_000, drover: 10 }, { limit: 10, drover: 300 }])).toBeCloseTo(0.3);
  });

  it('a slice in which the limit engine did nothing counts as nothing', () => {
    expect(medianRatio([{ limit: 0, drover: 100 }])).toBe(0);
  });

  it('has fallen when more than a third of the baseline is gone', () => {
    expect(hasFallen(0.21, { ratio: 0.3 })).toBe(false);
    expect(hasFallen(0.19, { ratio: 0.3 })).toBe(true);
  });

  it('median of an even number is the mean of the middle two, of none 0', () => {
    expect([median([4, 1, 3, 2]), median([])]).toEqual([2.5, 0]);
  });
});
