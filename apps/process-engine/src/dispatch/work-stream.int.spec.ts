import { jetstream } from '@nats-io/jetstream';
import { handlerConsumer, STREAMS, SUBJECTS } from '@drover/contracts';
import { connectNats } from '@drover/messaging';
import { type NatsServer, startNats } from '@drover/testing';
import type { NatsConnection } from 'nats';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WorkStream } from './work-stream.js';

const ACK_WAIT_MILLIS = 60_000;

describe('WorkStream.withdraw', () => {
  let nats: NatsServer;
  let connection: NatsConnection;
  let work: WorkStream;
  beforeAll(async () => {
    nats = await startNats();
    connection = await connectNats(nats.url, 'work-stream-spec');
    const settings = { workStreamMaxBytes: 16 * 1024 ** 2, replyStreamMaxBytes: 16 * 1024 ** 2, streamReplicas: 1 };
    work = await WorkStream.open(connection, settings, { warn: () => {}, error: () => {} });
    await work.stream.ensure();
  });
  afterAll(async () => {
    await connection?.close();
    await nats?.[Symbol.asyncDispose]();
  });

  const activate = async (handler: string): Promise<void> => {
    await work.ensureConsumers(new Map([[handler, ACK_WAIT_MILLIS]]));
    // The broker's times are compared by the millisecond.
    await sleep(5);
  };
  const deactivate = (handler: string): Promise<void> => work.removeConsumer(handlerConsumer(handler));
  const publish = async (handler: string): Promise<number> => {
    const sequence = await work.publish(SUBJECTS.work(handler, 'box', 'run', 'handle'), '{}', `${handler}.1`, 'reply');
    await sleep(5);
    return sequence;
  };
  const take = async (handler: string): Promise<void> => {
    const consumer = await jetstream(connection).consumers.get(STREAMS.work, handlerConsumer(handler));
    expect(await consumer.next({ expires: 5_000 })).not.toBeNull();
  };
  const withdraw = (handler: string, sequence: number): Promise<boolean> =>
    work.withdraw(handler, sequence, work.stream.created);

  it('an event that nobody took will never be', async () => {
    await activate('idle');
    const sequence = await publish('idle');
    expect(await withdraw('idle', sequence)).toBe(true);
    expect(await withdraw('idle', sequence)).toBe(false);
  });

  it('an event that was delivered is worked on', async () => {
    await activate('busy');
    const sequence = await publish('busy');
    await take('busy');
    expect(await withdraw('busy', sequence)).toBe(false);
  });

  it('an event that was delivered is worked on, although its handler has been activated again since', async () => {
    await activate('again');
    const sequence = await publish('again');
    await take('again');
    await deactivate('again');
    await activate('again');
    expect(await withdraw('again', sequence)).toBe(false);
  });

  it('what is stored for a handler that has been activated again is known again', async () => {
    await activate('back');
    await deactivate('back');
    await activate('back');
    expect(await withdraw('back', await publish('back'))).toBe(true);
  });
});
