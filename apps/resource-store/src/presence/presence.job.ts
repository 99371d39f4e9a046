import { rows } from '@drover/database';
import { sleep } from '@drover/kernel';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Hints } from '../observability/hints.js';
import { StoreLog } from '../observability/store-log.js';
import { WAKE_OLDEST_WAITING } from '../sql/presence.sql.js';

const EVERY_MILLIS = 1_000;

/** Once a second, one waiting event per absent handler is tried again. The rest wait until that one is heard. */
@Injectable()
export class PresenceJob {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly hints: Hints,
    private readonly log: StoreLog,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const woken = await rows(this.dataSource, WAKE_OLDEST_WAITING);
        if (woken.length > 0) this.hints.due();
      } catch (error) {
        this.log.warn({ error }, 'waiting processes were not woken; the next second tries again');
      }
      await sleep(EVERY_MILLIS, signal);
    }
  }
}
