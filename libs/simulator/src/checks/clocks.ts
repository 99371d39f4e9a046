import type { Applied, LiveProcess } from '../store/rows.js';
import { type Cause, operatedBy } from './cause.js';
import {
  definitionOf,
  type Fail,
  handlerNow,
  handlerOf,
  hopAndStep,
  isPaused,
  type Setting,
  stepOf,
  WORKING,
} from './setting.js';

/** What is over ends within this time, where nothing fails; and where things do. */
const SOON_MILLIS = 2_000;
const AT_LAST_MILLIS = 120_000;
/** Where the end of a process's longest life changes nothing any more. */
const TIMELESS: ReadonlySet<string> = new Set(['parked', 'canceling']);
const BETWEEN_ATTEMPTS: ReadonlySet<string> = new Set([...WORKING, 'backoff', 'delayed']);

interface RunningAttempt {
  dispatch: number;
  since: number;
  heardAt: number;
}

/** Nothing takes longer than its clocks allow: silence, attempts, a handler's attempts of a step, the life of a process. */
export class ClockChecks {
  /** by process: the attempt whose clock runs */
  private readonly attempts = new Map<number, RunningAttempt>();
  /** by process: since when its handler has been at the step it is at */
  private readonly steps = new Map<number, { step: string; since: number; dispatch: number }>();
  /** by process: when its longest life ends; moved on by pauses */
  private readonly lives = new Map<number, number>();
  private readonly pausedSince = new Map<number, number>();
  private readonly slack: number;

  constructor(
    private readonly setting: Setting,
    private readonly fail: Fail,
  ) {
    this.slack = setting.sound ? SOON_MILLIS : AT_LAST_MILLIS;
  }

  applied({ transition, guarded, live, ended }: Applied, cause: Cause): void {
    for (const { row } of ended) this.forget(row.id);
    if (live === null) return;
    const { row } = live;
    const now = this.setting.now();
    if (transition.start !== null && transition.start.totalMillis !== null)
      this.lives.set(row.id, now + transition.start.totalMillis);
    this.pause(live);
    this.wakesInTime(live);
    this.attempt(live, cause);
    this.step(live, operatedBy(cause) !== null || guarded === null);
  }

  tick(): void {
    for (const { row } of this.setting.store.live.values()) {
      const now = this.setting.now();
      const over = (since: number, millis: number): boolean => now - since > millis + this.slack;
      const life = this.lives.get(row.id);
      if (life !== undefined && !isPaused(row) && !TIMELESS.has(row.status) && over(life, 0))
        this.fail(`clocks: process ${row.id} is ${row.status}, ${now - life} ms after the end of its longest life`);
      const handler = handlerNow(this.setting, handlerOf(row));
      const definition = definitionOf(this.setting, row);
      // Of a handler that is not registered any more, an attempt ends with the clock that it began with.
      if (handler === undefined || definition === null) continue;
      const total = handler.totalMillis ?? null;
      const step = this.steps.get(row.id);
      if (total !== null && step !== undefined && BETWEEN_ATTEMPTS.has(row.status) && over(step.since, total))
        this.fail(`clocks: ${handler.name} is at process ${row.id} for ${now - step.since} ms; its total is ${total}`);
      const attempt = this.attempts.get(row.id);
      if (attempt === undefined || !WORKING.has(row.status)) continue;
      const timeout = handler.timeoutMillis ?? definition.timeoutMillis;
      const heartbeat = handler.heartbeatMillis ?? definition.heartbeatMillis;
      if (over(attempt.heardAt, heartbeat ?? timeout))
        this.fail(`clocks: ${handler.name} is silent about process ${row.id} for ${now - attempt.heardAt} ms`);
      if (heartbeat !== null && over(attempt.since, timeout))
        this.fail(`clocks: an attempt of process ${row.id} lasts ${now - attempt.since} ms; ${timeout} are allowed`);
    }
  }

  private forget(id: number): void {
    this.attempts.delete(id);
    this.steps.delete(id);
    this.lives.delete(id);
    this.pausedSince.delete(id);
  }

  private pause({ row }: LiveProcess): void {
    const now = this.setting.now();
    const since = this.pausedSince.get(row.id);
    if (isPaused(row)) {
      if (since === undefined) this.pausedSince.set(row.id, now);
      return;
    }
    if (since === undefined) return;
    this.pausedSince.delete(row.id);
    const life = this.lives.get(row.id);
    if (life !== undefined) this.lives.set(row.id, life + now - since);
  }

  private wakesInTime({ row, wakeAt, totalDeadline }: LiveProcess): void {
    if (totalDeadline === null || totalDeadline <= this.setting.now()) return;
    if (wakeAt > totalDeadline && !isPaused(row) && !TIMELESS.has(row.status))
      this.fail(`8: process ${row.id} (${row.status}) sleeps past the end of its longest life`);
  }

  /** The clock of an attempt runs from its beginning; of a durable one, from when its event was seen to be taken. */
  private attempt({ row, deadline }: LiveProcess, cause: Cause): void {
    const now = this.setting.now();
    const known = this.attempts.get(row.id);
    if (!WORKING.has(row.status) || deadline === null) {
      this.attempts.delete(row.id);
      return;
    }
    if (known?.dispatch !== row.dispatch) {
      this.attempts.set(row.id, { dispatch: row.dispatch, since: now, heardAt: now });
      return;
    }
    const heard = cause.kind === 'input' && cause.input.kind === 'reply' && cause.input.reply.kind === 'progress';
    if (heard) known.heardAt = now;
  }

  private step({ row }: LiveProcess, anew: boolean): void {
    const step = hopAndStep(row, stepOf(row) ?? '');
    const known = this.steps.get(row.id);
    const running = this.attempts.get(row.id);
    // Who was never heard has not begun; a pause lets it begin anew.
    const unheard = row.status === 'waitingHandler' && known?.dispatch === row.dispatch;
    if (isPaused(row) || anew || unheard || known?.step !== step) this.steps.delete(row.id);
    if (running !== undefined && !this.steps.has(row.id))
      this.steps.set(row.id, { step, since: running.since, dispatch: row.dispatch });
  }
}
