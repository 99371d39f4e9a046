import { readdirSync } from 'node:fs';
import { applyDefinition, type Filter, type RelationRef } from '@drover/contracts';
import { PINNED_SETTINGS } from '@drover/database';
import type { PoolClient } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { databaseDay, ensurePartitions } from '../partitions/partitions.js';
import { CountsService } from '../query/counts.service.js';
import { QueryService } from '../query/query.service.js';
import { WhyReader } from '../query/why-reader.js';
import { RelatedService } from '../related/related.service.js';
import { connectionOf, nodesOf, type PlanNode, planOf, planOfPrepared } from '../testing/explain.js';
import { startStore, type TestStore } from '../testing/start-store.js';
import { HOT, type Hot, PARTS, PINNED, RARE } from '../testing/plans.js';

/** Rows of each table of live work, and days of finished work. */
const FILLED = 20_000;
const DAYS = 10;
/** Estimates matter where the planner chooses by them: below so many rows every choice is cheap. */
const FEW = 600;
const FACTOR = 10;

const BIG = /^(resource|resource_data|process_live|command|definition|(process_finished|feed)(_\d{8})?)$/;
const HISTORY = /^(process_finished|feed)(_\d{8})?$/;

let store: TestStore;
let client: PoolClient;
beforeAll(async () => {
  store = await startStore();
  client = await connectionOf(store);
  await store.bus.request(applyDefinition, {
    document: {
      apiVersion: 'drover/v1',
      kind: 'ResourceType',
      name: 'volume',
      fields: { hostId: { type: 'reference', to: 'volume' }, size: { type: 'int' } },
    } as never,
    mode: 'create',
    name: null,
  });
}, 120_000);
afterAll(async () => {
  client.release();
  await store[Symbol.asyncDispose]();
});

/** A node, and whether something above it stops it before its end. */
interface Entered {
  node: PlanNode;
  limited: boolean;
}

function entered(node: PlanNode, limited = false): Entered[] {
  // A sort reads all of what is below it, whatever the limit above it says; so does an aggregate.
  const inner = node['Node Type'] === 'Limit' || (limited && !/^(Sort|Aggregate|Hash)$/.test(node['Node Type']));
  return [{ node, limited }, ...(node.Plans ?? []).flatMap((child) => entered(child, inner))];
}

/** Runs the statement, and takes it back. */
async function analyzed(text: string, values: unknown[]): Promise<PlanNode> {
  await client.query('begin');
  try {
    return await planOf(client, text, values, ['analyze', 'timing off']);
  } finally {
    await client.query('rollback');
  }
}

const looked = (node: PlanNode): number =>
  ((node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)) *
  (node['Actual Loops'] ?? 0);

/** A plan for whoever reads a failure: a line for each node that ran. */
function drawn(node: PlanNode, depth = 0): string {
  const { Plans = [], 'Relation Name': table = '', 'Index Cond': condition = '', 'Actual Loops': loops = 0 } = node;
  const line = `${' '.repeat(depth)}${node['Node Type']} ${table} ${condition}: ${node['Plan Rows']} expected, ${looked(node)} looked at`;
  return [...(loops > 0 ? [line] : []), ...Plans.map((plan) => drawn(plan, depth + 1))].filter(Boolean).join('\n');
}

/** What is wrong with a plan that ran: one sentence each. */
function complaints(plan: PlanNode, expected: Pick<Hot, 'reads' | 'history' | 'loose'>): string[] {
  const found: string[] = [];
  const scans = entered(plan).filter(
    ({ node }) => /Scan$/.test(node['Node Type']) && BIG.test(node['Relation Name'] ?? ''),
  );
  for (const { node, limited } of scans) {
    const table = node['Relation Name']!;
    const ran = (node['Actual Loops'] ?? 0) > 0;
    // A day without rows is a table of no pages, or of one.
    if (node['Node Type'] === 'Seq Scan' && ran && !(HISTORY.test(table) && looked(node) < 100))
      found.push(`reads all of ${table}`);
    if (/^Index/.test(node['Node Type']) && node['Index Cond'] === undefined && !limited)
      found.push(`walks an index of ${table} without a condition`);
    if (HISTORY.test(table) && ran && !expected.history) found.push(`looks into finished work: ${table}`);
    const actual = node['Actual Rows'] ?? 0;
    const estimated = node['Plan Rows'];
    if (!ran || Math.max(actual, estimated) <= FEW || expected.loose !== undefined) continue;
    if (actual > estimated * FACTOR || (!limited && estimated > actual * FACTOR))
      found.push(`expects ${estimated} rows of ${table} and meets ${actual}`);
  }
  const total = scans.reduce((sum, { node }) => sum + looked(node), 0);
  if (total > expected.reads) found.push(`looks at ${total} rows, more than ${expected.reads}`);
  return found;
}

/** Live work of every kind, finished work of the ten days before this one, and more rows of every table than a query may look at. */
async function fill(): Promise<void> {
  const today = await databaseDay(store.dataSource);
  for (const name of ['feed', 'process_finished'] as const)
    for (let day = today - DAYS; day < today; day++)
      await ensurePartitions(store.dataSource, { name, retentionDays: 30 }, day);
  await client.query('set statement_timeout = 0');
  for (const statement of [
    `insert into resource (id, revision, data_revision, type, kind, state, resting, transitioning)
     select n, 3, 1, 'volume', 'volume', state, state, 'no'
       from generate_series(1, $1::int) n,
            lateral (select case when n % 1000 = 0 then 'error' when n % 50 = 0 then 'removed' when n % 77 = 0 then 'purged' else 'active' end) s(state)`,
    `insert into resource_data (id, created, revision, type, uuid, name, data, refs, removed, purged)
     select n, now(), 1, 'volume', 'u' || n, 'v' || n, '{"size": 1}', array['hostId:' || n % 2000],
            case when n % 50 = 0 or n % 77 = 0 then now() - n * interval '1 minute' end,
            case when n % 50 <> 0 and n % 77 = 0 then now() - n * interval '1 hour' end
       from generate_series(1, $1::int) n`,
    // Of ten: one due, one dispatched, three waiting for a handler that is away, two held by a limit, one by a pause, one parked, one child.
    `insert into process_live (id, resource_id, start_time, next_wake_at, version, definition_version, dispatch, execution_count, priority,
                               slot, resend, resource_type, state_field, name, began_state, status, waiting_handler, token, progress, data,
                               predecessor_id, parent_id, parent_dispatch, held_by, held_since, admitted)
     select 100000 + n, n, now() - interval '1 minute',
            case n % 10 when 0 then now() - n * interval '1 second' when 1 then now() + interval '30 seconds'
                        when 2 then now() + interval '1 day' when 3 then now() + interval '1 day' when 4 then now() + interval '1 day'
                        when 5 then now() + interval '1 day' when 6 then now() + interval '1 day' else 'infinity' end,
            1, 1, 1, 1, n % 3, case when n % 10 in (0, 1) then n % 8 end, false, 'volume', 'state', 'volume.x', 'active',
            case when n % 10 in (0, 1) then 'dispatched' when n % 10 in (2, 3, 4) then 'waitingHandler'
                 when n % 10 in (5, 6, 7) then 'held' when n % 10 = 8 then 'parked' else 'waitingResource' end,
            case when n % 10 in (2, 3, 4) then 'away' || n % 5 end, 't', '{}', '{}',
            case when n % 10 = 9 then 100000 + n - 1 end,
            case when n % 10 = 9 then 100000 + (n / 200) * 200 + 1 end, case when n % 10 = 9 then 1 end,
            case when n % 10 in (5, 6) then 'limit/busy' when n % 10 = 7 then 'account/7' end,
            case when n % 10 = 7 then now() end, case when n % 1000 = 1 then 'busy' end
       from generate_series(1, $1::int) n`,
    `insert into process_finished (id, resource_id, start_time, end_time, definition_version, execution_count, priority, resource_type,
                                   state_field, name, exit_reason, progress, data, parent_id, parent_dispatch)
     select n, n % 5000, date_trunc('day', now()) - ${DAYS} * interval '1 day' * (1 - (n - 1) / ($1 * 2.0)),
            date_trunc('day', now()) - ${DAYS} * interval '1 day' * (1 - (n - 1) / ($1 * 2.0)), 1, 1, 0, 'volume', 'state', 'volume.x',
            'DONE', '{}', '{}', case when n % 10 = 0 then n - 1 end, case when n % 10 = 0 then 1 end
       from generate_series(1, $1::int * 2) n`,
    `insert into feed (resource_id, process_id, time, revision, kind, process, from_state, to_state)
     select n % 5000, n, date_trunc('day', now()) - ${DAYS} * interval '1 day' * (1 - (n - 1) / ($1 * 2.0)), n / 5000 + 1,
            'transitioning', 'volume.x', 'inactive', 'active'
       from generate_series(1, $1::int * 2) n`,
    `insert into command (id, resource_id, process_id, created)
     select md5(n::text)::uuid, n, 100000 + n, now() - ($1 - n) * interval '1 second' from generate_series(1, $1::int) n`,
    `insert into definition (name, version, revision, system, deleted, hash, document, warnings)
     select 'type' || n % 1000, 2 + n / 1000, 0, false, false, 'h', '{}', '[]' from generate_series(1, $1::int / 4) n`,
  ])
    await client.query(statement, [FILLED]);
  await client.query(`insert into handler_gate (handler, failures) values ('busy', 0)`);
  await client.query(`update reply_slot set epoch = 1, engine = 'e', expires_at = now() + interval '1 hour'`);
  await client.query('vacuum analyze');
}

/** What a read of a service asks the database. */
async function asked(read: () => Promise<unknown>): Promise<{ text: string; values: unknown[] }[]> {
  const { dataSource } = store;
  const query = dataSource.query;
  const found: { text: string; values: unknown[] }[] = [];
  dataSource.query = ((text: string, values: unknown[]) => {
    found.push({ text, values });
    return query.call(dataSource, text, values);
  }) as never;
  try {
    await read();
  } finally {
    dataSource.query = query;
  }
  return found.filter(({ text }) => !text.startsWith('explain'));
}

const equal = (field: string, value: string): Filter => ({ field, modifier: 'eq', value });
const resources = (over: { filters?: Filter[]; relation?: RelationRef; afterId?: number } = {}) => ({
  type: 'volume',
  filters: [] as Filter[],
  limit: 100,
  afterId: null,
  descending: false,
  includeRemoved: false,
  ...over,
});
const processes = (over: { ids?: number[]; resourceId?: number; filters?: Filter[]; beforeId?: number } = {}) => ({
  ids: null,
  resourceId: null,
  filters: [] as Filter[],
  limit: 100,
  beforeId: null,
  ...over,
});
const query = (): QueryService => store.get(QueryService);
const related = (over: object) =>
  store.get(RelatedService).read({
    relation: null,
    stateField: 'state',
    afterMember: 0,
    parentId: 100_201,
    parentDispatches: [1],
    afterChild: 0,
    ...over,
  });
const toHost: RelationRef = { kind: 'list', type: 'volume', ref: 'hostId:5' };
const through: RelationRef = { kind: 'through', type: 'volume', through: 'volume', ref: 'hostId:5', to: 'hostId' };

/** Statements that are put together for each request: [what, the read, rows it may look at, whether history is what it asks for]. */
const BUILT: [string, () => Promise<unknown>, number, boolean][] = [
  ['a page of a type', () => query().resources(resources()), 300, false],
  ['a page of a type, further on', () => query().resources(resources({ afterId: 15_000 })), 300, false],
  [
    'a page of a type in a frequent state',
    () => query().resources(resources({ filters: [equal('state', 'active')] })),
    300,
    false,
  ],
  [
    'a page of a type in a rare state',
    () => query().resources(resources({ filters: [equal('state', 'error')] })),
    300,
    false,
  ],
  ['a resource by number', () => query().resources(resources({ filters: [equal('id', '77')] })), 10, false],
  ['a resource by uuid', () => query().resources(resources({ filters: [equal('uuid', 'u77')] })), 10, false],
  ['a page of what references a resource', () => query().resources(resources({ relation: toHost })), 60, false],
  ['a page through a table between', () => query().resources(resources({ relation: through })), 80, false],
  [
    'how many resources reference one',
    () => store.get(CountsService).resources(resources({ relation: toHost })),
    60,
    false,
  ],
  ['members of a relation, for a decision', () => related({ relation: toHost }), 400, true],
  ['children of a process, for a decision', () => related({}), 60, true],
  ['transitions of a resource', () => query().transitions(77, 100, null), 60, true],
  ['transitions of a resource, further on', () => query().transitions(77, 100, 5), 60, true],
  ['processes by number', () => query().processes(processes({ ids: [100_007, 39_000, 4] })), 80, true],
  ['processes of a resource', () => query().processes(processes({ resourceId: 77 })), 60, true],
  ['the newest processes', () => query().processes(processes()), 600, true],
  ['processes from a number on', () => query().processes(processes({ beforeId: 39_000 })), 600, true],
  [
    'children of a process, as a list',
    () => query().processes(processes({ filters: [equal('parentId', '100201')] })),
    120,
    true,
  ],
  ['resources by number', () => query().byIds([1, 2, 3, 19_000]), 12, false],
  ['why a resource stands still', () => store.get(WhyReader).read(77), 200, true],
];

describe('queries', () => {
  it('of src/sql are all known here: as hot, as rare with a reason, or as a part', async () => {
    const folder = new URL('.', import.meta.url);
    const known = new Set([...Object.keys(HOT), ...Object.keys(PINNED), ...Object.keys(RARE), ...Object.keys(PARTS)]);
    const exported: string[] = [];
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.sql.ts')))
      exported.push(...Object.keys((await import(new URL(file, folder).href)) as object));
    expect(exported.filter((name) => !known.has(name))).toEqual([]);
    expect([...known].filter((name) => !exported.includes(name))).toEqual([]);
  });
});

/** Every statement of a commit lane enters by key, whatever the statistics say: the plan is made once, and may be made on an empty table. */
async function expectPinned(): Promise<void> {
  await client.query(PINNED_SETTINGS);
  try {
    for (const { statement, types, values } of Object.values(PINNED)) {
      if (statement === null) continue;
      await client.query(`prepare pinned(${types}) as ${statement}`);
      const plan = await planOfPrepared(client, 'pinned', values);
      await client.query('deallocate pinned');
      for (const node of nodesOf(plan)) {
        if (!BIG.test(node['Relation Name'] ?? '') || !/Scan$/.test(node['Node Type'])) continue;
        expect(node['Node Type'], statement).toMatch(/^Index (Only )?Scan$/);
        expect(node['Index Cond'], statement).toBeDefined();
      }
    }
  } finally {
    await client.query('reset all');
  }
}

it('pinned plans enter by key on empty tables', expectPinned);

describe('on filled tables', () => {
  beforeAll(fill, 300_000);

  it('pinned plans enter by key', expectPinned);

  it.each(Object.entries(HOT))('%s enters by index and looks at no more than it needs', async (_name, expected) => {
    const plan = await analyzed(expected.statement, expected.values);
    expect(complaints(plan, expected), drawn(plan)).toEqual([]);
  });

  it.each(BUILT)('%s: enters by index and looks at no more than it needs', async (_name, read, reads, history) => {
    await read(); // the definitions
    const statements = await asked(read);
    expect(statements.length).toBeGreaterThan(0);
    for (const { text, values } of statements) {
      const plan = await analyzed(text, values);
      expect(complaints(plan, { reads, ...(history ? { history } : {}) }), drawn(plan)).toEqual([]);
    }
  });
});
