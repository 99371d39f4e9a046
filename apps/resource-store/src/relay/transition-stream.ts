import { SUBJECTS, STREAMS, type TransitionEvent } from '@drover/contracts';
import type { JsonObject } from '@drover/kernel';
import { GuardedStream, type StreamLog, type WantedStream } from '@drover/messaging';
import { jetstream, jetstreamManager, RetentionPolicy, StorageType, DiscardPolicy } from '@nats-io/jetstream';
import { headers, nanos, type NatsConnection } from 'nats';
import type { StoreSettings } from '../settings.js';
import type { FeedEvent } from './feed-reader.js';

/** The broker's own fence: stored only when this is the stream's last sequence. */
const EXPECTED = 'Nats-Expected-Last-Sequence';
const MAX_AGE_MILLIS = 7 * 24 * 3_600_000;
/** Messages that are not ours at the end of the stream, looked through for ours. */
const LOOK_BACK = 100;

type TransitionStreamSettings = Pick<StoreSettings, 'streamReplicas' | 'transitionStreamMaxBytes'>;

/** Where the stream ends. */
export interface StreamEnd {
  /** sequence of the stream itself: the fence of the next publication */
  streamSequence: number;
  /** the feed's sequence of the last event in it, or null: there is none */
  lastPublished: number | null;
}

/** Bounded by age and by size: whoever needs what the stream no longer has reads it from the table. */
function wanted({ streamReplicas, transitionStreamMaxBytes }: TransitionStreamSettings): WantedStream {
  return {
    name: STREAMS.transitions,
    subjects: [SUBJECTS.transitions],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    max_age: nanos(MAX_AGE_MILLIS),
    max_bytes: transitionStreamMaxBytes,
    num_replicas: streamReplicas,
  };
}

/** The JetStream side of the relay. Whoever publishes names the end of the stream he knows: a second relay's publication fails. */
export class TransitionStream {
  private guarded: GuardedStream | null = null;

  constructor(
    private readonly connection: NatsConnection,
    private readonly settings: TransitionStreamSettings,
    private readonly log: StreamLog,
  ) {}

  /** Makes the stream if it is not there (also after the broker lost it) and says where it ends. */
  async open(): Promise<StreamEnd> {
    this.guarded ??= await GuardedStream.open(this.connection, wanted(this.settings), this.log);
    await this.guarded.ensure();
    const { manager, messages } = this.guarded;
    const state = { messages, first_seq: this.guarded.firstSequence, last_seq: this.guarded.lastSequence };
    let lastPublished: number | null = null;
    const first = Math.max(state.first_seq, state.last_seq - LOOK_BACK);
    for (let seq = state.last_seq; state.messages > 0 && seq >= first && lastPublished === null; seq--) {
      const message = await manager.streams.getMessage(STREAMS.transitions, { seq }).catch(() => null);
      lastPublished = message === null ? null : sequenceOf(message.data);
    }
    return { streamSequence: state.last_seq, lastPublished };
  }

  async purge(): Promise<StreamEnd> {
    const manager = await jetstreamManager(this.connection, { checkAPI: false });
    await manager.streams.purge(STREAMS.transitions);
    return this.open();
  }

  /**
   * Publishes events in order. Only the last one is acknowledged: it is stored only behind the one before it, and that one only
   * behind its own, so its acknowledgement is that of all (a request for each was a tenth of the whole cluster's time).
   * @returns the stream's end afterwards
   * @throws when one was not stored: those after it were not either, since each names the end that the one before makes
   */
  async publish(events: readonly FeedEvent[], end: number): Promise<number> {
    const texts = new Map<JsonObject, string>();
    const last = events.length - 1;
    for (const [i, { kind, facts, resource }] of events.entries()) {
      const verb = facts.process?.slice(facts.process.indexOf('.') + 1) ?? '-';
      const subject = SUBJECTS.transition(facts.resourceType, verb, kind);
      let text = texts.get(resource);
      if (text === undefined) texts.set(resource, (text = JSON.stringify(resource)));
      const body = Buffer.from(`${JSON.stringify(facts).slice(0, -1)},"resource":${text}}`);
      const fence = end + i;
      if (i === last) {
        const options = { expect: { lastSequence: fence }, timeout: 5_000, retries: 0 };
        const { seq } = await jetstream(this.connection).publish(subject, body, options);
        return seq;
      }
      const head = headers();
      head.set(EXPECTED, String(fence));
      this.connection.publish(subject, body, { headers: head });
    }
    return end;
  }
}

/** The feed's sequence of a message of the stream, or null: it is not ours. */
function sequenceOf(data: Uint8Array): number | null {
  try {
    const { sequence } = JSON.parse(new TextDecoder().decode(data)) as TransitionEvent;
    return Number.isSafeInteger(sequence) && sequence > 0 ? sequence : null;
  } catch {
    return null;
  }
}
