import { describe, expect, it, vi } from 'vitest';
import { LOOK_STEP, type LookedAt, lookThrough, MAX_LOOKED } from './look-through.js';

const clock = vi.hoisted(() => ({ millis: 0 }));
vi.mock('@drover/kernel', () => ({ monotonicMillis: () => clock.millis }));

/** A table of the numbers 1 to `rows`, of which every `each`th matches; a step takes so long. */
function table(rows: number, each: number, stepMillis = 0) {
  const steps: (number | null)[] = [];
  const step = async (after: number | null, limit: number): Promise<LookedAt[]> => {
    steps.push(after);
    clock.millis += stepMillis;
    const told: LookedAt[] = [];
    const from = after ?? 0;
    for (let id = from + 1; id <= Math.min(rows, from + LOOK_STEP) && told.length < limit; id++) {
      const row = { id, matches: id % each === 0, place: id - from };
      if (row.matches || row.place === LOOK_STEP) told.push(row);
    }
    return told;
  };
  const look = async (limit: number, after: number | null = null) => {
    const { found, seenTo } = await lookThrough<{ id: number }>(limit, after, step);
    return { found: found.map(({ id }) => id), seenTo, row: found[0] };
  };
  return { steps, look };
}

describe('lookThrough', () => {
  it('ends with the step in which enough are found', async () => {
    const { steps, look } = table(100_000, 100);
    const { found, seenTo, row } = await look(150);
    expect([found.length, found[0], found.at(-1), seenTo]).toEqual([150, 100, 15_000, null]);
    expect(steps).toEqual([null, 10_000]);
    expect(row).toEqual({ id: 100 });
  });

  it('finds as many as are enough where the last one is the last of its step', async () => {
    expect(await table(100_000, 5_000).look(2)).toMatchObject({ found: [5_000, 10_000], seenTo: null });
    expect(await table(100_000, 7_000).look(2)).toMatchObject({ found: [7_000, 14_000], seenTo: null });
  });

  it('looks at so many rows at most, and says where to go on', async () => {
    const { look } = table(100_000, 40_000);
    expect(await look(10)).toMatchObject({ found: [40_000], seenTo: MAX_LOOKED });
    expect(await look(10, MAX_LOOKED)).toMatchObject({ found: [80_000], seenTo: 100_000 });
    expect(await look(10, 100_000)).toMatchObject({ found: [], seenTo: null });
  });

  it('ends where the rows end', async () => {
    expect(await table(25_000, 20_000).look(10)).toMatchObject({ found: [20_000], seenTo: null });
    expect(await table(0, 1).look(10)).toMatchObject({ found: [], seenTo: null });
  });

  it('begins no further step after a second', async () => {
    const { steps, look } = table(100_000, 200_000, 600);
    expect(await look(10)).toMatchObject({ found: [], seenTo: 2 * LOOK_STEP });
    expect(steps).toHaveLength(2);
  });
});
