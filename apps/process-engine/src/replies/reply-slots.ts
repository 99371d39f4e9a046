import { randomBytes } from 'node:crypto';
import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { leaseSlots } from '@drover/contracts';
import { monotonicMillis, sleep } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import { SlotLeases } from '@drover/process-model';
import { Log } from '../log.js';

/** Leases are renewed this often: three tries fit into one lease. */
const RENEW_MILLIS = 1_500;
/** Without a lease nothing goes on: asked again this soon. */
const RETRY_MILLIS = 100;

/** Told when a slot comes or goes. `lapsed`: another engine held it and may have left work behind. */
export interface SlotListener {
  gained(slot: number, epoch: number, lapsed: boolean): void;
  lost(slot: number): void;
}

/**
 * The reply slots this engine holds. One is home: its processes' replies come there. Slots of engines that died are adopted, so that
 * what waits in them is read and what they had sent out is repeated.
 */
@Injectable()
export class ReplySlots implements OnApplicationBootstrap, OnApplicationShutdown {
  /** of this boot: a restarted engine is another one */
  readonly engine = `engine-${randomBytes(6).toString('hex')}`;
  private readonly leases = new SlotLeases();
  private waiting: ((slot: number) => void)[] = [];
  private listener: SlotListener | null = null;
  private readonly stopped = new AbortController();
  private leavesWork = false;
  private loop: Promise<void> | null = null;

  constructor(
    private readonly bus: MessageBus,
    private readonly log: Log,
  ) {}

  listen(listener: SlotListener): void {
    this.listener = listener;
  }

  onApplicationBootstrap(): void {
    this.loop = this.keep();
  }

  /** This engine leaves work behind when it stops: its leases run out, so that whoever takes its slots over repeats that work. */
  letLapse(): void {
    this.leavesWork = true;
  }

  /** Gives all slots back, so that the next engine need not wait for the leases to lapse. */
  async onApplicationShutdown(): Promise<void> {
    this.stopped.abort();
    await this.loop;
    if (this.leavesWork) return;
    const release = this.leases.slots();
    if (release.length === 0) return;
    const request = { engine: this.engine, held: [], want: 0, takeLapsed: false, release };
    await this.bus.request(leaseSlots, request, 1_000).catch(() => undefined);
  }

  /**
   * The home slot; waits while there is none whose lease is surely ours. An engine that was paused past its lease decides nothing
   * before it knows where it is: an event of a slot that another took over would never be sent.
   */
  async home(): Promise<number> {
    return this.leases.home(monotonicMillis()) ?? new Promise((resolve) => this.waiting.push(resolve));
  }

  get ready(): boolean {
    return this.leases.home(monotonicMillis()) !== null;
  }

  /** Is the lease surely still ours? */
  holds(slot: number): boolean {
    return this.leases.holds(slot, monotonicMillis());
  }

  private async keep(): Promise<void> {
    let answering = true;
    while (!this.stopped.signal.aborted) {
      try {
        await this.renew();
        answering = true;
      } catch (err) {
        if (answering) this.log.warn({ err }, 'the reply slots could not be renewed; trying again');
        answering = false;
      }
      await sleep(this.ready && answering ? RENEW_MILLIS : RETRY_MILLIS, this.stopped.signal);
    }
  }

  private async renew(): Promise<void> {
    const sentAt = monotonicMillis();
    const answer = await this.bus.request(leaseSlots, {
      engine: this.engine,
      ...this.leases.request(sentAt),
      takeLapsed: true,
    });
    const { gained, lost } = this.leases.answered(sentAt, answer.slots, answer.liveProcesses);
    for (const slot of lost) {
      this.log.warn({ slot }, 'lost a reply slot');
      this.listener?.lost(slot);
    }
    for (const { slot, epoch, lapsed } of gained) {
      this.log.info({ slot, lapsed }, lapsed ? 'took over a reply slot' : 'leased a reply slot');
      this.listener?.gained(slot, epoch, lapsed);
    }
    const home = this.leases.home(monotonicMillis());
    if (home !== null) for (const resolve of this.waiting.splice(0)) resolve(home);
  }
}
