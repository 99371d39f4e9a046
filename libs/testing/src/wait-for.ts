import { setTimeout as sleep } from 'node:timers/promises';

export interface WaitOptions {
  /** Bound against a hang, milliseconds; 20 000 unless given. */
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
  const deadline = Date.now() + timeoutMillis;
  let last: unknown;
  do {
    try {
      const answer = await look();
      if (answer) return answer as Exclude<T, false | undefined | null | 0 | ''>;
      last = answer;
    } catch (error) {
      last = error;
    }
    await sleep(everyMillis);
  } while (Date.now() < deadline);
  throw new Error(`${what} did not come within ${timeoutMillis} ms; last: ${describe(last)}`, { cause: last });
}

function describe(value: unknown): string {
  return value instanceof Error ? value.message : (JSON.stringify(value)?.slice(0, 500) ?? String(value));
}
