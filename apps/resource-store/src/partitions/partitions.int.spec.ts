import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readFeed } from '@drover/contracts';
import { startStore, type TestStore } from '../testing/start-store.js';
import { create, finish } from '../testing/transitions.js';
import { HousekeepingJob } from './housekeeping.job.js';
import { databaseDay, DAYS_AHEAD, dropExpired, ensurePartitions, partitionDay, partitionName } from './partitions.js';

let store: TestStore;
beforeAll(async () => {
  store = await startStore();
});
afterAll(() => store[Symbol.asyncDispose]());

const feed = { name: 'feed', retentionDays: 7 } as const;
const attached = async (table: string): Promise<string[]> =>
  (
    await store.sql<{ name: string }>(
      'select inhrelid::regclass::text as name from pg_inherits where inhparent = to_regclass($1) order by 1',
      [table],
    )
  ).map(({ name }) => name);

describe('partitions', () => {
  it('exist for at least seven days ahead once the store serves', async () => {
    const today = await databaseDay(store.dataSource);
    for (const table of ['feed', 'process_finished'])
      expect(await attached(table)).toContain(partitionName(table, today + DAYS_AHEAD));
    expect(DAYS_AHEAD).toBeGreaterThanOrEqual(7);
  });

  it('are made once, and again when one is missing', async () => {
    const today = await databaseDay(store.dataSource);
    expect(await ensurePartitions(store.dataSource, feed, today)).toEqual([]);
    expect(await ensurePartitions(store.dataSource, feed, today + 1)).toEqual([
      partitionName('feed', today + 1 + DAYS_AHEAD),
    ]);
  });

  it('past their retention are dropped, and the feed says that it no longer reaches that far', async () => {
    const { resourceId, processId } = await store.applied(create('creating'));
    await store.applied(finish(resourceId, processId!, 1));
    await store.sql('update relay set published = (select max(id) from feed)');
    const today = await databaseDay(store.dataSource);
    // Seen from eight days ahead, today's partition has passed its retention.
    const dropped = await dropExpired(store.dataSource, feed, today + 8);
    expect(dropped).toContain(partitionName('feed', today));
    expect(await store.sql('select 1 from feed')).toEqual([]);
    expect(await store.bus.request(readFeed, { after: 0, limit: 10 })).toMatchObject({ gone: true, events: [] });
    await ensurePartitions(store.dataSource, feed, today);
    const { resourceId: next } = await store.applied(create());
    await store.sql('update relay set published = (select max(id) from feed)');
    const [last] = await store.sql<{ trimmed: number }>('select trimmed from relay');
    expect((await store.bus.request(readFeed, { after: last!.trimmed, limit: 10 })).events).toMatchObject([
      { revision: 1, resourceId: `1v${next}` },
    ]);
  });

  it('that a crash left detached are dropped too', async () => {
    const today = await databaseDay(store.dataSource);
    const old = partitionName('feed', today - 30);
    await store.sql(`create table ${old} (like feed)`);
    expect(await dropExpired(store.dataSource, feed, today)).toContain(old);
  });

  it('names say their day', () => {
    expect(partitionName('feed', 0)).toBe('feed_19700101');
    expect(partitionDay('feed', 'feed_19700102')).toBe(1);
    expect(partitionDay('feed', 'feed_19701399')).toBeNull();
    expect(partitionDay('feed', 'process_finished_19700101')).toBeNull();
  });
});

it('housekeeping deletes commands of more than a day ago', async () => {
  await store.sql(
    `insert into command (id, resource_id, created)
     select gen_random_uuid(), 1, now() - n * interval '6 hours' from generate_series(1, 8) n`,
  );
  await store.get(HousekeepingJob).once(new AbortController().signal);
  const [left] = await store.sql<{ count: number }>('select count(*)::int as count from command where resource_id = 1');
  expect(left!.count).toBe(3);
});
