import { sleep } from '@drover/kernel';
import { Injectable } from '@nestjs/common';
import { StoreLog } from '../observability/store-log.js';
import { AdmissionsService } from './admissions.service.js';
import { PausesService } from './pauses.service.js';

const EVERY_MILLIS = 500;
/** Between two batches of what a lifted pause held: 2,000 processes a second. */
const NEXT_BATCH_MILLIS = 250;

/** Wakes what lifted pauses held, at a bounded rate, and what waits for a place that nobody asks for any more. */
@Injectable()
export class GatesJob {
  constructor(
    private readonly pauses: PausesService,
    private readonly admissions: AdmissionsService,
    private readonly log: StoreLog,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let more = false;
      try {
        more = await this.pauses.wakeLifted();
        await this.admissions.wakeOverlooked();
      } catch (error) {
        this.log.warn({ error }, 'held processes were not woken; the next half second tries again');
      }
      await sleep(more ? NEXT_BATCH_MILLIS : EVERY_MILLIS, signal);
    }
  }
}
