import { SUBJECTS } from '@drover/contracts';
import { sleep } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import { Injectable } from '@nestjs/common';
import { StoreLog } from '../observability/store-log.js';
import { AdmissionsService } from './admissions.service.js';
import { PausesService } from './pauses.service.js';

/** While a gate holds a process. */
const EVERY_MILLIS = 500;
/** Between two batches of what a lifted pause held: 2,000 processes a second. */
const NEXT_BATCH_MILLIS = 250;
/** While no gate holds anything: hints tell of what could change that, and are safe to lose. */
const IDLE_MILLIS = 5_000;

/** Wakes what lifted pauses held, at a bounded rate, and what waits for a place that nobody asks for any more. */
@Injectable()
export class GatesJob {
  private hinted = false;
  private idle = new AbortController();

  constructor(
    private readonly pauses: PausesService,
    private readonly admissions: AdmissionsService,
    private readonly bus: MessageBus,
    private readonly log: StoreLog,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
    const hint = (): void => this.hint();
    const subscription = this.bus.connection.subscribe(SUBJECTS.hint.gates, { callback: hint });
    signal.addEventListener('abort', hint, { once: true });
    try {
      while (!signal.aborted) {
        this.hinted = false;
        const wait = await this.once();
        if (wait < IDLE_MILLIS) await sleep(wait, signal);
        else if (!this.hinted) {
          this.idle = new AbortController();
          await sleep(wait, this.idle.signal);
        }
      }
    } finally {
      subscription.unsubscribe();
    }
  }

  /** @returns how long to wait before the next pass, milliseconds */
  private async once(): Promise<number> {
    try {
      if (!(await this.pauses.anyHeld())) return IDLE_MILLIS;
      const more = await this.pauses.wakeLifted();
      await this.admissions.wakeOverlooked();
      return more ? NEXT_BATCH_MILLIS : EVERY_MILLIS;
    } catch (error) {
      this.log.warn({ error }, 'held processes were not woken; the next half second tries again');
      return EVERY_MILLIS;
    }
  }

  private hint(): void {
    this.hinted = true;
    this.idle.abort();
  }
}
