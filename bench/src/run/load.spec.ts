import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ClosedLoop, OpenLoop } from './load.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

const pause = (millis: number) => new Promise<void>((resolve) => setTimeout(resolve, millis));
const evenly = (rate: number, maxOpen: number) => ({ rate, arrivals: 'even' as const, maxOpen, seed: 1 });

describe('an open loop', () => {
  it('starts on schedule however slow the processes end, and counts what began in the window whenever it ends', async () => {
    const load = new OpenLoop(() => pause(250), [1, 2, 3, 4], evenly(10, 4));
    load.start();
    load.open();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(load.close()).toBe(7);
    const stopped = load.stop();
    await vi.advanceTimersByTimeAsync(1_000);
    const { latencies, dropped, errors } = await stopped;
    expect(latencies.count).toBe(9);
    expect(latencies.at(1)).toBeCloseTo(250, -1);
    expect({ dropped, errors }).toEqual({ dropped: 0, errors: {} });
  });

  it('counts what it could not send', async () => {
    const load = new OpenLoop(() => pause(10_000), [1, 2], evenly(10, 2));
    load.start();
    load.open();
    await vi.advanceTimersByTimeAsync(1_050);
    load.close();
    const stopped = load.stop();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(await stopped).toMatchObject({ dropped: 8, errors: {} });
  });

  it('counts latency from the scheduled time when it is itself late', async () => {
    const load = new OpenLoop(async () => undefined, [1], evenly(10, 1));
    load.start();
    load.open();
    // The program stands still: it is 180 ms when what is due at 100 ms is sent.
    const spy = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 180);
    await vi.advanceTimersByTimeAsync(100);
    spy.mockRestore();
    load.close();
    expect((await load.stop()).latencies.at(1)).toBeGreaterThanOrEqual(80);
  });

  it('uses a resource once at a time', async () => {
    const busy = new Set<number>();
    const runOne = async (resource: number) => {
      expect(busy.has(resource)).toBe(false);
      busy.add(resource);
      await pause(resource * 40);
      busy.delete(resource);
    };
    const load = new OpenLoop(runOne, [1, 2, 3, 4, 5], evenly(50, 5));
    load.start();
    load.open();
    await vi.advanceTimersByTimeAsync(1_000);
    load.close();
    const stopped = load.stop();
    await vi.advanceTimersByTimeAsync(1_000);
    expect((await stopped).errors).toEqual({});
  });

  it('wants a resource for every process that may be open', () => {
    expect(() => new OpenLoop(() => pause(1), [1], evenly(1, 2))).toThrow(RangeError);
  });
});

describe('a closed loop', () => {
  it('keeps so many going, counts those that end in the window, and every error by its message', async () => {
    let open = 0;
    let most = 0;
    const runOne = async (resource: number) => {
      most = Math.max(most, ++open);
      await pause(100);
      open--;
      if (resource === 2) throw new Error('refused');
    };
    const load = new ClosedLoop(runOne, [1, 2, 3], 3);
    load.start();
    await vi.advanceTimersByTimeAsync(50);
    load.open();
    await vi.advanceTimersByTimeAsync(200);
    expect(load.close()).toBe(4);
    const stopped = load.stop();
    await vi.advanceTimersByTimeAsync(1_000);
    const { latencies, errors } = await stopped;
    expect(most).toBe(3);
    expect(latencies.count).toBe(4);
    expect(errors['refused']).toBeGreaterThan(0);
  });
});
