import { setTimeout as delay } from 'node:timers/promises';
import {
  type BeforeApplicationShutdown,
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { SUBJECTS, type WorkRow } from '@drover/contracts';
import type { HandlerContext, ProcessHandler } from '@drover/handler-sdk';
import { ChurningMap, isJsonObject, type JsonObject, MAX_JSON_DEPTH, parseJson } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import {
  type AttemptClocks,
  attemptId,
  externalResource,
  type HandlerReply,
  progressPeriodMillis,
  readReply,
  splitStep,
  stepKey,
  type TypeDefinition,
  unpackProgress,
} from '@drover/process-model';
import type { Msg, Subscription } from 'nats';
import { Fold } from '../lifecycle/fold.js';
import { Log } from '../log.js';
import { ReplySlots } from '../replies/reply-slots.js';
import { Attempt } from './attempt.js';
import { differences, type Outcome } from './compare.js';
import { InProcessHandlers } from './in-process-handlers.js';
import { underHandler } from './stray-errors.js';

/** How long a stopping engine lets the work in hand finish. */
const STOP_MILLIS = 5_000;

/** Hears an answer before the last: progress, or a report that could not be used. */
export type Report = (reply: HandlerReply) => void;

/**
 * Runs in-process handlers, with what an external one has: a deadline, cancel, progress, and results read like replies. Nothing that a
 * handler does reaches further than its attempt, save for what blocks the event loop.
 */
@Injectable()
export class Runner implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  readonly counts = { late: 0, notRepeatable: 0 };
  /** by event id: a wake-up does not run an attempt beside itself */
  private readonly attempts = new ChurningMap<string, Attempt>();
  private readonly progress = new Fold<() => void>((report) => report());
  private cancels: Subscription[] = [];

  constructor(
    private readonly handlers: InProcessHandlers,
    private readonly bus: MessageBus,
    private readonly slots: ReplySlots,
    private readonly log: Log,
  ) {}

  /** Attempts under way. */
  get running(): number {
    return this.attempts.size;
  }

  /** The engine that decides on a cancel may be another one than the engine that runs the attempt. */
  onApplicationBootstrap(): void {
    this.cancels = this.handlers.names.map((name) =>
      this.bus.connection.subscribe(SUBJECTS.cancel(name), { callback: (_error, message) => this.cancel(message) }),
    );
  }

  async beforeApplicationShutdown(): Promise<void> {
    const until = Date.now() + STOP_MILLIS;
    const inHand = [...this.attempts.keys()];
    while (inHand.some((id) => this.attempts.has(id)) && Date.now() < until) await delay(20);
  }

  /** What is not done by now is run again by whoever finds our lease lapsed. */
  onApplicationShutdown(): void {
    for (const subscription of this.cancels) subscription.unsubscribe();
    if (this.attempts.size === 0) return;
    this.slots.letLapse();
    for (const attempt of this.attempts.values()) attempt.end(new Error('the engine stops'));
  }

  /**
   * Runs one attempt.
   * @param clocks the attempt's time, in check mode for both runs together, and the longest silence
   * @returns the last answer; null when nothing follows: the attempt is under way already, or its time was up (the wake-up in the
   *   database says so)
   */
  async run(
    work: WorkRow,
    type: TypeDefinition,
    { timeoutMillis, heartbeatMillis }: AttemptClocks,
    report: Report,
    related: JsonObject | null = null,
  ): Promise<HandlerReply | null> {
    const { process } = work;
    const progress = unpackProgress(process.progress);
    const [phase, name] = splitStep(progress.step ?? '');
    const handler = this.handlers.get(name);
    if (handler === undefined) return failed(`This engine has no in-process handler ${name}`);
    const id = attemptId(process.id, process.dispatch);
    if (this.attempts.has(id)) return null;
    const key = stepKey(process.id, process.name, progress, progress.step!);
    for (const earlier of this.attempts.values()) if (earlier.key === key) earlier.end(new Error('asked for anew'));
    const attempt = new Attempt(key, timeoutMillis, progressPeriodMillis(heartbeatMillis ?? timeoutMillis));
    this.attempts.set(id, attempt);
    /** Each run has copies of its own: whatever it does to them, the engine's rows stay as they are. */
    const context = (heard: boolean): HandlerContext => ({
      id,
      key,
      process: process.name,
      phase: phase as HandlerContext['phase'],
      attempt: progress.attempt,
      resource: structuredClone(externalResource(work.resource, type)),
      data: structuredClone(process.data),
      ...(related === null ? {} : { related: structuredClone(related) }),
      ...(heartbeatMillis === null ? {} : { heartbeatMillis }),
      signal: attempt.abort.signal,
      progress: (transitioningMessage, percent) => {
        const share = percent === undefined ? null : { transitioningProgress: percent };
        if (heard) this.report(id, attempt, { transitioningMessage, ...share }, report);
      },
      heartbeat: () => {
        if (heard) this.report(id, attempt, {}, report);
      },
    });
    const reply = this.handlers.checked ? this.runTwice(handler, context, type) : this.runOnce(handler, context(true));
    const first = await Promise.race([reply, attempt.over]);
    attempt.close();
    this.attempts.delete(id);
    if (first === null) {
      this.log.warn(
        { id, handler: name, timeoutMillis },
        'an in-process handler was given up; its result will be ignored',
      );
      void reply.then(() => this.counts.late++);
    }
    return first;
  }

  private async runOnce(handler: ProcessHandler, context: HandlerContext): Promise<HandlerReply> {
    return readOutcome(await outcomeOf(handler, context));
  }

  /** Check mode: both runs get the same event; only the first is heard while it works. */
  private async runTwice(
    handler: ProcessHandler,
    context: (heard: boolean) => HandlerContext,
    type: TypeDefinition,
  ): Promise<HandlerReply> {
    const first = await outcomeOf(handler, context(true));
    const second = await outcomeOf(handler, context(false));
    const passwords = Object.keys(type.fields).filter((name) => type.fields[name]!.type === 'password');
    const difference = differences(first, second, new Set(passwords));
    if (difference === null) return readOutcome(first);
    this.counts.notRepeatable++;
    const message = `Handler ${handler.name} ran twice with the same event and did not do the same: ${difference}`;
    return { kind: 'failed', error: { code: 'HandlerNotRepeatable', message, retryable: false } };
  }

  /** @param said as the handler gave it: anything */
  private report(id: string, attempt: Attempt, said: JsonObject, report: Report): void {
    if (this.attempts.get(id) !== attempt) return;
    const reply = readReply({ transitioning: 'yes', ...said });
    if (reply.kind === 'progress') attempt.extend();
    // Not on the handler's behalf: what goes wrong from here on is the engine's.
    const pass = (): void => {
      if (this.attempts.get(id) === attempt) underHandler.run(undefined, () => report(reply));
    };
    if (!this.progress.keep(id, pass, attempt.progressMillis)) pass();
  }

  private cancel(message: Msg): void {
    try {
      const notice: unknown = message.json();
      if (!isJsonObject(notice)) return;
      const reason = new DOMException(String(notice['reason'] ?? 'cancelled'), 'AbortError');
      this.attempts.get(String(notice['id']))?.abort.abort(reason);
    } catch {
      // Not JSON: it names no attempt.
    }
  }
}

async function outcomeOf(handler: ProcessHandler, context: HandlerContext): Promise<Outcome> {
  try {
    const result: unknown = await underHandler.run(handler.name, async () => handler.handle(context));
    const text = JSON.stringify(result ?? {}) as string | undefined;
    if (text === undefined) return { threw: `returned a ${typeof result}, which is no JSON` };
    return { result: parseJson(text, MAX_JSON_DEPTH + 2) };
  } catch (error) {
    return { threw: messageOf(error) };
  }
}

function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.message) : String(error);
  } catch {
    return 'threw something that cannot be shown';
  }
}

/** A result has nobody to hear more from: one that is not final, or not usable, is a failure. */
function readOutcome(outcome: Outcome): HandlerReply {
  if ('threw' in outcome) return failed(outcome.threw);
  const reply = readReply(outcome.result, { inProcess: true });
  if (reply.kind === 'rejected') return failed(reply.reason);
  if (reply.kind === 'progress')
    return failed(
      'The result says transitioning "yes", but nothing can follow it; report progress with context.progress()',
    );
  return reply;
}

function failed(message: string): HandlerReply {
  return { kind: 'failed', error: { code: 'UNKNOWN_EXCEPTION', message, retryable: true } };
}
