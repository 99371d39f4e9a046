import type { DataSource, QueryRunner } from 'typeorm';

/** Key of the advisory lock that boots take; any fixed number, the same in all versions. */
const BOOT_LOCK = 727_100_001;

/**
 * Runs `work` while no other replica boots: a session-level advisory lock on a connection of its own, which the server frees when
 * the connection ends, however it ends.
 */
export async function withBootLock<T>(dataSource: DataSource, work: (runner: QueryRunner) => Promise<T>): Promise<T> {
  const runner = dataSource.createQueryRunner();
  await runner.connect();
  try {
    // Another replica may be migrating for minutes: this one statement waits without bound.
    await runner.query('set statement_timeout = 0');
    await runner.query('set lock_timeout = 0');
    await runner.query('select pg_advisory_lock($1)', [BOOT_LOCK]);
    return await work(runner);
  } finally {
    await runner.query('select pg_advisory_unlock($1)', [BOOT_LOCK]).catch(() => undefined);
    await runner.query('reset statement_timeout').catch(() => undefined);
    await runner.query('reset lock_timeout').catch(() => undefined);
    await runner.release();
  }
}
