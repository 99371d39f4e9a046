import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  DiscardPolicy,
  jetstream,
  type JetStreamClient,
  RetentionPolicy,
  StorageType,
  type StoredMsg,
} from '@nats-io/jetstream';
import { handlerConsumer, REPLY_TO_HEADER, STREAMS, SUBJECTS } from '@drover/contracts';
import { monotonicMillis, sleep } from '@drover/kernel';
import { consumerMoved, GuardedStream, isNoSuchConsumer, isNoSuchMessage, type StreamLog } from '@drover/messaging';
import type { DeliveryCheck } from '@drover/process-model';
import { headers as createHeaders, nanos, type NatsConnection } from 'nats';
import type { StreamSettings } from '../settings.js';

/** No event waits longer: `waitMillis` is a day unless a definition says otherwise. */
const MAX_AGE_MILLIS = 31 * 24 * 3_600_000;
/** An id that is published again within this time is stored once: longer than an engine's death and take-over. */
const DUPLICATE_MILLIS = 5 * 60_000;
/** Events that one handler may have in hand, all its programs together. */
const MAX_ACK_PENDING = 1_000;
const PUBLISH_MILLIS = 5_000;
/** One look at a consumer serves everybody who asks within this time. */
const SHARED_MILLIS = 200;
/** A handler at which nothing moves for this long, and which asks for nothing, is not there. */
const MOVE_MILLIS = 250;
/** A look that is older than this says nothing about now. */
const RECENT_MILLIS = 5_000;
/** Requests about single messages that are out at once. */
const LANES = 32;

const CONSUMER: Pick<ConsumerConfig, 'ack_policy' | 'deliver_policy' | 'max_deliver' | 'max_ack_pending'> = {
  ack_policy: AckPolicy.Explicit,
  deliver_policy: DeliverPolicy.All,
  max_deliver: -1,
  max_ack_pending: MAX_ACK_PENDING,
};

/** What a consumer shows of its handler. */
interface Sample {
  at: number;
  /** null: there is no such consumer */
  info: ConsumerInfo | null;
}

/** The JetStream side of durable delivery: one stream, one consumer per handler. */
export class WorkStream {
  private readonly samples = new Map<string, Sample>();
  /** when the consumers were made that this engine has seen, by handler */
  private readonly known = new Map<string, string>();
  private readonly looking = new Map<string, { at: number; taker: Promise<Taker> }>();
  private readonly lanes: Promise<unknown>[] = Array.from({ length: LANES }, () => Promise.resolve());
  private turn = 0;

  private constructor(
    private readonly js: JetStreamClient,
    readonly stream: GuardedStream,
  ) {}

  static async open(connection: NatsConnection, settings: StreamSettings, log: StreamLog): Promise<WorkStream> {
    const wanted = {
      name: STREAMS.work,
      subjects: [SUBJECTS.works],
      // An acknowledged event is deleted: the stream holds only what is still to be done.
      retention: RetentionPolicy.Workqueue,
      storage: StorageType.File,
      // Full: the event is refused and sent again later. The oldest would be the one that was promised first.
      discard: DiscardPolicy.New,
      max_bytes: settings.workStreamMaxBytes,
      max_age: nanos(MAX_AGE_MILLIS),
      duplicate_window: nanos(DUPLICATE_MILLIS),
      num_replicas: settings.streamReplicas,
    };
    return new WorkStream(jetstream(connection), await GuardedStream.open(connection, wanted, log));
  }

  /**
   * Makes sure that each handler has its consumer.
   * @param handlers by name: how long an event may be worked on before it counts as lost with its program, milliseconds
   * @returns consumers of nobody: handlers that are not active any more
   */
  async ensureConsumers(handlers: ReadonlyMap<string, number>): Promise<string[]> {
    const present = new Map<string, ConsumerInfo>();
    for await (const info of this.stream.manager.consumers.list(STREAMS.work)) present.set(info.name, info);
    const wanted = new Set<string>();
    for (const [handler, millis] of handlers) {
      const name = handlerConsumer(handler);
      wanted.add(name);
      const ack_wait = nanos(millis);
      const config = present.get(name)?.config;
      if (config === undefined) {
        const filter_subject = SUBJECTS.worksOf(handler);
        await this.stream.manager.consumers.add(STREAMS.work, {
          ...CONSUMER,
          durable_name: name,
          filter_subject,
          ack_wait,
        });
      } else if (config.ack_wait !== ack_wait || config.max_ack_pending !== MAX_ACK_PENDING)
        await this.stream.manager.consumers.update(STREAMS.work, name, { ack_wait, max_ack_pending: MAX_ACK_PENDING });
    }
    this.forgetOthers(handlers);
    return [...present.keys()].filter((name) => name.startsWith(handlerConsumer('')) && !wanted.has(name));
  }

  /** What is remembered of handlers that are durable no more. */
  private forgetOthers(handlers: ReadonlyMap<string, number>): void {
    for (const remembered of [this.samples, this.known, this.looking])
      for (const handler of remembered.keys()) if (!handlers.has(handler)) remembered.delete(handler);
  }

  async removeConsumer(name: string): Promise<void> {
    await this.stream.manager.consumers.delete(STREAMS.work, name).catch((error: unknown) => {
      if (!isNoSuchConsumer(error)) throw error;
    });
  }

  /**
   * Stores an event; one whose id was stored a short while ago is not stored again.
   * @returns its sequence, of the first time
   * @throws when it was not stored, or nobody knows
   */
  async publish(subject: string, body: string, id: string, replyTo: string): Promise<number> {
    const headers = createHeaders();
    headers.set(REPLY_TO_HEADER, replyTo);
    const { seq } = await this.js.publish(subject, body, {
      msgID: id,
      headers,
      timeout: PUBLISH_MILLIS,
      retries: 0,
    });
    return seq;
  }

  /** Where an event is, and whether its handler is there. @param made when the stream was made that holds it */
  async look(handler: string, sequence: number, made: number): Promise<DeliveryCheck> {
    const { info, state } = await this.taker(handler);
    await this.recognise(handler, info);
    const event = made !== this.stream.created ? 'lost' : await this.eventAt(sequence, info);
    return { event, handler: state };
  }

  /** A consumer that was not there before may be of another stream, which another engine made: sequences of the earlier one say nothing. */
  private async recognise(handler: string, info: ConsumerInfo | null): Promise<void> {
    if (info !== null && this.known.get(handler) === info.created) return;
    await this.stream.ensure();
    if (info !== null) this.known.set(handler, info.created);
  }

  private async eventAt(sequence: number, info: ConsumerInfo | null): Promise<DeliveryCheck['event']> {
    if (info !== null && sequence <= info.ack_floor.stream_seq) return 'acknowledged';
    if (info === null || sequence > info.delivered.stream_seq)
      return sequence < this.stream.firstSequence ? 'lost' : 'undelivered';
    return (await this.stored(sequence)) === null ? 'acknowledged' : 'unacknowledged';
  }

  /**
   * Takes an event out of the stream.
   * @returns true when nobody had taken it, and nobody will; false when it was taken, or may have been
   */
  async withdraw(handler: string, sequence: number, made: number): Promise<boolean> {
    if (made !== this.stream.created) return false;
    const stored = await this.stored(sequence);
    if (stored === null) return false;
    const gone = await this.inLane(() =>
      this.stream.manager.streams.deleteMessage(STREAMS.work, sequence, false),
    ).catch((error: unknown) => {
      if (isNoSuchMessage(error)) return false;
      throw error;
    });
    // Asked after the deletion: what was not delivered by now never will be.
    const info = gone ? await this.consumer(handler) : null;
    if (info === null || sequence <= info.delivered.stream_seq) return false;
    // The consumer of a handler that was activated again knows nothing of what the earlier one delivered.
    return Date.parse(info.created) < stored.time.getTime();
  }

  /** Has the handler acknowledged this event and all before it? */
  async isBelowFloor(handler: string, sequence: number): Promise<boolean> {
    const { info } = await this.taker(handler);
    return info !== null && sequence <= info.ack_floor.stream_seq;
  }

  /** The event as the stream holds it, or null: it does not. */
  private async stored(sequence: number): Promise<StoredMsg | null> {
    return this.inLane(() => this.stream.manager.streams.getMessage(STREAMS.work, { seq: sequence })).catch(
      (error: unknown) => {
        if (isNoSuchMessage(error)) return null;
        throw error;
      },
    );
  }

  private taker(handler: string): Promise<Taker> {
    const known = this.looking.get(handler);
    const now = monotonicMillis();
    if (known !== undefined && now - known.at < SHARED_MILLIS) return known.taker;
    const taker = this.lookForTaker(handler);
    const entry = { at: Infinity, taker };
    this.looking.set(handler, entry);
    // While it is under way it is shared; then its age counts.
    taker.then(
      () => (entry.at = monotonicMillis()),
      () => this.looking.delete(handler),
    );
    return taker;
  }

  private async lookForTaker(handler: string): Promise<Taker> {
    let before = this.samples.get(handler);
    let sample = await this.sample(handler);
    if (sample.info === null) return { info: null, state: 'absent' };
    if (sample.info.num_waiting > 0) return { info: sample.info, state: 'asks' };
    if (before === undefined || sample.at - before.at > RECENT_MILLIS || sample.at - before.at < MOVE_MILLIS) {
      before = sample;
      await sleep(MOVE_MILLIS);
      sample = await this.sample(handler);
      if (sample.info === null) return { info: null, state: 'absent' };
      if (sample.info.num_waiting > 0) return { info: sample.info, state: 'asks' };
    }
    return { info: sample.info, state: consumerMoved(before.info, sample.info) ? 'busy' : 'absent' };
  }

  private async sample(handler: string): Promise<Sample> {
    const sample = { at: monotonicMillis(), info: await this.consumer(handler) };
    this.samples.set(handler, sample);
    return sample;
  }

  private async consumer(handler: string): Promise<ConsumerInfo | null> {
    return this.stream.manager.consumers.info(STREAMS.work, handlerConsumer(handler)).catch((error: unknown) => {
      if (isNoSuchConsumer(error)) return null;
      throw error;
    });
  }

  private inLane<T>(work: () => Promise<T>): Promise<T> {
    const lane = this.turn++ % LANES;
    const done = this.lanes[lane]!.then(work, work);
    this.lanes[lane] = done.catch(() => undefined);
    return done;
  }
}

interface Taker {
  /** null: there is no such consumer */
  info: ConsumerInfo | null;
  state: DeliveryCheck['handler'];
}
