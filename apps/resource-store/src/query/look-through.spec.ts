import { describe, expect, it, vi } from 'vitest';
import { LOOK_STEP, lookThrough, MAX_LOOKED } from './look-through.js';

const clock = vi.hoisted(() => ({ millis: 0 }));
vi.mock('@drover/kernel', () => ({ monotonicMillis: () => clock.millis }));

/** A table of the numbers 1 to `rows`, of which every `each`th matches; a step takes so long. */
function table(rows: number, each: number, stepMillis = 0) {
  const steps: (number | null)[] = [];
  const matching = async (after: number | null, limit: number): Promise<number[]> => {
    steps.push(after);
    clock.millis += stepMillis;
    const found: number[] = [];
    const end = Math.min(rows, (after ?? 0) + LOOK_STEP);
    for (let i = (after ?? 0) + 1; i <= end && found.length < limit; i++) if (i % each === 0) found.push(i);
    return found;
  };
  const last = async (after: number | null): Promise<number | null> => {
    const end = (after ?? 0) + LOOK_STEP;
    return end <= rows ? end : null;
  };
  return { steps, look: (limit: number, after: number | null = null) => lookThrough(limit, after, matching, last) };
}

describe('lookThrough', () => {
  it('ends with the step in which enough are found', async () => {
    const { steps, look } = table(100_000, 100);
    const { found, seenTo } = await look(150);
    expect([found.length, found[0], found.at(-1), seenTo]).toEqual([150, 100, 15_000, null]);
    expect(steps).toEqual([null, 10_000]);
  });

  it('looks at so many rows at most, and says where to go on', async () => {
    const { look } = table(100_000, 40_000);
    expect(await look(10)).toEqual({ found: [40_000], seenTo: MAX_LOOKED });
    expect(await look(10, MAX_LOOKED)).toEqual({ found: [80_000], seenTo: 100_000 });
    expect(await look(10, 100_000)).toEqual({ found: [], seenTo: null });
  });

  it('ends where the rows end', async () => {
    expect(await table(25_000, 20_000).look(10)).toEqual({ found: [20_000], seenTo: null });
    expect(await table(0, 1).look(10)).toEqual({ found: [], seenTo: null });
  });

  it('begins no further step after a second', async () => {
    const { steps, look } = table(100_000, 200_000, 600);
    expect(await look(10)).toEqual({ found: [], seenTo: 2 * LOOK_STEP });
    expect(steps).toHaveLength(2);
  });
});
