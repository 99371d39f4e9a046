import { waitFor } from '@drover/testing';
import type { TestStore } from './start-store.js';

const WAITING = `
select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and pid <> pg_backend_pid()`;

/** Until so many sessions of the store's database wait for a lock. */
export async function untilWaiting(store: TestStore, count: number): Promise<void> {
  await waitFor(async () => (await store.sql(WAITING)).length >= count, { what: `${count} sessions wait for a lock` });
}
