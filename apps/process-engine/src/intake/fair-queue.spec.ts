import { describe, expect, it } from 'vitest';
import { FairQueue } from './fair-queue.js';

const filled = (
  items: [account: number | null, priority: number, count: number][],
  weights: Record<number, number> = {},
) => {
  const queue = new FairQueue<string>((account) => weights[account ?? 0] ?? 1);
  let at = 0;
  for (const [account, priority, count] of items)
    for (let i = 0; i < count; i++) queue.push({ item: `${account}.${i}`, account, priority, at: at++ });
  return queue;
};

const take = (queue: FairQueue<string>, count = queue.size): string[] =>
  Array.from({ length: count }, () => queue.shift()!.item);

describe('a fair queue', () => {
  it('is first come, first served for one account', () => {
    expect(take(filled([[7, 0, 200]]))).toEqual(Array.from({ length: 200 }, (_, i) => `7.${i}`));
  });

  it('takes accounts in turn, however much one of them has', () => {
    expect(
      take(
        filled([
          [1, 0, 50_000],
          [2, 0, 2],
          [null, 0, 1],
        ]),
        6,
      ),
    ).toEqual(['1.0', '2.0', 'null.0', '1.1', '2.1', '1.2']);
  });

  it('tells when the one came that is next', () => {
    const queue = filled([
      [1, 0, 2],
      [2, 0, 1],
      [1, 5, 1],
    ]);
    const told = Array.from({ length: queue.size }, () => {
      const { nextAt } = queue;
      return [nextAt, queue.shift()!.at];
    });
    expect(told).toEqual([3, 0, 2, 1].map((at) => [at, at]));
    expect(queue.nextAt).toBeUndefined();
  });

  it('gives an account as many in its turn as it weighs', () => {
    expect(
      take(
        filled(
          [
            [1, 0, 9],
            [2, 0, 9],
          ],
          { 1: 3 },
        ),
        8,
      ),
    ).toEqual(['1.0', '1.1', '1.2', '2.0', '1.3', '1.4', '1.5', '2.1']);
  });

  it('takes higher priorities first, and each account in turn within one', () => {
    const queue = filled([
      [1, 0, 2],
      [1, 5, 2],
      [2, 5, 2],
      [2, -5, 1],
    ]);
    expect(take(queue)).toEqual(['1.0', '2.0', '1.1', '2.1', '1.0', '1.1', '2.0']);
    expect(queue.size).toBe(0);
    expect(queue.shift()).toBeUndefined();
  });

  it('passes over an account that may not go, which keeps its place, and goes on to lower priorities', () => {
    const queue = filled([
      [1, 5, 2],
      [2, 0, 1],
      [3, 0, 1],
    ]);
    const others = (account: number | null): boolean => account !== 1;
    expect([1, 2, 3].map(() => queue.shift(others)?.item)).toEqual(['2.0', '3.0', undefined]);
    expect(queue.waitingOf(1)).toBe(2);
    expect(take(queue)).toEqual(['1.0', '1.1']);
  });

  it('knows what waits of an account, and since when', () => {
    const queue = filled([
      [1, 0, 3],
      [2, 0, 1],
      [1, 9, 1],
    ]);
    expect([queue.size, queue.accounts, queue.waitingOf(1), queue.waitingOf(3)]).toEqual([5, 2, 4, 0]);
    expect([queue.oldestOf(1, 0), queue.oldestOf(1, 9), queue.oldestOf(2, 0), queue.oldestOf(3, 0)]).toEqual([
      0,
      4,
      3,
      undefined,
    ]);
    take(queue, 2);
    expect([queue.waitingOf(1), queue.oldestOf(1, 0), queue.oldestOf(1, 9)]).toEqual([2, 1, undefined]);
  });

  it('neither loses nor repeats an item in any order of pushes and shifts', () => {
    const queue = new FairQueue<number>((account) => (account ?? 0) + 1);
    const seen: number[] = [];
    let next = 0;
    let state = 12_345;
    const random = (below: number): number => (state = (state * 48_271) % 2_147_483_647) % below;
    for (let i = 0; i < 20_000; i++) {
      if (random(5) < 3) queue.push({ item: next++, account: random(4), priority: random(3), at: i });
      else {
        const taken = queue.shift();
        if (taken !== undefined) seen.push(taken.item);
      }
    }
    while (queue.size > 0) seen.push(queue.shift()!.item);
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: next }, (_, item) => item));
    expect(queue.accounts).toBe(0);
  });
});
