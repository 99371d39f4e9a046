import { setTimeout as sleep } from 'node:timers/promises';

/** Of one look and the pause after it, at most so much counts: what a machine that stood still lost was nobody's time. */
const MAX_ROUND_MILLIS = 10_000;

export interface WaitOptions {
  /** Bound against a hang, milliseconds of a machine that runs; 20 000 unless given. */
  timeoutMillis?: number;
  /** Pause between two looks, milliseconds; 25 unless given. */
  everyMillis?: number;
  /** What is waited for, named in the error. */
  what?: string;
}

/**
 * Looks again and again until `look` answers with something truthy. An exception of `look` counts as "not yet".
 * @returns what `look` answered
 * @throws Error with the last answer or exception when the time is up
 */
export async function waitFor<T>(
  look: () => T | Promise<T>,
  { timeoutMillis = 20_000, everyMillis = 25, what = 'the expected state' }: WaitOptions = {},
): Promise<Exclude<T, false | undefined | null | 0 | ''>> {
  let left = timeoutMillis;
  let last: unknown;
  do {
    const began = performance.now();
    try {
      const answer = await look();
      if (answer) return answer as Exclude<T, false | undefined | null | 0 | ''>;
      last = answer;
    } catch (error) {
      last = error;
    }
    await sleep(everyMillis);
    left -= Math.min(performance.now() - began, MAX_ROUND_MILLIS);
  } while (left > 0);
  throw new Error(`${what} did not come within ${timeoutMillis} ms; last: ${describe(last)}`, { cause: last });
}

function describe(value: unknown): string {
  return value instanceof Error ? value.message : (JSON.stringify(value)?.slice(0, 500) ?? String(value));
}
