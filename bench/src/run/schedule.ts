import type { Arrivals } from './result.js';

/**
 * When the processes of an open loop are due, without end: milliseconds from the start, ascending.
 * @param rate   per second, > 0
 * @param random uniform in [0, 1); not used by even arrivals
 */
export function* arrivalTimes(
  rate: number,
  arrivals: Arrivals,
  random: () => number,
): Generator<number, never, undefined> {
  const gap = 1_000 / rate;
  // The n-th even arrival is a product, not a sum: at 10,000 a second a sum is off by its rounding within minutes.
  if (arrivals === 'even') for (let n = 1; ; n++) yield n * gap;
  let at = 0;
  for (;;) yield (at += -Math.log(1 - random()) * gap);
}

/** Random numbers in [0, 1) that are the same for the same seed, so that two runs get the same arrivals (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
