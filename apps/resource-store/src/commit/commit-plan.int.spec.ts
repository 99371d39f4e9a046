import { type EncodedTransition, encodeTransition, shapesOf } from '@drover/contracts';
import { rows } from '@drover/database';
import type { PoolClient } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PINNED_SETTINGS } from '@drover/database';
import { COMMIT_INSERTS } from '../sql/commit-inserts.sql.js';
import { COMMIT_PLAIN_ENDS, COMMIT_PLAIN_STARTS, COMMIT_PLAIN_STEPS } from '../sql/commit-plain.sql.js';
import { COMMIT_ENDS, COMMIT_STARTS, COMMIT_STEPS } from '../sql/commit-transitions.sql.js';
import { LOCK_FAMILY, WAKE_ORPHANS } from '../sql/family.sql.js';
import { connectionOf, nodesOf, planOfPrepared } from '../testing/explain.js';
import { startStore, type TestStore } from '../testing/start-store.js';
import { create, finish, schedule } from '../testing/transitions.js';

const BIG = ['resource', 'resource_data', 'process_live', 'process_finished', 'command', 'feed'];
const FILLED = 20_000;
const TRANSITIONS = [
  COMMIT_STARTS,
  COMMIT_ENDS,
  COMMIT_STEPS,
  COMMIT_PLAIN_STARTS,
  COMMIT_PLAIN_ENDS,
  COMMIT_PLAIN_STEPS,
];

let store: TestStore;
let client: PoolClient;
beforeAll(async () => {
  store = await startStore();
  client = await connectionOf(store);
  await client.query(PINNED_SETTINGS);
  for (const { name, text } of TRANSITIONS)
    await client.query(`prepare "${name}"(json, bigint[], uuid[], int[], json) as ${text}`);
  await client.query(`prepare "${LOCK_FAMILY.name}"(bigint[], bigint[], bigint[]) as ${LOCK_FAMILY.text}`);
  await client.query(`prepare "${WAKE_ORPHANS.name}"(bigint[]) as ${WAKE_ORPHANS.text}`);
  await client.query(`prepare inserts(json, uuid[], text[], int[], json) as ${COMMIT_INSERTS.text}`);
});
afterAll(async () => {
  client.release();
  await store[Symbol.asyncDispose]();
});

/** No table is entered but through an index and with a key; and rows never meet in a loop over loops. */
async function expectPinned(statement: string, values: string[]): Promise<void> {
  const plan = nodesOf(await planOfPrepared(client, statement, values));
  const entered = plan.filter((node) => BIG.some((table) => node['Relation Name']?.startsWith(table)));
  const scans = entered.filter((node) => /Scan/.test(node['Node Type']));
  expect(scans.length).toBeGreaterThanOrEqual(3);
  for (const scan of scans) {
    expect(scan['Node Type']).toMatch(/^Index (Only )?Scan$/);
    expect(scan['Index Cond'], JSON.stringify(scan)).toBeDefined();
  }
  expect(plan.map((node) => node['Node Type'])).not.toContain('Nested Loop');
}

const list = (values: unknown[]): string => `{${values.join()}}`;

/** Values of a commit statement, as literals. */
function valuesOf(batch: EncodedTransition[], ...keys: string[]): string[] {
  const { shapes, positions } = shapesOf(batch);
  return [`[${batch.map(({ row }) => row).join()}]`, ...keys, list(positions), `[${shapes.join()}]`];
}
const transitionBatch = (): string[] => {
  const batch = [schedule(1), finish(2, 3, 1, 'removed'), schedule(4)].map(encodeTransition);
  return valuesOf(batch, '{1,2,4}', list(batch.flatMap(({ head }) => head.commandId ?? [])));
};
const insertBatch = (): string[] => {
  const batch = [create('creating'), create('creating')].map(encodeTransition);
  return valuesOf(batch, '{}', list(batch.map(({ head }) => head.uuid)));
};

async function expectAllPinned(): Promise<void> {
  for (const { name } of TRANSITIONS) await expectPinned(`"${name}"`, transitionBatch());
  await expectPinned('inserts', insertBatch());
  await expectPinned(`"${LOCK_FAMILY.name}"`, ['{1,2}', '{3}', '{2}']);
  await expectPinned(`"${WAKE_ORPHANS.name}"`, ['{1,2}']);
}

/** Resources are written by rising number, as all statements lock them: the index gives the order, the batch is only looked up. */
async function expectInOrder(statement: string): Promise<void> {
  const plan = nodesOf(await planOfPrepared(client, statement, transitionBatch()));
  const update = plan.find((node) => node['Node Type'] === 'ModifyTable' && node['Relation Name'] === 'resource')!;
  const join = nodesOf(update).find((node) => node['Node Type'] === 'Hash Join')!;
  const [outer] = join.Plans!.filter((node) => node['Parent Relationship'] === 'Outer');
  expect(outer).toMatchObject({ 'Node Type': 'Index Scan', 'Relation Name': 'resource' });
}

async function expectAllInOrder(): Promise<void> {
  for (const { name } of [COMMIT_PLAIN_STARTS, COMMIT_PLAIN_ENDS, COMMIT_PLAIN_STEPS]) await expectInOrder(`"${name}"`);
}

describe('the plan of a commit', () => {
  it('enters no table but by key, made on an empty database', expectAllPinned);

  it('writes the resources of plain transitions in the order in which others lock them', expectAllInOrder);

  it('and made on a full one', async () => {
    await store.sql(
      `insert into resource (id, revision, data_revision, type, kind, state, resting, transitioning)
       select n, 1, 1, 'volume', 'volume', 'active', 'active', 'no' from generate_series(1, $1::int) n`,
      [FILLED],
    );
    await store.sql(
      `insert into resource_data (id, created, revision, type, uuid, data)
       select n, now(), 1, 'volume', n::text, '{}' from generate_series(1, $1::int) n`,
      [FILLED],
    );
    await store.sql(
      `insert into process_live (id, resource_id, start_time, next_wake_at, version, definition_version, dispatch, execution_count,
                                 priority, resend, resource_type, state_field, name, began_state, status, token, progress, data)
       select n, n, now(), now(), 1, 1, 0, 0, 0, false, 'volume', 'state', 'volume.x', 'active', 'ready', 't', '{}', '{}'
         from generate_series(1, $1::int) n`,
      [FILLED],
    );
    await store.sql(
      `insert into command (id, resource_id) select gen_random_uuid(), n from generate_series(1, $1::int) n`,
      [FILLED],
    );
    await rows(store.dataSource, 'analyze');
    await client.query('discard plans');
    await expectAllPinned();
    await expectAllInOrder();
  });
});
