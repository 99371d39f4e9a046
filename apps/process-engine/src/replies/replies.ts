import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { ConsumerMessages, JsMsg } from '@nats-io/jetstream';
import { parseReplySubject, SUBJECTS, wakeSlot } from '@drover/contracts';
import { DroverError, monotonicMillis, sleep } from '@drover/kernel';
import { MessageBus, respondError, Upkeep } from '@drover/messaging';
import { type HandlerReply, parseReply } from '@drover/process-model';
import type { Msg, Subscription } from 'nats';
import { DurableDelivery } from '../dispatch/durable-delivery.js';
import { Fold } from '../lifecycle/fold.js';
import { Lifecycle } from '../lifecycle/lifecycle.js';
import { Log } from '../log.js';
import { StreamSettings } from '../settings.js';
import { ReplySlots, type SlotListener } from './reply-slots.js';
import { ReplyStream } from './reply-stream.js';

/** Longest wait for what a dead engine had taken and not acknowledged: its acknowledgement time. */
const DRAIN_MILLIS = 6_000;

/** What a reply subject names. */
type Address = NonNullable<ReturnType<typeof parseReplySubject>>;

interface Reader {
  epoch: number;
  messages: ConsumerMessages | null;
  /** hears "no responders" for events this connection published */
  unheard: Subscription;
}

/**
 * Reads the replies of the slots this engine holds: out of the durable stream, acknowledged after the commit they led to. When a
 * slot is taken over, or the broker was away, unread answers are read first; then what is still open is sent again.
 */
@Injectable()
export class Replies implements SlotListener, OnApplicationBootstrap, OnApplicationShutdown {
  /** what came on a reply subject and was no usable reply, or one to nothing: invariant 10 */
  readonly counts = { ignored: 0, garbage: 0, rejected: 0 };
  private readonly readers = new Map<number, Reader>();
  private readonly progress = new Fold<{ address: Address; reply: HandlerReply }>((last) =>
    this.progressed(last.address, last.reply),
  );
  private stream: ReplyStream | null = null;
  /** all work on the stream and the readers */
  private readonly upkeep = new Upkeep((err) =>
    this.log.warn({ err }, 'the reply stream could not be set up; trying again'),
  );

  constructor(
    private readonly bus: MessageBus,
    slots: ReplySlots,
    private readonly lifecycle: Lifecycle,
    private readonly log: Log,
    private readonly settings: StreamSettings,
    durable: DurableDelivery,
  ) {
    slots.listen(this);
    durable.onLost(() => this.wakeAll());
  }

  /** What waits to be read, and may, bytes. */
  get bytes(): { used: number; max: number } {
    return this.stream?.bytes ?? { used: 0, max: 0 };
  }

  onApplicationBootstrap(): void {
    for (const subject of SUBJECTS.notReplies)
      this.bus.connection.subscribe(subject, {
        queue: 'process-engine',
        callback: (_error, message) => this.neverIssued(message),
      });
    this.upkeep.start(this.bus.connection, {
      verify: () => {
        for (const slot of this.readers.keys()) this.upkeep.inOrder(() => this.open(slot));
      },
      reconnected: () => this.upkeep.inOrder(() => this.reopen()),
    });
  }

  async onApplicationShutdown(): Promise<void> {
    const stopped = this.upkeep.stop();
    for (const slot of this.readers.keys()) this.close(slot);
    await stopped;
  }

  gained(slot: number, epoch: number, lapsed: boolean): void {
    const unheard = this.bus.connection.subscribe(`${SUBJECTS.replySlot(slot)}.>`, {
      callback: (_error, message) => this.noResponders(message),
    });
    this.readers.set(slot, { epoch, messages: null, unheard });
    this.upkeep.inOrder(async () => {
      await this.open(slot);
      if (lapsed) await this.recover(slot);
    });
  }

  lost(slot: number): void {
    this.close(slot);
  }

  private async open(slot: number): Promise<void> {
    const reader = this.readers.get(slot);
    if (reader === undefined) return;
    this.stream ??= await ReplyStream.open(this.bus.connection, this.settings, this.log);
    const lost = await this.stream.ensureStream();
    const fresh = await this.stream.ensureConsumer(slot);
    if (reader.messages === null || lost || fresh) {
      reader.messages?.stop();
      reader.messages = await this.stream.consume(slot, (message) => this.received(message));
    }
    if (lost) {
      this.log.warn({ slot }, 'the reply stream was made anew: everything that is out is sent again');
      await this.wakeAll();
    }
  }

  /** Reads what is unread, then has everything that is still out sent again, with the same ids. */
  private async recover(slot: number): Promise<void> {
    const until = monotonicMillis() + DRAIN_MILLIS;
    while (monotonicMillis() < until && !this.upkeep.signal.aborted) {
      if ((await this.stream!.unread(slot)) === 0) break;
      await sleep(50, this.upkeep.signal);
    }
    const epoch = this.readers.get(slot)?.epoch;
    if (epoch === undefined) return;
    const { woken } = await this.bus.requestUntilAnswered(wakeSlot, { slot, epoch }, this.upkeep.signal);
    if (woken > 0) this.log.info({ slot, woken }, 'processes of a reply slot were woken');
  }

  private async wakeAll(): Promise<void> {
    for (const [slot, { epoch }] of this.readers)
      await this.bus.requestUntilAnswered(wakeSlot, { slot, epoch }, this.upkeep.signal);
  }

  private close(slot: number): void {
    const reader = this.readers.get(slot);
    if (reader === undefined) return;
    this.readers.delete(slot);
    reader.messages?.stop();
    reader.unheard.unsubscribe();
  }

  /** A broker that was away has lost what was published meanwhile, events and plain replies alike. */
  private async reopen(): Promise<void> {
    for (const [slot, reader] of this.readers) {
      reader.messages?.stop();
      reader.messages = null;
      await this.open(slot);
      await this.recover(slot);
    }
  }

  /** The broker's word that nobody listens: an empty message with status 503 on the reply subject of what we published. */
  private noResponders(message: Msg): void {
    if (message.data.length > 0 || message.headers?.code !== 503) return;
    const address = parseReplySubject(message.subject);
    if (address === null) return;
    void this.lifecycle
      .handle(address.process, { kind: 'noResponders', dispatch: address.dispatch }, address.token)
      .catch((err: unknown) => this.log.error({ err, process: address.process }, 'an absent handler was not recorded'));
  }

  private neverIssued(message: Msg): void {
    this.counts.garbage++;
    respondError(message, new DroverError('NotFound', 'No process event was sent with this reply subject'));
  }

  private received(message: JsMsg): void {
    const address = parseReplySubject(message.subject);
    if (address === null) {
      this.counts.garbage++;
      message.ack();
      return;
    }
    const reply = parseReply(message.string(), serviceError(message));
    if (reply.kind === 'rejected') this.rejected(address, reply.reason);
    if (reply.kind === 'progress') {
      const period = this.lifecycle.progressPeriodOf(address.process);
      if (this.progress.keep(message.subject, { address, reply }, period)) {
        message.ack();
        return;
      }
    }
    this.deliver(address, reply)
      // Not acknowledged after a failure: the stream delivers it again.
      .then(() => this.bus.later(() => message.ack()))
      .catch((err: unknown) => this.log.error({ err, subject: message.subject }, 'a reply could not be worked in'));
  }

  /** Whoever wrote the handler looks into the log first. */
  private rejected({ process, dispatch }: Address, reason: string): void {
    this.counts.rejected++;
    const step = this.lifecycle.stepOf(process);
    this.log.warn({ processId: process, dispatch, step, reason }, 'a reply was rejected; the attempt stays open');
  }

  private async deliver(address: Address, reply: HandlerReply): Promise<void> {
    const input = { kind: 'reply', dispatch: address.dispatch, reply } as const;
    const worked = await this.lifecycle.handle(address.process, input, address.token);
    if (!worked) this.counts.ignored++;
  }

  private progressed(address: Address, reply: HandlerReply): void {
    if (this.upkeep.signal.aborted) return;
    this.deliver(address, reply).catch((err: unknown) =>
      this.log.warn({ err, process: address.process }, 'progress was not written'),
    );
  }
}

/** How a NATS micro service says that it failed. */
function serviceError(message: JsMsg): { message: string; code: string } | null {
  const text = message.headers?.get('Nats-Service-Error') ?? '';
  const code = message.headers?.get('Nats-Service-Error-Code') ?? '';
  return text === '' && code === '' ? null : { message: text || `service error ${code}`, code };
}
