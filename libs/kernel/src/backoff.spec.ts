import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { callBackoffMillis, retryDelayMillis, unitHash } from './backoff.js';

const POLICY = { maxAttempts: 5, initialMillis: 2_000, maxMillis: 120_000, jitter: 0.2 };

describe('retryDelayMillis', () => {
  it('doubles up to the cap', () => {
    const delays = [1, 2, 3, 4, 5, 6, 7, 8].map((attempt) => retryDelayMillis({ ...POLICY, jitter: 0 }, attempt, 's'));
    expect(delays).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 120_000, 120_000]);
  });

  it('is a whole number between its share without jitter and the cap, whatever the attempt', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000 }), fc.string(), (attempt, seed) => {
        const full = retryDelayMillis({ ...POLICY, jitter: 0 }, attempt, seed);
        const delay = retryDelayMillis(POLICY, attempt, seed);
        return Number.isInteger(delay) && delay <= full && delay >= Math.floor(full * 0.8);
      }),
    );
  });

  it('is the same for the same step, another for another process', () => {
    expect(retryDelayMillis(POLICY, 1, '1/handle.demo')).toBe(retryDelayMillis(POLICY, 1, '1/handle.demo'));
    const delays = new Set(Array.from({ length: 100 }, (_, i) => retryDelayMillis(POLICY, 1, `${i}/handle.demo`)));
    expect(delays.size).toBeGreaterThan(50);
  });

  it('an attempt before the first is a bug', () => {
    expect(() => retryDelayMillis(POLICY, 0, 's')).toThrow(RangeError);
  });
});

describe('unitHash', () => {
  it('spreads over [0, 1)', () => {
    const values = Array.from({ length: 1_000 }, (_, i) => unitHash(`${i}`));
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    expect(values.reduce((sum, value) => sum + value) / 1_000).toBeCloseTo(0.5, 1);
  });
});

describe('callBackoffMillis', () => {
  it('has full jitter below a growing cap', () => {
    expect([0, 1, 2, 20].map((failures) => callBackoffMillis(failures, 0.999_99))).toEqual([25, 50, 100, 1_000]);
    expect(callBackoffMillis(20, 0)).toBe(0);
    expect(callBackoffMillis(20, 0.5, 200)).toBe(100);
  });
});
