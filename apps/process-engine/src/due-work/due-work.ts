import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { claimDueWork, SUBJECTS, type WorkRow } from '@drover/contracts';
import { sleep } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import { isOutDurably } from '@drover/process-model';
import type { Subscription } from 'nats';
import { DurableDelivery } from '../dispatch/durable-delivery.js';
import { Lifecycle } from '../lifecycle/lifecycle.js';
import { IDLE_POLL_MILLIS, WakeUps } from '../lifecycle/wake-ups.js';
import { Log } from '../log.js';

/** While anything live has a wake-up, asked at least this often: hints are safe to lose. */
const POLL_MILLIS = 1_000;
const CLAIM_LIMIT = 200;
/** A claimed process falls due again after this long, should this engine die with it. */
const CLAIM_LEASE_MILLIS = 5_000;

/** Takes processes whose wake-up has come: retries, passed deadlines, what dead engines left. Recovery is this loop, not a boot scan. */
@Injectable()
export class DueWork implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly stopped = new AbortController();
  private pause = new AbortController();
  /** processes whose durable event the broker is being asked about */
  private readonly asking = new Set<number>();
  private hinted = false;
  private hints: Subscription | null = null;
  private loop: Promise<void> | null = null;

  constructor(
    private readonly bus: MessageBus,
    private readonly lifecycle: Lifecycle,
    private readonly durable: DurableDelivery,
    private readonly log: Log,
    wakeUps: WakeUps,
  ) {
    wakeUps.attach(() => this.hurry());
  }

  onApplicationBootstrap(): void {
    this.hints = this.bus.connection.subscribe(SUBJECTS.hint.due, { callback: () => this.hurry() });
    this.loop = this.poll();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped.abort();
    this.hints?.unsubscribe();
    this.hurry();
    await this.loop;
  }

  private hurry(): void {
    this.hinted = true;
    this.pause.abort();
  }

  private async poll(): Promise<void> {
    while (!this.stopped.signal.aborted) {
      this.hinted = false;
      const wait = await this.claim();
      if (wait === 0 || this.hinted) continue;
      this.pause = new AbortController();
      await sleep(wait, this.pause.signal);
    }
  }

  private async wake(work: WorkRow): Promise<void> {
    const { id } = work.process;
    if (!isOutDurably(work.process)) {
      await this.lifecycle.handle(id, { kind: 'wake' }, null, work);
      return;
    }
    if (this.asking.has(id)) return;
    this.asking.add(id);
    try {
      const delivery = await this.durable.look(work);
      await this.lifecycle.handle(id, delivery === null ? { kind: 'wake' } : { kind: 'wake', delivery }, null, work);
    } finally {
      this.asking.delete(id);
    }
  }

  /** @returns how long to wait before asking again, milliseconds */
  private async claim(): Promise<number> {
    try {
      const claimed = await this.bus.request(claimDueWork, { limit: CLAIM_LIMIT, leaseMillis: CLAIM_LEASE_MILLIS });
      await Promise.all(
        claimed.work.map((work) => {
          const woken = this.wake(work).catch((err: unknown) => {
            this.log.error({ err, processId: work.process.id }, 'a due process could not be advanced');
          });
          // The broker is asked first, which may take as long as it likes: nobody else waits for it.
          return isOutDurably(work.process) ? undefined : woken;
        }),
      );
      if (claimed.work.length > 0) return 0;
      return claimed.nextInMillis === null
        ? IDLE_POLL_MILLIS
        : Math.max(10, Math.min(POLL_MILLIS, claimed.nextInMillis));
    } catch (err) {
      if (!this.stopped.signal.aborted) this.log.warn({ err }, 'due work could not be claimed; trying again');
      return POLL_MILLIS;
    }
  }
}
