import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { admitAttempts, type WorkRow } from '@drover/contracts';
import { sleep } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import type { Input } from '@drover/process-model';
import { Log } from '../log.js';
import { EngineRegistry } from '../registry/engine-registry.js';

/** Admitted by one request at most; the rest with the next one. */
const ADMIT_LIMIT = 200;
/** An admitted process that this engine does not wake is due after this long. */
const LEASE_MILLIS = 5_000;
/** Before places are asked for again that could not all be given: a process was just being changed. */
const AGAIN_MILLIS = 20;

type Handle = (processId: number, input: Input, token?: string | null, known?: WorkRow | null) => Promise<boolean>;

/** What one handler's gate is to be told and asked with the next request. */
class Ask {
  readonly waiting = new Set<number>();
  succeeded = false;
  failed = 0;

  outcome(failed: boolean): void {
    if (failed) this.failed++;
    else Object.assign(this, { succeeded: true, failed: 0 });
  }
}

/**
 * Asks the store to admit attempts of handlers with limits, and tells their circuit breakers what became of attempts: gathered, one
 * request in flight per handler. What is lost here is asked for again by the store's job; outcomes are told at most once.
 */
@Injectable()
export class Admissions implements OnApplicationShutdown {
  private readonly asks = new Map<string, Ask>();
  private readonly busy = new Set<string>();
  private readonly stopped = new AbortController();
  private handle: Handle = () => Promise.resolve(false);

  constructor(
    private readonly bus: MessageBus,
    private readonly registry: EngineRegistry,
    private readonly log: Log,
  ) {}

  attach(handle: Handle): void {
    this.handle = handle;
  }

  onApplicationShutdown(): void {
    this.stopped.abort();
  }

  /** @param processId that waits for a place, or null: one was given up */
  ask(handler: string, processId: number | null): void {
    const ask = this.nextAsk(handler);
    if (processId !== null) ask.waiting.add(processId);
  }

  report(handler: string, failed: boolean): void {
    this.nextAsk(handler).outcome(failed);
  }

  private nextAsk(handler: string): Ask {
    let ask = this.asks.get(handler);
    if (ask === undefined) {
      ask = new Ask();
      this.asks.set(handler, ask);
      if (!this.busy.has(handler)) {
        this.busy.add(handler);
        // The other effects of the same commits come first, and go with it.
        setImmediate(() => void this.work(handler));
      }
    }
    return ask;
  }

  private async work(handler: string): Promise<void> {
    for (let ask = this.take(handler); ask !== undefined && !this.stopped.signal.aborted; ask = this.take(handler)) {
      try {
        await this.request(handler, ask);
      } catch (err) {
        if (!this.stopped.signal.aborted)
          this.log.warn({ err, handler }, 'no attempt could be admitted; asked again soon');
      }
    }
    this.busy.delete(handler);
  }

  private take(handler: string): Ask | undefined {
    const ask = this.asks.get(handler);
    this.asks.delete(handler);
    return ask;
  }

  private async request(handler: string, { waiting, succeeded, failed }: Ask): Promise<void> {
    const bounds = this.registry.limitsOf(handler);
    // No limit any more: whoever waits finds out when the store's job wakes it.
    if (bounds === null) return;
    const answer = await this.bus.request(admitAttempts, {
      handler,
      ...bounds,
      outcomes: { succeeded, failed },
      limit: ADMIT_LIMIT,
      leaseMillis: LEASE_MILLIS,
    });
    if (answer.stale) {
      await this.registry.mirror.refresh();
      this.askAgain(handler, waiting);
      return;
    }
    for (const work of answer.work) {
      waiting.delete(work.process.id);
      this.background(work.process.id, this.handle(work.process.id, { kind: 'wake' }, null, work));
    }
    if (answer.more) {
      if (answer.work.length < ADMIT_LIMIT) await sleep(AGAIN_MILLIS, this.stopped.signal);
      this.askAgain(handler, waiting);
      return;
    }
    const failures = answer.circuit === 'closed' ? null : answer.failures;
    for (const id of waiting) this.background(id, this.handle(id, { kind: 'notAdmitted', handler, failures }));
  }

  private askAgain(handler: string, waiting: ReadonlySet<number>): void {
    const ask = this.nextAsk(handler);
    for (const id of waiting) ask.waiting.add(id);
  }

  private background(processId: number, work: Promise<unknown>): void {
    work.catch((err: unknown) =>
      this.log.error({ err, processId }, 'a process could not be admitted; its wake-up repeats it'),
    );
  }
}
