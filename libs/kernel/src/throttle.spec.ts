import { describe, expect, it } from 'vitest';
import { Throttle } from './throttle.js';

/** Sends `perSecond` requests for so many seconds to a server that accepts `capacity` of them in each. @returns what reached it in the last one */
function flood(throttle: Throttle, perSecond: number, capacity: number, seconds: number): number {
  let sent = 0;
  for (let second = 0; second < seconds; second++) {
    sent = 0;
    let accepted = 0;
    for (let i = 0; i < perSecond; i++) {
      const now = second * 1_000 + (i * 1_000) / perSecond;
      const random = ((i * 7_919) % 1_000) / 1_000;
      if (throttle.refuses(now, random)) {
        throttle.note(false, now);
        continue;
      }
      sent++;
      // The capacity is spread over the second, as a server's is.
      const accepts = accepted < (capacity * (i + 1)) / perSecond;
      if (accepts) accepted++;
      throttle.note(accepts, now);
    }
  }
  return sent;
}

describe('a throttle', () => {
  it('refuses nothing while everything is accepted', () => {
    expect(flood(new Throttle(), 1_000, 1_000, 5)).toBe(1_000);
  });

  it('lets through about one and a half times what is accepted, at ten times the load', () => {
    const sent = flood(new Throttle(1.5), 10_000, 1_000, 20);
    expect(sent).toBeGreaterThan(1_000);
    expect(sent).toBeLessThan(2_000);
  });

  it('refuses nothing of a few requests, whatever became of them', () => {
    const throttle = new Throttle();
    for (let i = 0; i < 10; i++) throttle.note(false, 0);
    expect(throttle.refuses(0, 0)).toBe(false);
  });

  it('always lets some through, and forgets', () => {
    const throttle = new Throttle();
    for (let i = 0; i < 10_000; i++) throttle.note(false, 0);
    expect(throttle.refuses(0, 0.9)).toBe(true);
    expect(throttle.refuses(0, 0.96)).toBe(false);
    expect(throttle.isIdle(1_000)).toBe(false);
    expect(throttle.isIdle(120_000)).toBe(true);
    expect(throttle.refuses(120_000, 0)).toBe(false);
  });

  it('sends callers away for longer the more it refuses, and never all at once', () => {
    const calm = new Throttle();
    expect(calm.retryAfterMillis(0)).toBe(1_000);
    expect(calm.retryAfterMillis(0.999)).toBeLessThanOrEqual(3_000);
    const busy = new Throttle();
    for (let i = 0; i < 1_000; i++) busy.note(i % 10 === 0, 0);
    expect(busy.retryAfterMillis(0)).toBe(1_000);
    expect(busy.retryAfterMillis(0.5)).toBeGreaterThan(8_000);
    for (let i = 0; i < 1_000; i++) busy.note(false, 0);
    expect([0, 0.5, 1].map((random) => busy.retryAfterMillis(random))).toEqual([1_000, 15_500, 30_000]);
  });
});
