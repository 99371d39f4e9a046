import {
  AckPolicy,
  type ConsumerMessages,
  DeliverPolicy,
  DiscardPolicy,
  jetstream,
  type JetStreamClient,
  type JsMsg,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { REPLY_SLOTS, STREAMS, SUBJECTS } from '@drover/contracts';
import { GuardedStream, isNoSuchConsumer, type StreamLog } from '@drover/messaging';
import { nanos, type NatsConnection } from 'nats';
import type { StreamSettings } from '../settings.js';

/** Replies nobody read are dropped after this long; by then their deadlines have passed. */
const MAX_AGE_MILLIS = 24 * 3_600_000;

/** The durable replies: one stream, one durable consumer per slot. */
export class ReplyStream {
  private constructor(
    private readonly js: JetStreamClient,
    private readonly stream: GuardedStream,
  ) {}

  static async open(connection: NatsConnection, settings: StreamSettings, log: StreamLog): Promise<ReplyStream> {
    const wanted = {
      name: STREAMS.replies,
      // What was never issued is not kept: it would fill the disk, and no consumer reads it.
      subjects: Array.from({ length: REPLY_SLOTS }, (_, slot) => SUBJECTS.repliesOf(slot)),
      // An acknowledged reply is deleted: the stream holds only what is still to be read.
      retention: RetentionPolicy.Workqueue,
      storage: StorageType.File,
      // A reply that was stored is never dropped for the sake of a newer one, which its handler can repeat.
      discard: DiscardPolicy.New,
      max_bytes: settings.replyStreamMaxBytes,
      max_age: nanos(MAX_AGE_MILLIS),
      num_replicas: settings.streamReplicas,
    };
    return new ReplyStream(jetstream(connection), await GuardedStream.open(connection, wanted, log));
  }

  get bytes(): { used: number; max: number } {
    return this.stream.bytes;
  }

  /**
   * Makes sure that the stream exists.
   * @returns true when it is another one than before: replies that waited in the older one are gone
   */
  ensureStream(): Promise<boolean> {
    return this.stream.ensure();
  }

  /** Makes sure that the slot's consumer exists. @returns true when it had to be made */
  async ensureConsumer(slot: number): Promise<boolean> {
    const name = consumerName(slot);
    try {
      await this.stream.manager.consumers.info(STREAMS.replies, name);
      return false;
    } catch (error) {
      if (!isNoSuchConsumer(error)) throw error;
    }
    await this.stream.manager.consumers.add(STREAMS.replies, {
      durable_name: name,
      filter_subject: SUBJECTS.repliesOf(slot),
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      ack_wait: nanos(5_000),
      max_ack_pending: 20_000,
    });
    return true;
  }

  async consume(slot: number, callback: (message: JsMsg) => void): Promise<ConsumerMessages> {
    const consumer = await this.js.consumers.get(STREAMS.replies, consumerName(slot));
    return consumer.consume({ max_messages: 1_000, expires: 5_000, callback });
  }

  /** Replies of the slot that are not read and acknowledged yet. */
  async unread(slot: number): Promise<number> {
    const info = await this.stream.manager.consumers.info(STREAMS.replies, consumerName(slot));
    return info.num_pending + info.num_ack_pending;
  }
}

function consumerName(slot: number): string {
  return `SLOT_${slot}`;
}
