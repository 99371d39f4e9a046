import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from 'nats';
import { describe, expect, it } from 'vitest';
import { Upkeep } from './upkeep.js';

/** A connection that says these things, then nothing more. */
const saying = (...types: string[]) =>
  ({
    async *status() {
      for (const type of types) yield { type };
    },
  }) as unknown as Pick<NatsConnection, 'status'>;

const FAR = 1_000_000;

describe('Upkeep', () => {
  it('runs one piece of work after the other; one that fails is told and stops nothing', async () => {
    const failures: unknown[] = [];
    const upkeep = new Upkeep((error) => failures.push(error), FAR);
    const done: string[] = [];
    const error = new Error('no stream');
    upkeep.inOrder(async () => {
      await sleep(20);
      done.push('slow');
      throw error;
    });
    upkeep.inOrder(async () => void done.push('quick'));
    await expect.poll(() => done).toEqual(['slow', 'quick']);
    expect(failures).toEqual([error]);
    await upkeep.stop();
  });

  it('verifies again and again, and not once it is stopped', async () => {
    let times = 0;
    const upkeep = new Upkeep(() => undefined, 1);
    upkeep.start(saying(), { verify: () => times++, reconnected: () => undefined });
    await expect.poll(() => times).toBeGreaterThan(3);
    await upkeep.stop();
    const before = times;
    await sleep(20);
    expect(times).toBe(before);
  });

  it('hears of each reconnect, and of nothing else that the connection says', async () => {
    let times = 0;
    const upkeep = new Upkeep(() => undefined, FAR);
    const connection = saying('disconnect', 'reconnect', 'ldm', 'reconnect');
    upkeep.start(connection, { verify: () => undefined, reconnected: () => times++ });
    await expect.poll(() => times).toBe(2);
    await upkeep.stop();
  });

  it('stopping waits for the piece under way, tells no failure of it, and begins none that waits', async () => {
    const failures: unknown[] = [];
    const upkeep = new Upkeep((error) => failures.push(error), FAR);
    const done: string[] = [];
    upkeep.inOrder(async () => {
      await sleep(20);
      done.push(`under way, aborted ${upkeep.signal.aborted}`);
      throw new Error('the connection closes');
    });
    upkeep.inOrder(async () => void done.push('never'));
    await Promise.resolve();
    await upkeep.stop();
    expect([done, failures]).toEqual([['under way, aborted true'], []]);
  });
});
