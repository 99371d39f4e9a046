import { randomBytes } from 'node:crypto';
import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { leaseSlots, SLOT_LEASE_MILLIS } from '@drover/contracts';
import { monotonicMillis, sleep } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import { Log } from '../log.js';

/** Leases are renewed this often: three tries fit into one lease. */
const RENEW_MILLIS = 1_500;
/** Without a lease nothing goes on: asked again this soon. */
const RETRY_MILLIS = 100;
/** A lease counts as over this long before the database says so: the answer's way here took time. */
const SAFETY_MILLIS = 500;
/** An adopted slot without live processes is given back after this long: a late reply may still come to it. */
const ADOPTED_MILLIS = 60_000;

interface Lease {
  epoch: number;
  /** by this program's monotonic clock */
  validUntil: number;
  since: number;
}

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
  private readonly leases = new Map<number, Lease>();
  private homeSlot: number | null = null;
  private waiting: ((slot: number) => void)[] = [];
  private listener: SlotListener | null = null;
  private liveProcesses: Record<string, number> = {};
  private readonly stopped = new AbortController();
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

  /** Gives all slots back, so that the next engine need not wait for the leases to lapse. */
  async onApplicationShutdown(): Promise<void> {
    this.stopped.abort();
    await this.loop;
    const release = [...this.leases.keys()];
    if (release.length === 0) return;
    const request = { engine: this.engine, held: [], want: 0, takeLapsed: false, release };
    await this.bus.request(leaseSlots, request, 1_000).catch(() => undefined);
  }

  /**
   * The home slot; waits while there is none whose lease is surely ours. An engine that was paused past its lease decides nothing
   * before it knows where it is: an event of a slot that another took over would never be sent.
   */
  async home(): Promise<number> {
    return this.ready ? this.homeSlot! : new Promise((resolve) => this.waiting.push(resolve));
  }

  get ready(): boolean {
    return this.homeSlot !== null && this.holds(this.homeSlot);
  }

  /** Is the lease surely still ours? */
  holds(slot: number): boolean {
    const lease = this.leases.get(slot);
    return lease !== undefined && monotonicMillis() < lease.validUntil;
  }

  held(): { slot: number; epoch: number }[] {
    return [...this.leases].map(([slot, { epoch }]) => ({ slot, epoch }));
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
    const release = this.idleAdopted(sentAt);
    const answer = await this.bus.request(leaseSlots, {
      engine: this.engine,
      held: this.held().filter(({ slot }) => !release.includes(slot)),
      want: this.homeSlot === null ? 1 : 0,
      takeLapsed: true,
      release,
    });
    this.liveProcesses = answer.liveProcesses;
    const validUntil = sentAt + SLOT_LEASE_MILLIS - SAFETY_MILLIS;
    const given = new Map(answer.slots.map((slot) => [slot.slot, slot]));
    for (const [slot, lease] of this.leases) {
      if (given.get(slot)?.epoch !== lease.epoch) this.lose(slot);
    }
    for (const { slot, epoch, lapsed } of answer.slots) {
      const known = this.leases.get(slot);
      if (known !== undefined) known.validUntil = validUntil;
      else this.gain(slot, { epoch, validUntil, since: sentAt }, lapsed);
    }
    if (this.ready) for (const resolve of this.waiting.splice(0)) resolve(this.homeSlot!);
  }

  private gain(slot: number, lease: Lease, lapsed: boolean): void {
    this.leases.set(slot, lease);
    this.log.info({ slot, lapsed }, lapsed ? 'took over a reply slot' : 'leased a reply slot');
    this.listener?.gained(slot, lease.epoch, lapsed);
    this.homeSlot ??= slot;
  }

  private lose(slot: number): void {
    this.leases.delete(slot);
    this.log.warn({ slot }, 'lost a reply slot');
    if (this.homeSlot === slot) this.homeSlot = null;
    this.listener?.lost(slot);
  }

  private idleAdopted(now: number): number[] {
    return [...this.leases]
      .filter(([slot, lease]) => slot !== this.homeSlot && now - lease.since > ADOPTED_MILLIS)
      .map(([slot]) => slot)
      .filter((slot) => (this.liveProcesses[String(slot)] ?? 0) === 0);
  }
}
