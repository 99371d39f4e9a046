import { oneRow, rows } from '@drover/database';
import { sleep } from '@drover/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { StoreLog } from '../observability/store-log.js';
import { DELETE_COMMANDS, DELETE_DEFINITION_VERSIONS, DELETE_GATES, DELETE_PURGED } from '../sql/clean-up.sql.js';
import { SETTINGS, type StoreSettings } from '../settings.js';
import { databaseDay, dropExpired, ensurePartitions, type PartitionedTable } from './partitions.js';

const HOUR_MILLIS = 3_600_000;
/** Commands deleted per statement: no long lock, no burst of write-ahead log. */
const COMMANDS_PER_STATEMENT = 5_000;
/** Purged resources looked at per statement: each costs a look into the index of every partition. */
const PURGED_PER_STATEMENT = 500;
/** Definition versions deleted per statement; a document may be 1 MiB. */
const DEFINITIONS_PER_STATEMENT = 100;
/** Gates of handlers deleted per statement. */
const GATES_PER_STATEMENT = 500;

/** What one statement did, and where the next goes on. */
interface PurgedPage {
  after: string;
  afterId: number;
  looked: number;
  deleted: number;
}

/**
 * Hourly: partitions ahead, old ones dropped; commands of more than a day ago, replaced definition versions, gates of handlers that tell
 * nothing, and purged resources deleted.
 * In this order: a purged resource goes after the last of its history.
 */
@Injectable()
export class HousekeepingJob {
  private readonly tables: PartitionedTable[];
  /** after this many days the last history row of anything has been dropped */
  private readonly historyDays: number;

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    @Inject(SETTINGS) settings: StoreSettings,
    private readonly log: StoreLog,
  ) {
    this.tables = [
      { name: 'feed', retentionDays: settings.feedRetentionDays },
      { name: 'process_finished', retentionDays: settings.historyRetentionDays },
    ];
    this.historyDays = Math.max(...this.tables.map(({ retentionDays }) => retentionDays)) + 1;
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
      await this.deleteAll(DELETE_COMMANDS, [], COMMANDS_PER_STATEMENT, signal);
      await this.deleteAll(DELETE_DEFINITION_VERSIONS, [this.historyDays], DEFINITIONS_PER_STATEMENT, signal);
      await this.deleteAll(DELETE_GATES, [this.historyDays], GATES_PER_STATEMENT, signal);
      const purged = await this.deletePurged(signal);
      if (purged > 0) this.log.info({ purged }, 'purged resources whose history is gone were deleted');
    } finally {
      await runner.query('reset statement_timeout').catch(() => undefined);
      await runner.release();
    }
  }

  private async deletePurged(signal: AbortSignal): Promise<number> {
    let place = { after: '-infinity', afterId: 0 };
    for (let deleted = 0; ;) {
      const values = [this.historyDays, PURGED_PER_STATEMENT, place.after, place.afterId];
      const page = await oneRow<PurgedPage>(this.dataSource, DELETE_PURGED, values);
      deleted += page?.deleted ?? 0;
      if (page === undefined || page.looked < PURGED_PER_STATEMENT || signal.aborted) return deleted;
      place = page;
      await sleep(50, signal);
    }
  }

  /** Statement after statement, each bounded, until one finds less than it may take. */
  private async deleteAll(sql: string, values: unknown[], atMost: number, signal: AbortSignal): Promise<number> {
    for (let deleted = 0; ;) {
      const gone = await rows(this.dataSource, sql, [...values, atMost]);
      deleted += gone.length;
      if (gone.length < atMost || signal.aborted) return deleted;
      await sleep(50, signal);
    }
  }
}
