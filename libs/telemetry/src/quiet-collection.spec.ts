import { describe, expect, it } from 'vitest';
import { QuietCollection } from './quiet-collection.js';

/** @returns after which looks it collected, of a program that was so busy, and so large, before each */
function collections(looks: readonly (readonly [utilization: number, megabytes: number])[]): number[] {
  const collected: number[] = [];
  let at = 0;
  const quiet = new QuietCollection({
    utilization: () => looks[at]![0],
    residentBytes: () => looks[at]![1] * 1024 ** 2,
    collect: () => void collected.push(at),
  });
  for (; at < looks.length; at++) quiet.look();
  return collected;
}

describe('QuietCollection', () => {
  it('collects once after a busy time, and not before it is over', () => {
    const busy = [0.9, 350] as const;
    const idle = [0.01, 350] as const;
    expect(collections([idle, busy, busy, idle, idle, idle])).toEqual([3]);
    expect(collections([busy, idle, busy, idle])).toEqual([1, 3]);
    expect(collections([busy, busy, busy])).toEqual([]);
  });

  it('leaves a program alone that was never busy, or is small', () => {
    expect(collections([[0.05, 900], [0.09, 900]])).toEqual([]); // prettier-ignore
    expect(collections([[0.9, 150], [0.01, 150], [0.01, 900]])).toEqual([]); // prettier-ignore
  });
});
