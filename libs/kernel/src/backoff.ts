import { createHash } from 'node:crypto';

export interface RetryPolicy {
  /** attempts in all, >= 1 */
  maxAttempts: number;
  /** delay before the second attempt, milliseconds */
  initialMillis: number;
  /** upper bound of a delay, milliseconds */
  maxMillis: number;
  /** share of the delay that is spread, 0..1 */
  jitter: number;
}

/**
 * Delay before the next attempt of a step: exponential, capped, spread by a hash of the step, so that a decision is repeatable.
 * @param attempt attempts already made, >= 1
 * @param seed    names process, step and attempt
 * @returns integer milliseconds in [0, maxMillis]
 * @throws RangeError when attempt < 1: a caller's bug, never retried
 */
export function retryDelayMillis(policy: RetryPolicy, attempt: number, seed: string): number {
  if (attempt < 1) throw new RangeError(`attempt must be at least 1, not ${attempt}`);
  const full = Math.min(policy.maxMillis, policy.initialMillis * 2 ** Math.min(attempt - 1, 30));
  return Math.round(full * (1 - policy.jitter * unitHash(`${seed}/${attempt}`)));
}

/** A number in [0, 1) that depends on nothing but the text. */
export function unitHash(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32;
}

/** Sleep before repeating a failed call between services: full jitter below an exponential cap, milliseconds. */
export function callBackoffMillis(failures: number, random: number, capMillis = 1_000): number {
  return Math.round(random * Math.min(capMillis, 25 * 2 ** Math.min(failures, 10)));
}
