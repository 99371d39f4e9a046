import type { CircuitBreaker, CircuitState, HandlerLimits, WorkRow } from '@drover/contracts';
import { limitOf, splitScope } from '@drover/process-model';
import type { AdmitRequest } from './operations.js';
import { type Gate, isPause, type LiveProcess } from './rows.js';
import type { Tables } from './tables.js';

const WAKE_BATCH = 500;
/** Whoever was woken or claimed a moment ago is not woken again. */
const JUST_WOKEN_MILLIS = 6_000;

/** Places at handlers, circuits and pauses: what keeps attempts from beginning. */
export class Gates {
  constructor(private readonly tables: Tables) {}

  setPause(scope: string): void {
    const { tables } = this;
    if (tables.pauses.has(scope)) return;
    tables.pauses.set(scope, { scope, since: tables.now(), operator: 'ann', reason: null });
    if (tables.defects.quietPauses !== true || !scope.startsWith('resource/')) tables.registryRevision++;
    tables.record({ kind: 'pause', scope, set: true, woken: 0 });
  }

  /** @returns how many of those that it held are woken at once */
  liftPause(scope: string): number {
    const { tables } = this;
    tables.pauses.delete(scope);
    tables.registryRevision++;
    const woken = this.wakeHeld(scope);
    tables.record({ kind: 'pause', scope, set: false, woken });
    return woken;
  }

  /** The store's job: wakes what lifted pauses held. @returns how many */
  wakeLifted(): number {
    const { tables } = this;
    const lifted = new Set<string>();
    for (const { row } of tables.live.values())
      if (isPause(row.heldBy) && !tables.pauses.has(row.heldBy!)) lifted.add(row.heldBy!);
    let woken = 0;
    for (const scope of lifted) woken += this.wakeHeld(scope);
    if (woken > 0) tables.record({ kind: 'wakeLifted' });
    return woken;
  }

  /** The store's job: wakes those that wait for a place which nobody asks for any more. @returns how many */
  wakeOverlooked(): number {
    const { tables } = this;
    const now = tables.now();
    const byGate = new Map<string, LiveProcess[]>();
    const working = new Set<string>();
    for (const held of tables.live.values()) {
      const { heldBy, admitted } = held.row;
      if (admitted !== null) working.add(limitOf(admitted));
      if (heldBy === null || isPause(heldBy)) continue;
      const waiting = byGate.get(heldBy) ?? [];
      if (admitted === null) waiting.push(held);
      byGate.set(heldBy, waiting);
    }
    let woken = 0;
    for (const [gate, waiting] of byGate) {
      const openedUntil = tables.handlerGates.get(splitScope(gate)[1])?.openedUntil ?? null;
      if (openedUntil !== null && openedUntil > now) continue;
      const many = working.has(gate) || openedUntil !== null ? 1 : WAKE_BATCH;
      for (const held of byRank(waiting).slice(0, many)) {
        if (held.wakeAt <= now) continue;
        held.wakeAt = now;
        woken++;
      }
    }
    if (woken > 0) tables.record({ kind: 'wakeOverlooked' });
    return woken;
  }

  /** Takes in what became of attempts, then gives places to those that wait for them. */
  admit(request: AdmitRequest): {
    stale: boolean;
    work: WorkRow[];
    more: boolean;
    circuit: CircuitState;
    failures: number;
  } {
    const { tables } = this;
    const { handler, limits } = request;
    const now = tables.now();
    const stale = request.registryRevision < tables.registryRevision;
    const before = tables.handlerGates.get(handler) ?? { failures: 0, openedUntil: null };
    const gate = this.told(before, request.outcomes, limits.circuitBreaker);
    tables.handlerGates.set(handler, gate);
    const places = this.placesOf(limits, gate);
    const room = stale ? 0 : Math.max(0, places - this.taken(handler));
    const chosen = this.waitingFor(handler).slice(0, Math.min(room, request.limit));
    for (const held of chosen) {
      held.row = { ...held.row, admitted: handler, version: held.row.version + 1 };
      held.wakeAt = now + request.leaseMillis;
    }
    const work = chosen.map((held) => tables.workOf(held));
    if (circuitOf(gate, now) === 'open' && circuitOf(before, now) !== 'open') this.wakeHeld(limitOf(handler));
    const more = !stale && places > 0 && this.waitingFor(handler).length > 0 && this.taken(handler) < places;
    const answer = { stale, more, circuit: circuitOf(gate, now), failures: gate.failures };
    const processIds = chosen.map(({ row }) => row.id);
    tables.record({ kind: 'admit', request, processIds, ...answer });
    return { work, ...answer };
  }

  /** How many attempts of a handler have a place now. */
  taken(handler: string): number {
    if (this.tables.defects.noCount === true) return 0;
    let taken = 0;
    for (const { row } of this.tables.live.values()) if (row.admitted === handler) taken++;
    return taken;
  }

  private waitingFor(handler: string): LiveProcess[] {
    const waiting: LiveProcess[] = [];
    const gate = limitOf(handler);
    for (const held of this.tables.live.values())
      if (held.row.heldBy === gate && held.row.admitted === null) waiting.push(held);
    return byRank(waiting);
  }

  private placesOf({ maxInFlight }: HandlerLimits, gate: Gate): number {
    const circuit = circuitOf(gate, this.tables.now());
    if (circuit === 'open') return this.tables.defects.openAdmits === true ? 1 : 0;
    return circuit === 'halfOpen' ? 1 : (maxInFlight ?? Infinity);
  }

  /** What an open circuit admitted before says nothing about now; half open, one outcome decides. */
  private told(gate: Gate, { succeeded, failed }: AdmitRequest['outcomes'], breaker: CircuitBreaker | null): Gate {
    if (breaker === null) return { failures: 0, openedUntil: null };
    const circuit = circuitOf(gate, this.tables.now());
    if (circuit === 'open' || (!succeeded && failed === 0)) return gate;
    const failures = failed + (succeeded ? 0 : gate.failures);
    const opens = failures >= breaker.failures || (circuit === 'halfOpen' && failed > 0);
    return { failures, openedUntil: opens ? this.tables.now() + breaker.openMillis : null };
  }

  private wakeHeld(gate: string): number {
    const { tables } = this;
    const now = tables.now();
    if (tables.defects.sleepsOn === true && isPause(gate)) return 0;
    const held: LiveProcess[] = [];
    for (const one of tables.live.values())
      if (one.row.heldBy === gate && one.row.admitted === null && one.wakeAt > now + JUST_WOKEN_MILLIS) held.push(one);
    const woken = byRank(held).slice(0, WAKE_BATCH);
    for (const one of woken) one.wakeAt = now;
    return woken.length;
  }
}

function circuitOf({ openedUntil }: Gate, now: number): CircuitState {
  return openedUntil === null ? 'closed' : openedUntil > now ? 'open' : 'halfOpen';
}

/** The most important first, then the oldest. */
function byRank(rows: LiveProcess[]): LiveProcess[] {
  return rows.sort((a, b) => b.row.priority - a.row.priority || a.row.id - b.row.id);
}
