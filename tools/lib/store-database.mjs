/** Needs a build (`npm run build`): the store's own migrations make the tables. */
import 'reflect-metadata';
import { createDataSource } from '../../libs/database/dist/index.js';
import { ENTITIES } from '../../apps/resource-store/dist/entities/index.js';
import { MIGRATIONS } from '../../apps/resource-store/dist/migrations/index.js';
import { databaseDay, ensurePartitions } from '../../apps/resource-store/dist/partitions/partitions.js';

/** A database as the store leaves it at its first boot: migrated, with partitions. The caller destroys the data source. */
export async function openStoreDatabase(url, applicationName) {
  const dataSource = createDataSource({
    url,
    applicationName,
    entities: ENTITIES,
    migrations: MIGRATIONS,
    poolSize: 4,
  });
  await dataSource.initialize();
  try {
    await dataSource.runMigrations();
    const today = await databaseDay(dataSource);
    for (const name of ['feed', 'process_finished'])
      await ensurePartitions(dataSource, { name, retentionDays: 30 }, today);
    return dataSource;
  } catch (error) {
    await dataSource.destroy();
    throw error;
  }
}

/** Calls with a function that runs one statement, on a connection whose statements may take as long as they need. */
export async function patiently(dataSource, work) {
  const runner = dataSource.createQueryRunner();
  try {
    await runner.query('set statement_timeout = 0');
    return await work((sql) => runner.query(sql));
  } finally {
    await runner.release();
  }
}
