import { Injectable } from '@nestjs/common';
import { type ProcessRow, releaseWaiting, type WorkRow } from '@drover/contracts';
import { DroverError, type JsonObject, sleep } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import {
  attemptClocks,
  type Effect,
  type HandlerReply,
  type Input,
  isOutDurably,
  handlerOfStep,
  type Surroundings,
  unpackProgress,
} from '@drover/process-model';
import { Dispatcher } from '../dispatch/dispatcher.js';
import { DurableDelivery } from '../dispatch/durable-delivery.js';
import { Admissions } from '../gates/admissions.js';
import { Runner } from '../in-process/runner.js';
import { Log } from '../log.js';
import { RelatedReads } from '../related/related-reads.js';
import { PRESENCE_MILLIS, Probes } from './probes.js';
import { WakeUps } from './wake-ups.js';

/** Processes that waited for a handler are released at this rate: that many every quarter of a second. */
const RELEASE_BATCH = 500;

/** Effects about related resources. */
export type RelatedEffect = Extract<Effect, { kind: 'related' | 'startChildren' | 'cancelChildren' }>;

/** What follows a commit: sends, runs, goes on. Nothing here is durable; whatever is lost, a wake-up repeats. */
@Injectable()
export class Effects {
  private handle: (processId: number, input: Input) => Promise<boolean> = () => Promise.resolve(false);
  private related: (effect: RelatedEffect, work: WorkRow) => void = () => undefined;
  private readonly probes = new Probes(
    (handler) => this.release(handler),
    (handler, err) => this.log.warn({ err, handler }, 'waiting processes could not be released; the next probe does'),
  );

  constructor(
    private readonly dispatcher: Dispatcher,
    private readonly durable: DurableDelivery,
    private readonly runner: Runner,
    private readonly admissions: Admissions,
    private readonly bus: MessageBus,
    private readonly wakeUps: WakeUps,
    private readonly reads: RelatedReads,
    private readonly log: Log,
  ) {}

  /** Breaks the circle: effects lead to inputs, inputs to effects. */
  attach(handle: (processId: number, input: Input) => Promise<boolean>): void {
    this.handle = handle;
  }

  /** As {@link attach}, for the children. */
  attachRelated(related: (effect: RelatedEffect, work: WorkRow) => void): void {
    this.related = related;
  }

  /**
   * @param after  the process after the commit; when it ended, as it was before, with the resource as it is
   * @param before the process before the commit, null for a start
   */
  async run(effects: Effect[], after: WorkRow, around: Surroundings, before: ProcessRow | null): Promise<void> {
    const { process } = after;
    if (process.status === 'waitingHandler' && process.waitingHandler !== null)
      this.probes.foundAbsent(process.waitingHandler);
    for (const effect of effects) {
      switch (effect.kind) {
        case 'dispatch':
          this.withIncluded(after, around, (related) => this.send(after, around, before, related));
          break;
        case 'release':
          this.probes.asked(effect.handler);
          break;
        case 'withdraw':
          this.background(process.id, this.withdraw(effect));
          break;
        case 'run':
          this.withIncluded(after, around, (related) =>
            this.background(process.id, this.runInProcess(after, around, related)),
          );
          break;
        case 'advance':
          this.background(process.id, this.handle(process.id, { kind: 'advance' }));
          break;
        case 'related':
        case 'startChildren':
        case 'cancelChildren':
          this.related(effect, after);
          break;
        case 'admit':
          this.admissions.ask(effect.handler, effect.waits ? process.id : null);
          break;
        case 'outcome':
          this.admissions.report(effect.handler, effect.failed);
          break;
        case 'cancelNotice':
          this.dispatcher.cancelNotice(effect.handler, { id: effect.id, key: effect.key, reason: effect.reason });
          break;
        case 'ended': {
          const { processId, exitReason } = effect;
          const { resource } = after;
          this.dispatcher.ended(effect.notify, { processId, resourceId: resource.id, exitReason, resource });
          // Its parent fell due in the same commit.
          if (process.parentId !== null) this.wakeUps.expect(0);
        }
      }
    }
  }

  /** The broker's answer is the process's next input; nobody wants the event of an attempt that is over by then. */
  private async sendDurably(work: WorkRow, around: Surroundings, related: JsonObject | null): Promise<void> {
    const { id, dispatch, progress } = work.process;
    const input = await this.durable.send(work, around.type, attemptClocks(work.process, around), related);
    if ((await this.handle(id, input)) || input.kind !== 'stored') return;
    const handler = handlerOfStep(unpackProgress(progress).step);
    const { sequence, stream } = input;
    await this.withdraw({ handler, processId: id, dispatch, sequence, stream, answered: false });
  }

  private async withdraw(withdrawal: Omit<Extract<Effect, { kind: 'withdraw' }>, 'kind'>): Promise<void> {
    const { processId, dispatch } = withdrawal;
    if (await this.durable.withdraw(withdrawal)) await this.handle(processId, { kind: 'withdrawn', dispatch });
  }

  /** Without "no responders", the probe was heard. */
  private async heard({ id, dispatch }: ProcessRow): Promise<void> {
    await sleep(PRESENCE_MILLIS);
    await this.handle(id, { kind: 'heard', dispatch });
  }

  /** Reads the related resources that the process includes, if any, and goes on. What is too much for an event fails the step. */
  private withIncluded(work: WorkRow, around: Surroundings, next: (related: JsonObject | null) => void): void {
    const names = this.reads.includesOf(work, around);
    if (names.length === 0) {
      next(null);
      return;
    }
    const { id, dispatch } = work.process;
    const signal = AbortSignal.timeout(Math.max(1, attemptClocks(work.process, around).timeoutMillis));
    const failed = (error: unknown): Promise<boolean> => {
      if (!(error instanceof DroverError) || signal.aborted) throw error;
      const reply: HandlerReply = {
        kind: 'failed',
        error: { code: error.code, message: error.message, retryable: false },
      };
      return this.handle(id, { kind: 'reply', dispatch, reply });
    };
    this.background(id, this.reads.included(work, around, names, signal).then(next, failed));
  }

  private send(after: WorkRow, around: Surroundings, before: ProcessRow | null, related: JsonObject | null): void {
    const { process } = after;
    if (isOutDurably(process)) {
      this.background(process.id, this.sendDurably(after, around, related));
      return;
    }
    // Whoever took our slot over may have woken its processes before this one was committed: it is ours to repeat.
    if (!this.dispatcher.send(after, around.type, attemptClocks(process, around), related))
      this.background(process.id, this.handle(process.id, { kind: 'unsent', dispatch: process.dispatch }));
    if (before?.status === 'waitingHandler' && before.waitingHandler !== null) {
      this.probes.asked(before.waitingHandler);
      // Whoever was released has said so already.
      if (!before.resend) this.background(process.id, this.heard(process));
    }
  }

  private async runInProcess(work: WorkRow, around: Surroundings, related: JsonObject | null): Promise<boolean> {
    const { id, dispatch } = work.process;
    const answer = (reply: HandlerReply): Promise<boolean> => this.handle(id, { kind: 'reply', dispatch, reply });
    const clocks = attemptClocks(work.process, around);
    const report = (reply: HandlerReply): void => this.background(id, answer(reply));
    const reply = await this.runner.run(work, around.type, clocks, report, related);
    return reply !== null && answer(reply);
  }

  /** What goes wrong here is repeated by the process's wake-up. */
  private background(processId: number, work: Promise<unknown>): void {
    work.catch((err: unknown) =>
      this.log.error({ err, processId }, 'a process could not be advanced; its wake-up repeats it'),
    );
  }

  private async release(handler: string): Promise<number> {
    const { released } = await this.bus.request(releaseWaiting, { handler, limit: RELEASE_BATCH });
    return released;
  }
}
