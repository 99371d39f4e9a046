import { checkInvariants, countResources } from '@drover/contracts';
import { fillHistory, fillResources } from '@drover/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startStore, type TestStore } from './start-store.js';

const RESOURCES = 200;
const ROWS = 2_000;

let store: TestStore;
beforeAll(async () => void (store = await startStore({ background: 'off' })));
afterAll(() => store[Symbol.asyncDispose]());

const query = (sql: string) => store.sql(sql);
const resources = () =>
  fillResources(query, { resources: RESOURCES, type: 'filled', state: 'idle', revision: ROWS / RESOURCES });
const history = () =>
  fillHistory(query, { rows: ROWS, days: 5, feedDays: 4, resources: RESOURCES, type: 'filled', verbs: ['run'] });
const rows = async (table: string) => (await store.sql<{ n: number }>(`select count(*)::int as n from ${table}`))[0]!.n;

it('a fill that was interrupted goes on where it was, and one that is complete changes nothing', async () => {
  await resources();
  await history();
  expect([await rows('resource'), await rows('process_finished'), await rows('feed')]).toEqual([RESOURCES, ROWS, ROWS]);
  const [oldest] = await store.sql<{ name: string }>(
    `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'process_finished'::regclass order by 1 limit 1`,
  );
  // As it is found when the fill ended between the rows and the attaching.
  await store.sql(`alter table process_finished detach partition ${oldest!.name}`);
  await store.sql(`delete from resource_data where id > 150`);
  await store.sql(`delete from resource where id > 150`);
  await resources();
  await history();
  const complete = [RESOURCES, RESOURCES, ROWS, ROWS];
  const held = async () => [
    await rows('resource'),
    await rows('resource_data'),
    await rows('process_finished'),
    await rows('feed'),
  ];
  expect(await held()).toEqual(complete);
  await history();
  expect(await held()).toEqual(complete);
});

it('what is filled is what the store itself would have written', async () => {
  expect((await store.bus.request(checkInvariants, {})).violations).toEqual([]);
  const counted = await store.bus.request(countResources, { type: 'filled', filters: [], includeRemoved: false });
  expect(counted).toMatchObject({ total: RESOURCES });
});
