import { SLOT_LEASE_MILLIS } from '@drover/contracts';
import type { GivenSlot, LeaseRequest } from '@drover/process-model';
import type { Tables } from './tables.js';

/** A slot that was given back while processes live on in it is anybody's after this long. */
const GIVEN_BACK_MILLIS = 2_000;
const OUT: ReadonlySet<string> = new Set(['dispatched', 'running']);

/** Leases of the reply slots. */
export class Slots {
  constructor(private readonly tables: Tables) {}

  /** Renews, takes, adopts and gives back reply slots. */
  lease(engine: string, request: LeaseRequest): { slots: GivenSlot[]; liveProcesses: Record<string, number> } {
    const { slots } = this.tables;
    const now = this.tables.now();
    const expiresAt = now + SLOT_LEASE_MILLIS;
    for (const slot of request.release) {
      const lease = slots[slot]!;
      if (lease.engine === engine) Object.assign(lease, { engine: null, expiresAt: now });
    }
    const given: GivenSlot[] = [];
    for (const { slot, epoch } of request.held) {
      const lease = slots[slot]!;
      if (lease.engine !== engine || lease.epoch !== epoch || request.release.includes(slot)) continue;
      lease.expiresAt = expiresAt;
      given.push({ slot, epoch, lapsed: false });
    }
    const liveProcesses = this.liveBySlot();
    const busy = (slot: number): boolean => String(slot) in liveProcesses;
    const take = (slot: number, lapsed: boolean): void => {
      const lease = slots[slot]!;
      given.push({ slot, epoch: lease.epoch + 1, lapsed });
      Object.assign(lease, { engine, epoch: lease.epoch + 1, expiresAt });
    };
    const named = new Set(given.map(({ slot }) => slot));
    const free = slots
      .map((lease, slot) => ({ lease, slot }))
      .filter(
        ({ lease, slot }) =>
          !named.has(slot) && (lease.engine === null || lease.engine === engine || lease.expiresAt < now),
      )
      .sort((a, b) => Number(busy(b.slot)) - Number(busy(a.slot)) || a.slot - b.slot);
    for (const { slot, lease } of free.slice(0, Math.max(0, request.want))) take(slot, lease.engine !== null);
    slots.forEach((lease, slot) => {
      const lapsed = lease.engine !== null && lease.engine !== engine && lease.expiresAt < now;
      const givenBack = lease.engine === null && busy(slot) && lease.expiresAt < now - GIVEN_BACK_MILLIS;
      if (lapsed || givenBack) take(slot, true);
    });
    this.tables.record({ kind: 'lease', engine, request, slots: given, liveProcesses });
    return { slots: given, liveProcesses };
  }

  /** Marks what is out in a slot for a repeat with the same id, and wakes it. @returns how many */
  wake(slot: number, epoch: number): number {
    let woken = 0;
    if (this.tables.slots[slot]!.epoch === epoch)
      for (const held of this.tables.live.values()) {
        if (held.row.slot !== slot || !OUT.has(held.row.status)) continue;
        held.wakeAt = this.tables.now();
        held.row = { ...held.row, resend: true };
        woken++;
      }
    this.tables.record({ kind: 'wakeSlot', slot, epoch, woken });
    return woken;
  }

  private liveBySlot(): Record<string, number> {
    const bySlot: Record<string, number> = {};
    for (const { row } of this.tables.live.values())
      if (row.slot !== null) bySlot[String(row.slot)] = (bySlot[String(row.slot)] ?? 0) + 1;
    return bySlot;
  }
}
