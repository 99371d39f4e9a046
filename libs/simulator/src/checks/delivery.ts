import type { ProcessRow } from '@drover/contracts';
import { attemptId } from '@drover/process-model';
import type { Applied, LiveProcess } from '../store/rows.js';
import type { Cause } from './cause.js';
import { attemptOf, type Fail, handlerNow, handlerOf, hasAttempt, type Setting } from './setting.js';

/** The event of an attempt that is over is out of the stream within this time, where nothing fails. */
const WITHDRAWN_MILLIS = 2_500;

/** Durable delivery: an event waits as long as it must, costs no time until it is taken, and is not given to anybody too late. */
export class DeliveryChecks {
  /** by attempt: how often its event reached a handler */
  private readonly deliveries = new Map<string, number>();
  /** by process: the attempt that is out in the stream */
  private readonly out = new Map<number, number>();
  /** by attempt that was out in the stream: when it was over */
  private readonly overSince = new Map<string, number>();
  /** attempts whose event is known to be in the stream */
  private readonly stored = new Set<string>();

  constructor(
    private readonly setting: Setting,
    private readonly fail: Fail,
  ) {}

  applied({ guarded, live, ended }: Applied, cause: Cause): void {
    for (const { row } of ended) this.over(row.id);
    if (live === null) return;
    const { row } = live;
    const attempt = attemptOf(row.id, row.dispatch);
    if (this.out.get(row.id) !== row.dispatch || !hasAttempt(row)) this.over(row.id);
    if (row.progress['work'] !== undefined) {
      this.out.set(row.id, row.dispatch);
      this.clock(live, attempt);
    }
    if (guarded !== null && cause.kind === 'input' && cause.input.kind === 'stored') this.stored.add(attempt);
  }

  /** An engine sends the event of a durable attempt. */
  emitted({ id, dispatch, progress }: ProcessRow): void {
    const attempt = attemptOf(id, dispatch);
    // A broker that lost its disk, or an answer that did, is a reason to send once more.
    if (progress['work'] === undefined || !this.setting.sound || !this.stored.has(attempt)) return;
    this.fail(`15: ${attempt} is in the stream, and is sent again`);
  }

  /** An event reaches a handler. */
  took({ process, dispatch }: { process: number; dispatch: number }): void {
    const attempt = attemptOf(process, dispatch);
    const count = (this.deliveries.get(attempt) ?? 0) + 1;
    this.deliveries.set(attempt, count);
    if (count > 1 && this.setting.calm) this.fail(`15: ${attempt} was delivered twice, and nothing was wrong`);
    const over = this.overSince.get(attempt);
    if (this.setting.sound && over !== undefined && this.setting.now() - over > WITHDRAWN_MILLIS)
      this.fail(`15: ${attempt} is delivered ${Math.round(this.setting.now() - over)} ms after it was over`);
  }

  /** No clock of an attempt runs before somebody has its event. */
  private clock({ row, deadline }: LiveProcess, attempt: string): void {
    if (deadline === null || row.status === 'canceling' || this.deliveries.has(attempt)) return;
    // Of a handler that was deactivated, one attempt's time is given to whoever may have taken it by now.
    if (handlerNow(this.setting, handlerOf(row)) === undefined) return;
    if (this.setting.work.waits(attemptId(row.id, row.dispatch)))
      this.fail(`15: the clock of ${attempt} runs, and its event waits for its handler`);
  }

  private over(process: number): void {
    const dispatch = this.out.get(process);
    if (dispatch === undefined) return;
    this.out.delete(process);
    this.overSince.set(attemptOf(process, dispatch), this.setting.now());
  }
}
