import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { SUBJECTS, type WorkRow } from '@drover/contracts';
import { type JsonObject, sleep } from '@drover/kernel';
import { MessageBus, Upkeep } from '@drover/messaging';
import {
  type AttemptClocks,
  attemptId,
  type DeliveryCheck,
  type Effect,
  type Input,
  handlerOfStep,
  type TypeDefinition,
  unpackProgress,
} from '@drover/process-model';
import { DatabaseClock } from '../lifecycle/database-clock.js';
import { Log } from '../log.js';
import { EngineRegistry } from '../registry/engine-registry.js';
import { ReplySlots } from '../replies/reply-slots.js';
import { StreamSettings } from '../settings.js';
import { processEventOf } from './process-event.js';
import { WorkStream } from './work-stream.js';

/** A handler answers, then acknowledges: one that has not by now forgot to, and must not get the event again. */
const ACKNOWLEDGE_MILLIS = 1_000;

type Withdrawal = Extract<Effect, { kind: 'withdraw' }>;

/**
 * Delivery to handlers that may be offline: their events wait in the stream WORK. Nothing of it exists before the first such handler
 * is active. All engines see to the same stream and consumers; what they do is the same, whoever comes first.
 */
@Injectable()
export class DurableDelivery implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly counts = { stored: 0, refused: 0, withdrawn: 0 };
  private work: Promise<WorkStream> | null = null;
  private opened: WorkStream | null = null;
  /** when the stream was made whose events were last seen to, epoch milliseconds */
  private seenTo = 0;
  /** told when the stream is another one than before: what was out is lost */
  private lost: () => Promise<void> = () => Promise.resolve();
  private readonly upkeep = new Upkeep((err) =>
    this.log.warn({ err }, 'the work stream could not be seen to; trying again in a moment'),
  );

  constructor(
    private readonly bus: MessageBus,
    private readonly registry: EngineRegistry,
    private readonly slots: ReplySlots,
    private readonly clock: DatabaseClock,
    private readonly settings: StreamSettings,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.registry.onChange(() => this.inOrder());
    this.upkeep.start(this.bus.connection, { verify: () => this.inOrder(), reconnected: () => this.inOrder() });
  }

  onApplicationShutdown(): Promise<void> {
    return this.upkeep.stop();
  }

  onLost(lost: () => Promise<void>): void {
    this.lost = lost;
  }

  get bytes(): { used: number; max: number } {
    return this.opened?.stream.bytes ?? { used: 0, max: 0 };
  }

  /**
   * Stores the event of the attempt under way. An engine whose lease is over sends nothing.
   * @returns what came of it, as the process's next input
   */
  async send(
    work: WorkRow,
    type: TypeDefinition,
    clocks: AttemptClocks,
    related: JsonObject | null = null,
  ): Promise<Input> {
    const { dispatch } = work.process;
    if (!this.slots.ready) return { kind: 'unsent', dispatch };
    const { event } = processEventOf(work, type, clocks, this.clock.now(), related);
    const handler = handlerOfStep(unpackProgress(work.process.progress).step);
    const verb = event.process.slice(event.process.indexOf('.') + 1);
    try {
      const stream = await this.stream();
      const subject = SUBJECTS.work(handler, event.resourceType, verb, event.phase);
      const sequence = await stream.publish(subject, JSON.stringify(event), event.id, event.replyTo);
      this.counts.stored++;
      return { kind: 'stored', dispatch, sequence, stream: stream.stream.created };
    } catch (error) {
      this.counts.refused++;
      this.log.warn(
        { err: error, handler, id: event.id },
        'an event was not stored; it is sent again with the same id',
      );
      this.inOrder();
      return { kind: 'notStored', dispatch, reason: error instanceof Error ? error.message : String(error) };
    }
  }

  /** What the broker says about the event that is out, or null: it could not be asked. */
  async look({ process }: WorkRow): Promise<DeliveryCheck | null> {
    const { work, step } = unpackProgress(process.progress);
    if (work === null || work.sequence === 0) return null;
    try {
      return await (await this.stream()).look(handlerOfStep(step), work.sequence, work.stream);
    } catch (err) {
      this.log.warn(
        { err, id: attemptId(process.id, process.dispatch) },
        'the broker could not be asked about an event',
      );
      return null;
    }
  }

  /**
   * Takes the event of an attempt that is over out of the stream.
   * @returns true when nobody had taken it: no answer will come
   */
  async withdraw({ handler, sequence, stream, answered }: Omit<Withdrawal, 'kind'>): Promise<boolean> {
    const work = await this.stream();
    if (answered) {
      await sleep(ACKNOWLEDGE_MILLIS, this.upkeep.signal);
      if (this.upkeep.signal.aborted || (await work.isBelowFloor(handler, sequence))) return false;
    }
    const untouched = await work.withdraw(handler, sequence, stream);
    if (!answered) this.counts.withdrawn++;
    return untouched && !answered;
  }

  private stream(): Promise<WorkStream> {
    this.work ??= this.open().catch((error: unknown) => {
      this.work = null;
      throw error;
    });
    return this.work;
  }

  private async open(): Promise<WorkStream> {
    const work = await WorkStream.open(this.bus.connection, this.settings, this.log);
    await work.stream.ensure();
    this.opened = work;
    this.seenTo ||= work.stream.created;
    return work;
  }

  private inOrder(): void {
    this.upkeep.inOrder(() => this.follow());
  }

  /** The stream and the consumers as the registry wants them. */
  private async follow(): Promise<void> {
    if (this.opened === null && this.registry.durableHandlers().size === 0) return;
    const work = await this.stream();
    await work.stream.ensure();
    const { created } = work.stream;
    const orphans = await work.ensureConsumers(this.registry.durableHandlers());
    if (orphans.length > 0) await this.removeOrphans(work);
    if (created === this.seenTo) return;
    this.log.warn({}, 'the work stream was made anew: everything that is out is sent again');
    await this.lost();
    // Only now: what failed on the way here is done again the next time.
    this.seenTo = created;
  }

  /** Not by a list that may be old: another engine may know of a handler that this one has not heard of. */
  private async removeOrphans(work: WorkStream): Promise<void> {
    await this.registry.mirror.refresh();
    for (const name of await work.ensureConsumers(this.registry.durableHandlers())) {
      await work.removeConsumer(name);
      this.log.info({ consumer: name }, 'a handler is not active any more; its consumer is gone');
    }
  }
}
