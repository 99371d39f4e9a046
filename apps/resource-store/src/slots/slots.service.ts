import { REPLY_SLOTS, SLOT_LEASE_MILLIS } from '@drover/contracts';
import { rows } from '@drover/database';
import { monotonicMillis } from '@drover/kernel';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Hints } from '../observability/hints.js';
import {
  COUNT_BY_SLOT,
  CREATE_SLOTS,
  RELEASE_SLOTS,
  RENEW_AND_ADOPT_SLOTS,
  TAKE_SLOTS,
  WAKE_SLOT,
} from '../sql/slots.sql.js';

export interface Slot {
  slot: number;
  epoch: number;
  lapsed: boolean;
}

/** Counting the live processes of each slot reads the whole table of live work: at most this often, milliseconds. */
const COUNT_EVERY_MILLIS = 5_000;

/** Leases of the reply slots, by database time. An epoch rises with every change of hands and never falls. */
@Injectable()
export class SlotsService {
  private counts: { at: number; bySlot: Promise<Record<string, number>> } | null = null;

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly hints: Hints,
  ) {}

  async prepare(): Promise<void> {
    await rows(this.dataSource, CREATE_SLOTS, [REPLY_SLOTS]);
  }

  async lease(request: {
    engine: string;
    held: { slot: number; epoch: number }[];
    want: number;
    takeLapsed: boolean;
    release: number[];
  }): Promise<{ slots: Slot[]; liveProcesses: Record<string, number> }> {
    const { engine, want, takeLapsed, release } = request;
    if (release.length > 0) await rows(this.dataSource, RELEASE_SLOTS, [engine, release]);
    const held = request.held.filter(({ slot }) => !release.includes(slot));
    const liveProcesses = await this.liveProcesses();
    const busy = Object.keys(liveProcesses).map(Number);
    const keep = (named: typeof held, lapsedToo: boolean): Promise<Slot[]> =>
      rows<Slot>(this.dataSource, RENEW_AND_ADOPT_SLOTS, [
        engine,
        named.map(({ slot }) => slot),
        named.map(({ epoch }) => epoch),
        SLOT_LEASE_MILLIS,
        lapsedToo,
        busy,
      ]);
    if (want <= 0) return { slots: await keep(held, takeLapsed), liveProcesses };
    const kept = held.length === 0 ? [] : await keep(held, false);
    const taken = await rows<Slot>(this.dataSource, TAKE_SLOTS, [
      engine,
      want,
      takeLapsed,
      SLOT_LEASE_MILLIS,
      busy,
      REPLY_SLOTS,
      kept.map(({ slot }) => slot),
    ]);
    const adopted = takeLapsed ? await keep([], true) : [];
    return { slots: [...kept, ...taken, ...adopted], liveProcesses };
  }

  async wake(slot: number, epoch: number): Promise<number> {
    const woken = await rows(this.dataSource, WAKE_SLOT, [slot, epoch]);
    if (woken.length > 0) this.hints.due();
    return woken.length;
  }

  private liveProcesses(): Promise<Record<string, number>> {
    const now = monotonicMillis();
    if (this.counts === null || now - this.counts.at > COUNT_EVERY_MILLIS) {
      const bySlot = rows<{ slot: number; count: number }>(this.dataSource, COUNT_BY_SLOT).then((counted) =>
        Object.fromEntries(counted.map(({ slot, count }) => [String(slot), count])),
      );
      this.counts = { at: now, bySlot };
      bySlot.catch(() => (this.counts = null));
    }
    return this.counts.bySlot;
  }
}
