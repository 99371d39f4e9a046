import { withBootLock } from '@drover/database';
import { fileURLToPath } from 'node:url';
import type { INestApplicationContext } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { HousekeepingJob } from './partitions/housekeeping.job.js';
import { DefinitionFolder } from './registry/definition-folder.js';
import { SETTINGS, type StoreSettings } from './settings.js';
import { ensureShard } from './shards/shard.js';
import { SlotsService } from './slots/slots.service.js';

/** Shipped with the service, beside its sources and its build alike. */
const SYSTEM_DEFINITIONS = fileURLToPath(new URL('../definitions', import.meta.url));

/** What must be true before the first request is answered. One replica at a time; a second one finds it done. */
export async function prepareDatabase(app: INestApplicationContext): Promise<void> {
  const dataSource = app.get(DataSource);
  const settings = app.get<StoreSettings>(SETTINGS);
  await withBootLock(dataSource, async () => {
    await dataSource.runMigrations();
    await ensureShard(dataSource, settings.shard);
    await app.get(HousekeepingJob).ensure();
    await app.get(SlotsService).prepare();
    const folder = app.get(DefinitionFolder);
    await folder.apply(SYSTEM_DEFINITIONS, { system: true });
    if (settings.definitions !== undefined) await folder.apply(settings.definitions, { system: false });
  });
}
