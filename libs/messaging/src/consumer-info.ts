import { type ConsumerInfo, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from 'nats';
import { isNoSuchConsumer, isNoSuchStream } from './guarded-stream.js';

/**
 * What the broker knows of one consumer of a stream.
 * @param timeoutMillis longest wait for its answer
 * @returns null: there is no such consumer, or no such stream
 * @throws when the broker does not answer
 */
export async function readConsumer(
  connection: NatsConnection,
  stream: string,
  consumer: string,
  timeoutMillis: number,
): Promise<ConsumerInfo | null> {
  const manager = await jetstreamManager(connection, { checkAPI: false, timeout: timeoutMillis });
  return manager.consumers.info(stream, consumer).catch((error: unknown) => {
    if (isNoSuchConsumer(error) || isNoSuchStream(error)) return null;
    throw error;
  });
}

/** Did anything move at a consumer between two looks: a delivery, an acknowledgement? Of one that was not there before, everything has. */
export function consumerMoved(before: ConsumerInfo | null, now: ConsumerInfo): boolean {
  return (
    before === null ||
    before.delivered.consumer_seq !== now.delivered.consumer_seq ||
    before.ack_floor.consumer_seq !== now.ack_floor.consumer_seq ||
    before.num_ack_pending !== now.num_ack_pending
  );
}

/** The last delivery or acknowledgement of a consumer, epoch milliseconds of the broker's clock; null: there was none. */
export function consumerLastActive({ delivered, ack_floor }: ConsumerInfo): number | null {
  // The client's types call these times nanoseconds; the broker sends them as ISO 8601.
  const times = [delivered.last_active, ack_floor.last_active].map((time) => Date.parse(String(time)));
  const known = times.filter((time) => time > 0);
  return known.length === 0 ? null : Math.max(...known);
}
