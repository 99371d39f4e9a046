/** Below this many requests in memory nothing is refused: a share of a few says nothing. */
const LEAST_ASKED = 20;
/** Some always get through, so that the end of an overload is noticed. */
const MOST_REFUSED = 0.95;
const HALF_LIFE_MILLIS = 5_000;
/** Shortest and longest time that a refused caller is sent away for, milliseconds. */
const MIN_RETRY_AFTER_MILLIS = 1_000;
const MAX_RETRY_AFTER_MILLIS = 30_000;

/**
 * Refuses at the sender what the other side would refuse anyway (client-side throttling, "Site Reliability Engineering", chapter 21): it remembers for a few
 * seconds how many requests there were and how many were accepted, and lets through at most `ratio` times as many as are accepted.
 * Pure: times (milliseconds of one clock) and randomness are given.
 */
export class Throttle {
  private asked = 0;
  private taken = 0;
  private at = 0;

  /** @param ratio requests let through for each accepted one, > 1: what is above 1 finds out that more are accepted again */
  constructor(private readonly ratio = 1.5) {}

  /** What became of one request; of one that {@link refuses} has refused, too. */
  note(accepted: boolean, now: number): void {
    this.decay(now);
    this.asked++;
    if (accepted) this.taken++;
  }

  /** @param random uniform in [0, 1) */
  refuses(now: number, random: number): boolean {
    if (this.asked < LEAST_ASKED) return false;
    this.decay(now);
    const share = (this.asked - this.ratio * this.taken) / (this.asked + 1);
    return random < Math.min(MOST_REFUSED, share);
  }

  /**
   * When a refused caller should come again, milliseconds: spread over a time that grows with the square of the load, since those who are refused
   * again add to it.
   */
  retryAfterMillis(random: number): number {
    const load = (this.asked + 1) / (this.taken + 1);
    const spread = Math.min(MAX_RETRY_AFTER_MILLIS - MIN_RETRY_AFTER_MILLIS, 1_000 * load ** 2);
    return Math.round(MIN_RETRY_AFTER_MILLIS + random * spread);
  }

  /** Nothing worth remembering is left. */
  isIdle(now: number): boolean {
    this.decay(now);
    return this.asked < 1;
  }

  private decay(now: number): void {
    const rest = 0.5 ** (Math.max(0, now - this.at) / HALF_LIFE_MILLIS);
    this.asked *= rest;
    this.taken *= rest;
    this.at = now;
  }
}
