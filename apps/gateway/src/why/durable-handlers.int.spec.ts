import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { handlerConsumer, STREAMS, SUBJECTS } from '@drover/contracts';
import { connectNats, MessageBus } from '@drover/messaging';
import { createLogger } from '@drover/telemetry';
import { startNatsOf } from '@drover/testing';
import { nanos, type NatsConnection } from 'nats';
import { describe, expect, it } from 'vitest';
import { Log } from '../log.js';
import { DurableHandlers } from './durable-handlers.js';
import { Listeners } from './listeners.js';

const logger = createLogger('test', { level: 'silent' }) as unknown as Log;

describe.each(['2.9', undefined])('asking nats-server %s about a durable handler', (version) => {
  it('tells one that asks for events, one that has some in hand, and one that is away; and counts what waits', async ({
    skip,
  }) => {
    await using nats = await startNatsOf(version, skip);
    const asking = await connectNats(nats.url, 'gateway');
    const bus = new MessageBus(asking);
    const handlers = new DurableHandlers(bus, new Listeners(bus, logger), logger);
    const read = () => handlers.read('demo');
    const nothing = { listening: 'no', waitingPulls: 0, pending: 0, unacknowledged: 0, lastActive: null };

    expect(await read(), 'no stream').toEqual(nothing);
    const manager = await jetstreamManager(asking);
    await manager.streams.add({ name: STREAMS.work, subjects: [SUBJECTS.works] });
    expect(await read(), 'no consumer').toEqual(nothing);
    const config = { durable_name: handlerConsumer('demo'), filter_subject: SUBJECTS.worksOf('demo') };
    await manager.consumers.add(STREAMS.work, { ...config, ack_policy: AckPolicy.Explicit, ack_wait: nanos(60_000) });
    for (let i = 0; i < 3; i++)
      await jetstream(asking).publish(SUBJECTS.work('demo', 'instance', 'start', 'handle'), '{}');
    expect(await read(), 'never connected').toEqual({ ...nothing, pending: 3 });

    const program = async (): Promise<[NatsConnection, Awaited<ReturnType<typeof take>>]> => {
      const connection = await connectNats(nats.url, 'handler');
      return [connection, await take(connection)];
    };
    const take = async (connection: NatsConnection) => {
      const consumer = await jetstream(connection).consumers.get(STREAMS.work, handlerConsumer('demo'));
      return consumer.next({ expires: 5_000 });
    };
    const [connection, message] = await program();
    const silent = { waitingPulls: 0, pending: 2, unacknowledged: 1, lastActive: expect.any(Number) as number };
    // It took one event and asks for no more: dead, or at work.
    expect(await read()).toEqual({ ...silent, listening: 'unknown' });
    connection.subscribe(SUBJECTS.cancel('demo'), { callback: () => undefined });
    await connection.flush();
    expect(await read(), 'it hears cancels').toEqual({ ...silent, listening: 'yes' });

    await message!.ackAck();
    await (await take(connection))!.ackAck();
    await (await take(connection))!.ackAck();
    expect(await read(), 'it asks for nothing').toMatchObject({ listening: 'no', pending: 0, unacknowledged: 0 });
    const asks = take(connection);
    await expect.poll(read).toMatchObject({ listening: 'yes', waitingPulls: 1 });
    await connection.close();
    await asks.catch(() => null);
    await expect.poll(read).toMatchObject({ listening: 'no', waitingPulls: 0 });

    // Nothing that an event was given to for longer than it may be kept is at work on it.
    await manager.consumers.update(STREAMS.work, handlerConsumer('demo'), { ack_wait: nanos(100) });
    await jetstream(asking).publish(SUBJECTS.work('demo', 'instance', 'start', 'handle'), '{}');
    await (await program())[0].close();
    await expect.poll(read, { timeout: 5_000 }).toMatchObject({ listening: 'no', unacknowledged: 1 });

    await asking.close();
    expect(await read(), 'no answer').toBeNull();
  });
});
