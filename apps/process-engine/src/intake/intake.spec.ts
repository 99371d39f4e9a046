import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DroverError } from '@drover/kernel';
import type { Lifecycle } from '../lifecycle/lifecycle.js';
import type { EngineRegistry } from '../registry/engine-registry.js';
import { Intake } from './intake.js';

// Time passes only where a test says so: how long something took decides here, and a busy machine may stand still at any line.
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

const LIMITS = { queueSize: 10, maxWaitMillis: 10_000, driven: 2 };

/** Work that ends when it is told to, by name. */
class Works {
  readonly begun: string[] = [];
  private readonly ends = new Map<string, () => void>();

  constructor(private readonly intake: Intake) {}

  /** @returns how it ended: its name, or the code it was refused with */
  start(name: string, account: number | null = null, priority: number | null = 0): Promise<string> {
    const work = (): Promise<string> => {
      this.begun.push(name);
      return new Promise((resolve) => this.ends.set(name, () => resolve(name)));
    };
    return this.intake.admit({ account, priority: () => priority }, work).catch((error: DroverError) => error.code);
  }

  async end(name: string): Promise<void> {
    this.ends.get(name)!();
    await turn();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const load = { busy: 0, moving: 0, inputMillis: 0, inputsOfOne: 1 };
const made = (settings: Partial<typeof LIMITS> = {}) => {
  const intake = new Intake({ load } as unknown as Lifecycle, { weightOf: () => 1 } as unknown as EngineRegistry, {
    ...LIMITS,
    ...settings,
  });
  return { intake, works: new Works(intake) };
};

describe('the intake of new work', () => {
  it('lets in what it has room for, and the rest as room comes', async () => {
    const { intake, works } = made();
    for (const name of ['a', 'b', 'c', 'd']) void works.start(name);
    expect([works.begun, intake.open, intake.waiting]).toEqual([['a', 'b'], 2, 2]);
    await works.end('b');
    expect([works.begun, intake.open, intake.waiting]).toEqual([['a', 'b', 'c'], 2, 1]);
  });

  it('refuses an account that has as many waiting as places are free, and only that one', async () => {
    const { works } = made();
    const all = Array.from({ length: 9 }, (_, i) => works.start(`a${i}`, 1));
    // Five of ten places are taken when the eighth comes. A refusal of the one before it would be known by then.
    expect(await Promise.all(all.slice(7))).toEqual(['TooManyRequests', 'TooManyRequests']);
    expect(await Promise.race([all[6]!, 'waits'])).toBe('waits');
    void works.start('b', 2);
    await works.end('a0');
    await works.end('a1');
    expect(works.begun).toEqual(['a0', 'a1', 'a2', 'b']);
  });

  it('refuses what would wait too long, with the time to come again', async () => {
    const { intake, works } = made({ maxWaitMillis: -1 });
    for (const name of ['a', 'b', 'c', 'd']) void works.start(name);
    // Two wait, as many as may be driven at once: from here on it counts how long.
    expect(intake.waiting).toBe(2);
    await expect(intake.admit({ account: null, priority: () => 0 }, async () => 'e')).rejects.toMatchObject({
      code: 'Overloaded',
      extra: { detail: { retryAfterMillis: expect.any(Number) } },
    });
    expect(intake.counts).toEqual({ accepted: 2, refusedForWait: 1, refusedForRoom: 0 });
  });

  it('takes higher priorities first, and never lets what concerns the product itself wait', async () => {
    const { works } = made();
    void works.start('a');
    void works.start('b');
    void works.start('low', null, -5);
    void works.start('high', null, 5);
    void works.start('handler', null, null);
    expect(works.begun).toEqual(['a', 'b', 'handler']);
    await works.end('a');
    await works.end('b');
    expect(works.begun).toEqual(['a', 'b', 'handler', 'high']);
  });

  it('gives what was accepted already precedence, but never stands still', async () => {
    load.busy = 100_000;
    const { intake, works } = made({ driven: 100, queueSize: 1_000 });
    for (let i = 0; i < 90; i++) void works.start(String(i));
    expect(intake.open).toBe(1);
    load.busy = 200;
    await works.end('0');
    expect(intake.open).toBe(8);
    load.busy = 100;
    await works.end('1');
    expect(intake.open).toBe(32);
    load.busy = 0;
    await works.end('2');
    expect(intake.open).toBe(87);
  });

  it('gives room back when work fails', async () => {
    const { intake } = made();
    const fails = (): Promise<never> => Promise.reject(new DroverError('NotFound', 'no'));
    for (let i = 0; i < 5; i++)
      await expect(intake.admit({ account: 1, priority: () => 0 }, fails)).rejects.toThrow('no');
    expect(intake.open).toBe(0);
  });

  it('says beforehand what it would refuse, and counts it once', async () => {
    const { intake, works } = made({ maxWaitMillis: -1 });
    const arrival = { account: null, priority: () => 0 };
    for (const name of ['a', 'b', 'c']) void works.start(name);
    expect(intake.refusal(arrival)).toBeNull();
    void works.start('d');
    expect(intake.refusal(arrival)).toMatchObject({
      code: 'Overloaded',
      detail: { retryAfterMillis: expect.any(Number) },
    });
    expect(intake.refusal({ account: null, priority: () => null })).toBeNull();
    expect(intake.counts).toEqual({ accepted: 2, refusedForWait: 1, refusedForRoom: 0 });
  });

  it('refuses when its turn comes what has waited several times too long, while many do', async () => {
    const { intake, works } = made({ maxWaitMillis: 50, queueSize: 100 });
    const all = Array.from({ length: 12 }, (_, i) => works.start(String(i)));
    vi.advanceTimersByTime(250);
    await works.end('0');
    await works.end('1');
    // As few as may be driven at once are done, however late.
    expect([works.begun, intake.open, intake.waiting]).toEqual([['0', '1', '10', '11'], 2, 0]);
    expect(await Promise.all(all.slice(2, 10))).toEqual(Array.from({ length: 8 }, () => 'Overloaded'));
  });

  it('goes on after it has refused many at once, though nothing has begun meanwhile', async () => {
    load.busy = 100_000;
    const { intake, works } = made({ maxWaitMillis: 20, queueSize: 1_000, driven: 100 });
    const all = Array.from({ length: 300 }, (_, i) => works.start(String(i)));
    vi.advanceTimersByTime(100);
    await works.end('0');
    for (let turns = 0; turns < 10; turns++) await turn();
    load.busy = 0;
    // In an overload, fewer are left than of a client that keeps many going; one has begun, and the next ones follow it.
    expect([works.begun.length, intake.open, intake.waiting]).toEqual([2, 1, 31]);
    await works.end(works.begun[1]!);
    expect([works.begun.length, intake.open, intake.waiting]).toEqual([33, 31, 0]);
    expect(await Promise.all(all.slice(1, 268))).toEqual(Array.from({ length: 267 }, () => 'Overloaded'));
  });

  it('does not keep few waiting for what is in motion until their callers give up', async () => {
    Object.assign(load, { busy: 0, moving: 10_000, inputsOfOne: 10 });
    const { works } = made({ maxWaitMillis: 50, queueSize: 1_000, driven: 100 });
    for (let i = 0; i < 20; i++) void works.start(String(i));
    await works.end('0');
    expect(works.begun).toHaveLength(2);
    vi.advanceTimersByTime(150);
    await works.end('1');
    expect(works.begun).toHaveLength(20);
    Object.assign(load, { moving: 0, inputsOfOne: 1 });
  });

  describe('of an account with a crowd waiting', () => {
    const crowded = () => {
      const { intake, works } = made({ driven: 20, queueSize: 1_000 });
      works.start('other', 2).catch(() => undefined);
      const crowd = Array.from({ length: 100 }, (_, i) => `c${i}`);
      for (const name of crowd) void works.start(name, 1);
      const begun = () => works.begun.filter((name) => name.startsWith('c'));
      return { intake, works, begun };
    };

    it('begins in groups with a rest after each, while another account starts few', async () => {
      const { works, begun } = crowded();
      expect(begun()).toHaveLength(19);
      for (const name of begun()) await works.end(name);
      const group = begun().slice(19);
      expect(group).toHaveLength(16);
      vi.advanceTimersByTime(10);
      for (const name of group) await works.end(name);
      // Without a rest, the next ones would have begun with the end of the first of them.
      expect(begun()).toHaveLength(35);
      void works.start('another', 2);
      await turn();
      expect(works.begun).toContain('another');
      vi.advanceTimersByTime(9);
      await turn();
      expect(begun()).toHaveLength(35);
      vi.advanceTimersByTime(1);
      await turn();
      expect(begun()).toHaveLength(51);
    });

    it('does not keep others waiting', async () => {
      const { works, begun } = crowded();
      for (const name of begun()) await works.end(name);
      for (let i = 0; i < 4; i++) void works.start(`few${i}`, 3);
      await turn();
      expect(works.begun.filter((name) => name.startsWith('few'))).toHaveLength(3);
      await works.end('few0');
      expect(works.begun).toContain('few3');
    });
  });
});
