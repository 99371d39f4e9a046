import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { GatewayMetrics } from '../health/metrics.js';
import { Overload } from './overload.js';

const made = (): Overload => new Overload({ observeCommands: () => undefined } as unknown as GatewayMetrics);

describe('the look at the event loop', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is taken while commands come, or wait for their answers, and no longer', async () => {
    const overload = made();
    expect(vi.getTimerCount()).toBe(0);
    expect(overload.refusal(null)).toBeNull();
    let answer = (): void => undefined;
    const answered = overload.watch(null, () => new Promise<void>((resolve) => (answer = resolve)));
    vi.advanceTimersByTime(1_000);
    expect(vi.getTimerCount()).toBe(1);
    answer();
    await answered;
    vi.advanceTimersByTime(1_000);
    expect(vi.getTimerCount()).toBe(0);
    overload.refusal(null);
    expect(vi.getTimerCount()).toBe(1);
  });
});
