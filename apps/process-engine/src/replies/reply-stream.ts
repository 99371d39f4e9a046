import {
  AckPolicy,
  type ConsumerMessages,
  DeliverPolicy,
  DiscardPolicy,
  jetstream,
  type JetStreamClient,
  JetStreamApiError,
  type JetStreamManager,
  type JsMsg,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { REPLY_SLOTS, STREAMS, SUBJECTS } from '@drover/contracts';
import type { NatsConnection } from 'nats';

const NANOS = 1_000_000;
const STREAM_NOT_FOUND = 10059;
const CONSUMER_NOT_FOUND = 10014;
/** Replies nobody read are dropped after this long; by then their deadlines have passed. */
const MAX_AGE_MILLIS = 24 * 3_600_000;

/** The durable replies: one stream, one durable consumer per slot. */
export class ReplyStream {
  private constructor(
    private readonly js: JetStreamClient,
    private readonly manager: JetStreamManager,
  ) {}

  static async open(connection: NatsConnection): Promise<ReplyStream> {
    return new ReplyStream(jetstream(connection), await jetstreamManager(connection, { checkAPI: false }));
  }

  /**
   * Makes sure that the stream exists.
   * @returns true when it had to be made: replies that waited in an older one are gone
   */
  async ensureStream(): Promise<boolean> {
    try {
      await this.manager.streams.info(STREAMS.replies);
      return false;
    } catch (error) {
      if (!isApiError(error, STREAM_NOT_FOUND)) throw error;
    }
    await this.manager.streams.add({
      name: STREAMS.replies,
      // What was never issued is not kept: it would fill the disk, and no consumer reads it.
      subjects: Array.from({ length: REPLY_SLOTS }, (_, slot) => SUBJECTS.repliesOf(slot)),
      // An acknowledged reply is deleted: the stream holds only what is still to be read.
      retention: RetentionPolicy.Workqueue,
      storage: StorageType.File,
      discard: DiscardPolicy.Old,
      max_age: MAX_AGE_MILLIS * NANOS,
    });
    return true;
  }

  /** Makes sure that the slot's consumer exists. @returns true when it had to be made */
  async ensureConsumer(slot: number): Promise<boolean> {
    const name = consumerName(slot);
    try {
      await this.manager.consumers.info(STREAMS.replies, name);
      return false;
    } catch (error) {
      if (!isApiError(error, CONSUMER_NOT_FOUND)) throw error;
    }
    await this.manager.consumers.add(STREAMS.replies, {
      durable_name: name,
      filter_subject: SUBJECTS.repliesOf(slot),
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      ack_wait: 5_000 * NANOS,
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
    const info = await this.manager.consumers.info(STREAMS.replies, consumerName(slot));
    return info.num_pending + info.num_ack_pending;
  }
}

function consumerName(slot: number): string {
  return `SLOT_${slot}`;
}

function isApiError(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code;
}
