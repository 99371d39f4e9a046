import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  type StreamConfig,
  type StreamInfo,
  type StreamUpdateConfig,
} from '@nats-io/jetstream';
import type { NatsConnection } from 'nats';

const STREAM_NOT_FOUND = 10_059;
const MESSAGE_NOT_FOUND = 10_037;
const CONSUMER_NOT_FOUND = 10_014;
/** The broker's disk, or the account's share of it, is smaller than what the stream may grow to. */
const NO_ROOM: ReadonlySet<number> = new Set([10_023, 10_028, 10_047]);
/** A stream smaller than this is of no use: better to say that there is no room. */
const LEAST_BYTES = 16 * 1024 ** 2;
/** Share of its size at which a stream is as good as full: time to look. */
const ALARM = 0.8;

/** What a stream must be; every key is compared with what it is. */
export type WantedStream = Pick<StreamConfig, 'name' | 'subjects' | 'max_bytes'> & Partial<StreamConfig>;

/** Where an operator reads what cannot be mended. */
export interface StreamLog {
  warn(facts: object, text: string): void;
  error(facts: object, text: string): void;
}

/**
 * One JetStream stream, kept as this version wants it: made when it is missing, updated where an older version or a hand made it
 * otherwise, and watched for how full it is. What the broker refuses to change is logged once, loudly.
 */
export class GuardedStream {
  private info: StreamInfo | null = null;
  private full = false;
  private readonly said = new Set<string>();

  constructor(
    readonly manager: JetStreamManager,
    private readonly wanted: WantedStream,
    private readonly log: StreamLog,
  ) {}

  static async open(connection: NatsConnection, wanted: WantedStream, log: StreamLog): Promise<GuardedStream> {
    return new GuardedStream(await jetstreamManager(connection, { checkAPI: false }), wanted, log);
  }

  /** When the stream was made, epoch milliseconds: another time is another stream. 0 before the first {@link ensure}. */
  get created(): number {
    return this.info === null ? 0 : Date.parse(this.info.created);
  }

  /** The oldest message there was at the last {@link ensure}. */
  get firstSequence(): number {
    return this.info?.state.first_seq ?? 0;
  }

  get lastSequence(): number {
    return this.info?.state.last_seq ?? 0;
  }

  get messages(): number {
    return this.info?.state.messages ?? 0;
  }

  /** As of the last {@link ensure}: what it holds and may hold, bytes. */
  get bytes(): { used: number; max: number } {
    return { used: this.info?.state.bytes ?? 0, max: Math.max(0, this.info?.config.max_bytes ?? 0) };
  }

  /**
   * Makes sure that the stream is there and as wanted.
   * @returns true when it is another one than before, by whoever's hand: what the earlier one held is gone
   * @throws when the broker does not answer, or has no room
   */
  async ensure(): Promise<boolean> {
    const before = this.created;
    const present = await this.manager.streams.info(this.wanted.name).catch((error: unknown) => {
      if (isNoSuchStream(error)) return null;
      throw error;
    });
    this.info = present === null ? await this.make() : await this.adapt(present);
    this.watchSize();
    return present === null || (before !== 0 && before !== this.created);
  }

  /** A disk too small for the whole size gets a smaller stream, and says so. */
  private async make(): Promise<StreamInfo> {
    let { max_bytes } = this.wanted;
    for (;;) {
      try {
        return await this.manager.streams.add({ ...this.wanted, max_bytes });
      } catch (error) {
        if (!NO_ROOM.has(apiErrorCode(error)) || max_bytes / 4 < LEAST_BYTES) throw error;
        max_bytes = Math.floor(max_bytes / 4);
        this.say(`the broker has no room for the whole stream; it may grow to ${max_bytes} bytes`, error);
      }
    }
  }

  /** One difference that the broker refuses keeps no other one from being mended. */
  private async adapt(present: StreamInfo): Promise<StreamInfo> {
    const differences = this.differences(present.config);
    const keys = Object.keys(differences) as (keyof StreamConfig)[];
    if (keys.length === 0) return present;
    const all = await this.change(differences, keys.length === 1);
    if (all !== null || keys.length === 1) return all ?? present;
    let info = present;
    for (const key of keys) info = (await this.change({ [key]: differences[key] }, true)) ?? info;
    return info;
  }

  /** @returns null when the broker refuses, which is said unless the parts are tried next */
  private async change(differences: Partial<StreamConfig>, last: boolean): Promise<StreamInfo | null> {
    try {
      const updated = await this.manager.streams.update(this.wanted.name, differences as Partial<StreamUpdateConfig>);
      this.log.warn({ stream: this.wanted.name, differences }, 'a stream was brought to what this version wants');
      return updated;
    } catch (error) {
      if (last) this.say(`the broker refuses to change ${JSON.stringify(differences)}`, error);
      return null;
    }
  }

  private differences(config: StreamConfig): Partial<StreamConfig> {
    return Object.fromEntries(
      Object.entries(this.wanted).filter(
        ([key, value]) => JSON.stringify(config[key as keyof StreamConfig]) !== JSON.stringify(value),
      ),
    );
  }

  private watchSize(): void {
    const { used, max } = this.bytes;
    // One that drops its oldest is meant to be full.
    const full = this.wanted.discard !== DiscardPolicy.Old && max > 0 && used > max * ALARM;
    if (full && !this.full)
      this.log.error({ stream: this.wanted.name, bytes: used, maxBytes: max }, 'a stream is more than 80 % full');
    this.full = full;
  }

  /** Once for each trouble: the stream is looked at every few seconds. */
  private say(text: string, error: unknown): void {
    if (this.said.has(text)) return;
    this.said.add(text);
    this.log.error({ stream: this.wanted.name, err: error }, text);
  }
}

/** JetStream's own number of an error, or 0. */
export function apiErrorCode(error: unknown): number {
  return error instanceof JetStreamApiError ? error.code : 0;
}

export function isNoSuchStream(error: unknown): boolean {
  return apiErrorCode(error) === STREAM_NOT_FOUND;
}

export function isNoSuchConsumer(error: unknown): boolean {
  return apiErrorCode(error) === CONSUMER_NOT_FOUND;
}

export function isNoSuchMessage(error: unknown): boolean {
  return apiErrorCode(error) === MESSAGE_NOT_FOUND;
}
