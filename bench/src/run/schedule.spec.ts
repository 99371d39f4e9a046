import { describe, expect, it } from 'vitest';
import { arrivalTimes, seeded } from './schedule.js';

const first = (count: number, times: Iterator<number, never>): number[] =>
  Array.from({ length: count }, () => times.next().value);

describe('arrivals of an open loop', () => {
  it('even arrivals are one gap apart, also after a long time', () => {
    expect(
      first(
        4,
        arrivalTimes(500, 'even', () => 0),
      ),
    ).toEqual([2, 4, 6, 8]);
    expect(
      first(
        3_000_000,
        arrivalTimes(10_000, 'even', () => 0),
      ).at(-1),
    ).toBeCloseTo(300_000, 6);
  });

  it('Poisson arrivals ascend, keep the rate, and vary as an exponential distribution does', () => {
    const times = first(100_000, arrivalTimes(1_000, 'poisson', seeded(7)));
    expect(times.every((time, i) => i === 0 || time >= times[i - 1]!)).toBe(true);
    expect(times.at(-1)! / 100_000).toBeCloseTo(1, 1);
    const gaps = times.map((time, i) => time - (times[i - 1] ?? 0));
    const variance = gaps.reduce((sum, gap) => sum + (gap - 1) ** 2, 0) / gaps.length;
    expect(variance).toBeCloseTo(1, 1);
  });

  it('the same seed gives the same arrivals, another seed others', () => {
    const of = (seed: number) => first(10, arrivalTimes(100, 'poisson', seeded(seed)));
    expect(of(1)).toEqual(of(1));
    expect(of(1)).not.toEqual(of(2));
  });
});
