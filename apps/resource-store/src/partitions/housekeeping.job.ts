import { rows } from '@drover/database';
import { sleep } from '@drover/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { StoreLog } from '../observability/store-log.js';
import { SETTINGS, type StoreSettings } from '../settings.js';
import { databaseDay, dropExpired, ensurePartitions, type PartitionedTable } from './partitions.js';

const HOUR_MILLIS = 3_600_000;
/** Commands deleted per statement: no long lock, no burst of write-ahead log. */
const COMMANDS_PER_STATEMENT = 5_000;

/** Hourly: partitions ahead, old ones dropped, commands of more than a day ago deleted. */
@Injectable()
export class HousekeepingJob {
  private readonly tables: PartitionedTable[];

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    @Inject(SETTINGS) settings: StoreSettings,
    private readonly log: StoreLog,
  ) {
    this.tables = [
      { name: 'feed', retentionDays: settings.feedRetentionDays },
      { name: 'process_finished', retentionDays: settings.historyRetentionDays },
    ];
  }

  /** Before the service serves: without a partition no commit succeeds. */
  async ensure(): Promise<void> {
    const today = await databaseDay(this.dataSource);
    for (const table of this.tables) await ensurePartitions(this.dataSource, table, today);
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.once(signal);
      } catch (error) {
        this.log.error({ error }, 'housekeeping failed; the next hour tries again');
      }
      await sleep(HOUR_MILLIS, signal);
    }
  }

  async once(signal: AbortSignal): Promise<void> {
    // A connection of its own: detaching waits for every older reader, longer than a statement may take elsewhere.
    const runner = this.dataSource.createQueryRunner();
    try {
      await runner.query('set statement_timeout = 0');
      const today = await databaseDay(runner);
      for (const table of this.tables) {
        await ensurePartitions(runner, table, today);
        const dropped = await dropExpired(runner, table, today);
        if (dropped.length > 0) this.log.info({ dropped }, 'partitions past their retention were dropped');
      }
      await this.deleteOldCommands(signal);
    } finally {
      await runner.query('reset statement_timeout').catch(() => undefined);
      await runner.release();
    }
  }

  private async deleteOldCommands(signal: AbortSignal): Promise<void> {
    for (let more = true; more && !signal.aborted;) {
      const deleted = await rows(
        this.dataSource,
        `delete from command where id = any (array(
           select id from command where created < now() - interval '24 hours' limit $1))
         returning 1`,
        [COMMANDS_PER_STATEMENT],
      );
      more = deleted.length === COMMANDS_PER_STATEMENT;
      await sleep(50, signal);
    }
  }
}
