import type { WorkRow } from '@drover/contracts';
import { awaitedProcesses } from '@drover/process-model';
import type { LiveProcess } from './rows.js';
import type { Tables } from './tables.js';

/** What is due is handed out, and what waits for a handler is woken. */
export class DueWork {
  constructor(private readonly tables: Tables) {}

  /** Hands out due processes, the most important first; each falls due again after the lease. */
  claim(limit: number, leaseMillis: number): { work: WorkRow[]; nextInMillis: number | null } {
    const now = this.tables.now();
    const due: LiveProcess[] = [];
    for (const held of this.tables.live.values()) if (held.wakeAt <= now) due.push(held);
    due.sort((a, b) => a.wakeAt - b.wakeAt);
    const chosen = due.slice(0, limit * 4);
    chosen.sort((a, b) => b.row.priority - a.row.priority || a.wakeAt - b.wakeAt);
    const work = chosen.slice(0, limit).map((held) => {
      held.wakeAt = now + leaseMillis;
      return this.tables.workOf(held);
    });
    let next = Infinity;
    for (const { wakeAt } of this.tables.live.values()) next = Math.min(next, wakeAt);
    const nextInMillis = next === Infinity ? null : Math.max(0, next - now);
    const processIds = work.map(({ process }) => process.id);
    if (work.length > 0) this.tables.record({ kind: 'claim', limit, leaseMillis, processIds, nextInMillis });
    return { work, nextInMillis };
  }

  /** A live process with its resource, and the one that waits for its cancelled attempt. */
  load(processId: number): { live: WorkRow | null; successor: WorkRow | null } {
    const held = this.tables.live.get(processId);
    let successor: LiveProcess | null = null;
    for (const other of this.tables.live.values())
      if (other.row.predecessorId !== null && awaitedProcesses(other.row).includes(processId)) successor = other;
    return {
      live: held === undefined ? null : this.tables.workOf(held),
      successor: successor === null ? null : this.tables.workOf(successor),
    };
  }

  /** Wakes processes that wait for a handler. @returns how many */
  release(handler: string, limit: number): number {
    const now = this.tables.now();
    let released = 0;
    for (const held of this.tables.live.values()) {
      if (released >= limit || held.row.waitingHandler !== handler || held.wakeAt <= now) continue;
      held.wakeAt = now;
      held.row = { ...held.row, resend: true };
      released++;
    }
    this.tables.record({ kind: 'release', handler, limit, released });
    return released;
  }

  /** Wakes the oldest waiting process of each absent handler. @returns how many */
  wakeOldestWaiting(): number {
    const now = this.tables.now();
    const oldest = new Map<string, LiveProcess>();
    for (const held of this.tables.live.values()) {
      const { waitingHandler, id } = held.row;
      if (waitingHandler === null) continue;
      const other = oldest.get(waitingHandler);
      if (other === undefined || id < other.row.id) oldest.set(waitingHandler, held);
    }
    let woken = 0;
    for (const held of oldest.values()) {
      if (held.wakeAt <= now) continue;
      held.wakeAt = now;
      woken++;
    }
    if (woken > 0) this.tables.record({ kind: 'wakeOldest', woken });
    return woken;
  }
}
