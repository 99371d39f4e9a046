import { defineRequest } from '@drover/contracts';
import { DroverError, sleep } from '@drover/kernel';
import { connectNats, MessageBus } from '@drover/messaging';
import { type NatsServer, startNats } from '@drover/testing';
import type { NatsConnection } from 'nats';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

const double = defineRequest<{ n: number }, { n: number }>({
  subject: 'test.double',
  queue: 'doublers',
  timeoutMillis: 5_000,
  errors: ['NotFound'],
});

let nats: NatsServer;
let served: NatsConnection;
let asking: NatsConnection;
let bus: MessageBus;

beforeAll(async () => {
  nats = await startNats();
});

afterAll(async () => {
  await nats?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  [served, asking] = await Promise.all([connectNats(nats.url, 'serving'), connectNats(nats.url, 'asking')]);
  bus = new MessageBus(asking);
});

afterEach(async () => {
  await Promise.all([served.close(), asking.close()]);
});

async function serve(handler: (request: { n: number }) => Promise<{ n: number }>): Promise<void> {
  new MessageBus(served).serve(double, handler);
  await served.flush();
}

const unavailable = (why: string) =>
  expect.objectContaining({
    code: 'Unavailable',
    message: 'No answer from doublers on test.double',
    cause: expect.objectContaining({ message: expect.stringContaining(why) as string }) as Error,
  }) as DroverError;

describe.each(['request', 'requestTogether'] as const)('%s', (method) => {
  const ask = (n: number, timeoutMillis?: number): Promise<{ n: number }> => bus[method](double, { n }, timeoutMillis);

  it('has the answer of its own, whatever the order of the answers', async () => {
    await serve(async ({ n }) => {
      await sleep(10 * (5 - n));
      return { n: 2 * n };
    });
    expect(await Promise.all([1, 2, 3, 4].map((n) => ask(n)))).toEqual([{ n: 2 }, { n: 4 }, { n: 6 }, { n: 8 }]);
  });

  it('has the error of its own', async () => {
    await serve(async () => {
      throw new DroverError('NotFound', 'no such number', { fieldName: 'n' });
    });
    await expect(ask(1)).rejects.toMatchObject({ code: 'NotFound', message: 'no such number' });
  });

  it('is unavailable at once when nobody listens', async () => {
    await expect(ask(1)).rejects.toEqual(unavailable('nobody listens'));
  });

  it('is unavailable when nobody answers in time, and a late answer changes nothing', async () => {
    await serve(async ({ n }) => {
      if (n === 1) await sleep(100);
      return { n };
    });
    const slow = ask(1, 20);
    await expect(slow).rejects.toEqual(unavailable('no answer in time'));
    await sleep(100);
    expect(await ask(2)).toEqual({ n: 2 });
    await expect(slow).rejects.toMatchObject({ code: 'Unavailable' });
  });

  it('is unavailable when the connection closes, and on a closed one', async () => {
    await serve(() => new Promise(() => undefined));
    const open = ask(1);
    await asking.flush();
    const told = expect(open).rejects.toEqual(unavailable('closed'));
    await asking.close();
    await told;
    await expect(ask(2)).rejects.toEqual(unavailable('closed'));
  });

  it('is unavailable when it is larger than the broker carries', async () => {
    await serve(async ({ n }) => ({ n }));
    const large = { n: 1, padding: 'x'.repeat(2 * 1024 ** 2) };
    await expect(bus[method](double, large)).rejects.toEqual(unavailable('max_payload'));
  });

  it('goes on after the broker was away', async () => {
    await serve(async ({ n }) => ({ n }));
    expect(await ask(1)).toEqual({ n: 1 });
    await Promise.all([asking.reconnect(), served.reconnect()]);
    await expect.poll(() => ask(2, 200).catch(() => null), { timeout: 10_000 }).toEqual({ n: 2 });
  });
});
