import {
  countProcesses,
  countResources,
  type Filter,
  listProcesses,
  listTransitions,
  type ProcessView,
} from '@drover/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { fillHistory } from '@drover/testing';
import { startStore, type TestStore } from '../testing/start-store.js';
import { create } from '../testing/transitions.js';

const ROWS = 60_000;
const RESOURCES = 600;

let store: TestStore;
/** statements that ran since the last look, with their values */
let ran: { text: string; values: unknown[] }[] = [];

beforeAll(async () => {
  store = await startStore();
  await fillHistory((sql) => store.sql(sql), { rows: ROWS, days: 10, feedDays: 7, resources: RESOURCES });
  for (let i = 0; i < 3; i++) await store.applied(create('creating'));
  const { dataSource } = store;
  const query = dataSource.query.bind(dataSource);
  dataSource.query = ((text: string, values: unknown[]) => {
    ran.push({ text, values });
    return query(text, values);
  }) as never;
});
afterAll(() => store[Symbol.asyncDispose]());

const list = (over: object = {}) =>
  store.bus.request(listProcesses, { ids: null, resourceId: null, filters: [], limit: 50, beforeId: null, ...over });
const count = (over: object = {}) => store.bus.request(countProcesses, { resourceId: null, filters: [], ...over });
const equal = (field: string, value: string): Filter[] => [{ field, modifier: 'eq', value }];

/** The plans of what a read ran. */
async function plansOf(read: () => Promise<unknown>): Promise<string> {
  ran = [];
  await read();
  const statements = ran.filter(({ text }) => text.trimStart().startsWith('select'));
  const plans: string[] = [];
  for (const { text, values } of statements) {
    const lines = await store.sql<{ 'QUERY PLAN': string }>(`explain (costs off) ${text}`, values);
    plans.push(lines.map((line) => line['QUERY PLAN']).join('\n'));
  }
  expect(plans.length).toBeGreaterThan(0);
  return plans.join('\n\n');
}

describe('a long history is read by its indexes', () => {
  it.each([
    ['the newest page', () => list(), 'keyless'],
    ['a page anywhere', () => list({ beforeId: ROWS }), 'keyless'],
    ['a page of one resource', () => list({ resourceId: 77 }), 'keyed'],
    ['processes by number', () => list({ ids: [RESOURCES + 2, RESOURCES + 4_000] }), 'keyed'],
    ['a page with a filter', () => list({ filters: equal('name', 'filled.stop') }), 'keyless'],
    ['a count', () => count(), 'keyless'],
    ['a count with a filter', () => count({ filters: equal('exitReason', 'FAILED') }), 'keyless'],
    ['a count of one resource', () => count({ resourceId: 77 }), 'keyed'],
  ])('%s reads no partition as a whole and sorts nothing but what a key found', async (_name, read, key) => {
    const plans = await plansOf(read);
    // Partitions without rows and the table of live processes are small: reading one whole is right there.
    const filled = plans.split('\n').filter((line) => /Seq Scan on (process_finished|feed)_/.test(line));
    const days = new Set(await withRows('process_finished'));
    expect(filled.filter((line) => days.has(/(process_finished_\d{8})/.exec(line)?.[1] ?? ''))).toEqual([]);
    // A sort above the scans of all rows would read all of them; Merge Append keeps the order of the indexes.
    if (key === 'keyless') expect(plans).not.toMatch(/Sort\n(.*\n)?.*(->\s+)Append/);
  });

  it('the transitions of one resource are found by its index', async () => {
    const plans = await plansOf(() =>
      store.bus.request(listTransitions, { resourceId: 77, limit: 100, afterRevision: null }),
    );
    expect(plans).toMatch(/Index Scan (using|on) feed_\d{8}_resource_id_revision_idx/);
  });
});

describe('pages', () => {
  it('follow each other without a gap or a repeat, with a filter too', async () => {
    const seen: number[] = [];
    let beforeId: number | null = null;
    do {
      const page: { processes: ProcessView[]; next: number | null } = await list({
        filters: equal('exitReason', 'FAILED'),
        limit: 100,
        beforeId,
      });
      seen.push(...page.processes.map(({ id }) => id));
      beforeId = page.next;
    } while (beforeId !== null);
    const all = await store.sql<{ id: number }>(
      `select id from process_finished where exit_reason = 'FAILED' order by id desc`,
    );
    expect(seen).toEqual(all.map(({ id }) => id));
  });

  it('whose filter matches nothing end after a bounded look, and say where to go on', async () => {
    const first = await list({ filters: equal('name', 'filled.none') });
    expect(first).toMatchObject({ processes: [], more: true });
    // 50,000 of 60,003 were looked at, or fewer where that takes longer than a second.
    expect(first.next).toBeGreaterThan(RESOURCES + 2);
    const places = [first.next];
    for (let next = first.next; next !== null && places.length < 7; places.push(next)) {
      const page = await list({ filters: equal('name', 'filled.none'), beforeId: next });
      expect(page).toEqual({ processes: [], more: page.next !== null, next: page.next });
      next = page.next;
    }
    // Each page goes on below the one before, by a step of 10,000 rows at least: seven are enough.
    expect(places.at(-1)).toBeNull();
    const numbers = places.slice(0, -1) as number[];
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => b - a));
  });

  it('of live processes come with those of finished ones', async () => {
    const { processes } = await list({ limit: 5 });
    expect(processes.map(({ live }) => live)).toEqual([true, true, true, false, false]);
  });
});

describe('counts', () => {
  it('are exact while that is cheap', async () => {
    expect(await count({ resourceId: 77 })).toEqual({ total: ROWS / RESOURCES, exact: true });
    expect(await store.bus.request(countResources, { type: 'volume', filters: [], includeRemoved: true })).toEqual({
      total: 3,
      exact: true,
    });
  });

  it('are estimated beyond, and say so', async () => {
    const all = await count();
    expect(all.exact).toBe(false);
    expect(Math.abs(all.total - ROWS)).toBeLessThan(ROWS / 20);
    const failed = await count({ filters: equal('exitReason', 'FAILED') });
    expect(failed.exact).toBe(false);
    expect(Math.abs(failed.total - ROWS / 200)).toBeLessThan(ROWS / 200);
  });
});

/** Partitions that hold rows. */
async function withRows(table: string): Promise<string[]> {
  const found = await store.sql<{ name: string }>(
    `select inhrelid::regclass::text as name from pg_inherits join pg_class c on c.oid = inhrelid
      where inhparent = to_regclass($1) and c.reltuples > 0`,
    [table],
  );
  return found.map(({ name }) => name);
}
