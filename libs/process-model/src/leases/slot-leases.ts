import { SLOT_LEASE_MILLIS } from '@drover/contracts';

/** A lease counts as over this long before the database says so: the answer's way here took time. */
const SAFETY_MILLIS = 500;
/** An adopted slot without live processes is given back after this long: a late reply may still come to it. */
const ADOPTED_MILLIS = 60_000;

/** A slot that the store gave to this engine. `lapsed`: another engine held it and may have left work behind. */
export interface GivenSlot {
  slot: number;
  epoch: number;
  lapsed: boolean;
}

/** What an engine asks of the store when it renews its leases. */
export interface LeaseRequest {
  held: { slot: number; epoch: number }[];
  want: number;
  release: number[];
}

interface Lease {
  epoch: number;
  /** by the engine's monotonic clock */
  validUntil: number;
  since: number;
}

/**
 * The reply slots that one engine holds, as far as it knows. Times are of its own monotonic clock, in milliseconds, and handed in. One
 * slot is home: the replies to what the engine sends come there. The others are adopted: their engines died.
 */
export class SlotLeases {
  private readonly leases = new Map<number, Lease>();
  private homeSlot: number | null = null;
  private liveProcesses: Record<string, number> = {};

  /** The home slot while its lease is surely ours, else null: an engine that was paused past its lease decides nothing. */
  home(now: number): number | null {
    return this.homeSlot !== null && this.holds(this.homeSlot, now) ? this.homeSlot : null;
  }

  /** Is the lease surely still ours? Asked before each send: no database fence stops a publish. */
  holds(slot: number, now: number): boolean {
    const lease = this.leases.get(slot);
    return lease !== undefined && now < lease.validUntil;
  }

  slots(): number[] {
    return [...this.leases.keys()];
  }

  /** What to ask the store for now. */
  request(now: number): LeaseRequest {
    const release = this.idleAdopted(now);
    const held = [...this.leases].map(([slot, { epoch }]) => ({ slot, epoch }));
    return {
      held: held.filter(({ slot }) => !release.includes(slot)),
      want: this.homeSlot === null ? 1 : 0,
      release,
    };
  }

  /**
   * Works the store's answer in.
   * @param sentAt        when the request was sent: a lease runs from then, however long the answer took
   * @param liveProcesses live processes by slot
   * @returns what came, and what is ours no more
   */
  answered(
    sentAt: number,
    given: GivenSlot[],
    liveProcesses: Record<string, number>,
  ): { gained: GivenSlot[]; lost: number[] } {
    this.liveProcesses = liveProcesses;
    const validUntil = sentAt + SLOT_LEASE_MILLIS - SAFETY_MILLIS;
    const epochs = new Map(given.map(({ slot, epoch }) => [slot, epoch]));
    const lost = [...this.leases].filter(([slot, { epoch }]) => epochs.get(slot) !== epoch).map(([slot]) => slot);
    for (const slot of lost) this.lose(slot);
    const gained: GivenSlot[] = [];
    for (const one of given) {
      const known = this.leases.get(one.slot);
      if (known !== undefined) known.validUntil = validUntil;
      else {
        this.leases.set(one.slot, { epoch: one.epoch, validUntil, since: sentAt });
        this.homeSlot ??= one.slot;
        gained.push(one);
      }
    }
    return { gained, lost };
  }

  private lose(slot: number): void {
    this.leases.delete(slot);
    if (this.homeSlot === slot) this.homeSlot = null;
  }

  private idleAdopted(now: number): number[] {
    return [...this.leases]
      .filter(([slot, lease]) => slot !== this.homeSlot && now - lease.since > ADOPTED_MILLIS)
      .map(([slot]) => slot)
      .filter((slot) => (this.liveProcesses[String(slot)] ?? 0) === 0);
  }
}
