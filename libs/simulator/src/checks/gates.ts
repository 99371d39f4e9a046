import type { HandlerLimits, ProcessRow, WorkRow } from '@drover/contracts';
import { splitScope } from '@drover/process-model';
import type { Applied, LiveProcess } from '../store/rows.js';
import type { Cause } from './cause.js';
import { attemptOf, type Fail, handlerNow, handlerOf, hasAttempt, isPaused, type Setting } from './setting.js';

/** What is held and could go on does so within this time, where nothing fails; and where things do. */
const SOON_MILLIS = 4_000;
const AT_LAST_MILLIS = 90_000;
/** An outcome is told within this time, where nothing fails. */
const TOLD_MILLIS = 150;
const TOGETHER_MILLIS = 100;
/** Ends of a process that a pause keeps back. */
const ARRIVED: ReadonlySet<string> = new Set(['DONE', 'ALREADY_DONE', 'CHAIN']);

interface OpenAttempt {
  handler: string;
  dispatch: number;
  /** it has a place */
  limited: boolean;
}

/** Pauses, in-flight limits and circuits: what may not begin does not, and what may does. */
export class GateChecks {
  /** by process */
  private readonly open = new Map<number, OpenAttempt>();
  private readonly places = new Map<number, { handler: string; limits: HandlerLimits }>();
  /** by process: what was left of its longest life when a pause began to hold it, milliseconds, or null */
  private readonly stopped = new Map<number, number | null>();
  /** by process: since when it could have gone on */
  private readonly roomSince = new Map<number, number>();
  /** by handler: failures that were answered in a row */
  private readonly failures = new Map<string, { inARow: number; at: number }>();

  constructor(
    private readonly setting: Setting,
    private readonly fail: Fail,
  ) {}

  /** The store gives places at a handler. */
  admitted(handler: string, limits: HandlerLimits, work: readonly WorkRow[]): void {
    const { store, now } = this.setting;
    const openedUntil = store.handlerGates.get(handler)?.openedUntil ?? null;
    for (const { process } of work) {
      this.places.set(process.id, { handler, limits });
      if (openedUntil !== null && openedUntil > now())
        this.fail(`gates: process ${process.id} is admitted to ${handler}, whose circuit is open`);
    }
  }

  applied(applied: Applied, newAttempt: boolean, cause: Cause): void {
    const { guarded, live, ended } = applied;
    this.outcome(applied, cause);
    for (const { row } of ended) this.left(row.id);
    if (live === null) {
      const end = ended[0];
      if (end !== undefined && ARRIVED.has(end.exitReason)) this.arrived(end.row);
      return;
    }
    const { row } = live;
    // Who was held when it was lifted may stay so until it is woken.
    if (isPaused(row) && guarded?.row.heldBy !== row.heldBy && !this.setting.store.pauses.has(row.heldBy!))
      this.fail(`gates: process ${row.id} is held by ${row.heldBy}, which is not paused`);
    this.total(guarded?.row.id === row.id ? guarded : null, live);
    if (newAttempt) this.began(row);
    else if (!hasAttempt(row) || this.open.get(row.id)?.dispatch !== row.dispatch) this.open.delete(row.id);
  }

  /** Is anything held for longer than it has to be? */
  tick(): void {
    const { store, now, sound } = this.setting;
    const slack = sound ? SOON_MILLIS : AT_LAST_MILLIS;
    for (const { row } of store.live.values()) {
      if (!this.hasRoom(row)) {
        this.roomSince.delete(row.id);
        continue;
      }
      const since = this.roomSince.get(row.id);
      if (since === undefined) this.roomSince.set(row.id, now());
      else if (now() - since > slack)
        this.fail(
          `gates: process ${row.id} is held by ${row.heldBy} for ${Math.round(now() - since)} ms, and has room`,
        );
    }
    if (sound) this.circuits();
  }

  private began(row: ProcessRow): void {
    const handler = handlerOf(row);
    for (const scope of this.pausesOf(row, handler))
      this.fail(`gates: attempt ${attemptOf(row.id, row.dispatch)} begins, and ${scope} is paused`);
    const limits = handlerNow(this.setting, handler)?.limits ?? null;
    this.open.set(row.id, { handler, dispatch: row.dispatch, limited: limits !== null });
    const place = this.places.get(row.id);
    this.places.delete(row.id);
    if (limits === null) return;
    if (place?.handler !== handler) {
      this.fail(`gates: attempt ${attemptOf(row.id, row.dispatch)} begins without a place at ${handler}`);
      return;
    }
    // It may have been given when the limit was another one.
    const most = Math.max(limits.maxInFlight ?? Infinity, place.limits.maxInFlight ?? Infinity);
    const count = this.countOpen(handler);
    if (count > most) this.fail(`gates: ${handler} has ${count} attempts at once; ${most} are allowed`);
  }

  private left(id: number): void {
    this.open.delete(id);
    this.places.delete(id);
    this.stopped.delete(id);
    this.roomSince.delete(id);
  }

  /** A process reaches its end: no pause of the resource may be set. */
  private arrived(row: ProcessRow): void {
    for (const scope of this.pausesOf(row, null)) this.fail(`gates: process ${row.id} ends, and ${scope} is paused`);
  }

  /** The pauses that are set for a process, and for the handler whose turn it is. */
  private pausesOf({ resourceType, resourceId }: ProcessRow, handler: string | null): string[] {
    const scopes = ['cluster', `type/${resourceType}`, `resource/${resourceId}`];
    if (handler !== null) scopes.push(`handler/${handler}`);
    return scopes.filter((scope) => this.setting.store.pauses.has(scope));
  }

  /** The total stands still while a pause holds the process. */
  private total(guarded: LiveProcess | null, { row, totalDeadline }: LiveProcess): void {
    const left = totalDeadline === null ? null : totalDeadline - Math.floor(this.setting.now());
    const before = guarded !== null && isPaused(guarded.row);
    if (!before && isPaused(row)) this.stopped.set(row.id, left);
    if (!before || isPaused(row)) return;
    const noted = this.stopped.get(row.id);
    this.stopped.delete(row.id);
    if (noted !== undefined && noted !== left)
      this.fail(`gates: a pause took ${noted! - left!} ms of the life of process ${row.id}`);
  }

  private countOpen(handler: string): number {
    let count = 0;
    for (const one of this.open.values()) if (one.limited && one.handler === handler) count++;
    return count;
  }

  /** Could the process go on? */
  private hasRoom(row: ProcessRow): boolean {
    const { store, now } = this.setting;
    if (row.status !== 'held' || row.heldBy === null) return false;
    if (isPaused(row)) return !store.pauses.has(row.heldBy);
    const [, handler] = splitScope(row.heldBy);
    const limits = handlerNow(this.setting, handler)?.limits ?? null;
    if (limits === null || row.admitted !== null) return false;
    const openedUntil = store.handlerGates.get(handler)?.openedUntil ?? null;
    if (openedUntil !== null && openedUntil > now()) return false;
    const places = openedUntil === null ? (limits.maxInFlight ?? Infinity) : 1;
    let taken = 0;
    for (const other of store.live.values()) if (other.row.admitted === handler) taken++;
    return taken < places;
  }

  /** An attempt was answered: what its handler's circuit has to be told. */
  private outcome({ guarded }: Applied, cause: Cause): void {
    if (guarded === null || cause.kind !== 'input' || cause.input.kind !== 'reply') return;
    const { row } = guarded;
    const { reply, dispatch } = cause.input;
    if (row.status === 'canceling' || dispatch !== row.dispatch || cause.processId !== row.id) return;
    if (reply.kind === 'progress' || reply.kind === 'rejected') return;
    const handler = handlerOf(row);
    if (handlerNow(this.setting, handler)?.limits?.circuitBreaker == null) return void this.failures.delete(handler);
    const failed = reply.kind === 'failed' && reply.error.retryable;
    if (this.setting.sound) this.circuits();
    const last = this.failures.get(handler);
    const now = this.setting.now();
    // Of two that come together, nobody knows which is told first.
    const follows = last !== undefined && now - last.at > TOGETHER_MILLIS;
    this.failures.set(handler, { inARow: failed ? (follows ? last.inARow : 0) + 1 : 0, at: now });
  }

  private circuits(): void {
    const { store, now } = this.setting;
    for (const [handler, { inARow, at }] of this.failures) {
      const breaker = handlerNow(this.setting, handler)?.limits?.circuitBreaker ?? null;
      if (breaker === null || inARow < breaker.failures || now() - at < TOLD_MILLIS) continue;
      if ((store.handlerGates.get(handler)?.openedUntil ?? null) === null)
        this.fail(`gates: ${handler} failed ${inARow} times in a row, and its circuit is closed`);
    }
  }
}
