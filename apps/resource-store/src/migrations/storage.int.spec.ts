import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startStore, type TestStore } from '../testing/start-store.js';
import { change, create, finish, schedule } from '../testing/transitions.js';

let store: TestStore;
let processId: number;
beforeAll(async () => {
  store = await startStore();
  processId = (await store.applied(create('creating'))).processId!;
});
afterAll(() => store[Symbol.asyncDispose]());

/** Updates of a table within one connection's transaction, and how many of them were HOT. */
async function updates(
  table: string,
  statement: string,
  values: unknown[] = [],
): Promise<{ all: number; hot: number }> {
  return store.dataSource.transaction(async (on) => {
    const read = `select n_tup_upd::int as all, n_tup_hot_upd::int as hot from pg_stat_xact_user_tables where relname = $1`;
    const counted = async () => ((await on.query(read, [table])) as { all: number; hot: number }[])[0]!;
    const before = await counted();
    for (let i = 0; i < 5; i++) await on.query(statement, values);
    const after = await counted();
    return { all: after.all - before.all, hot: after.hot - before.hot };
  });
}

describe('an update that changes no indexed column writes no index entry', () => {
  it.each([
    [
      'process_live',
      `update process_live set deadline = now(), progress = '{"v": 2}', version = version + 1 where id = $1`,
    ],
    [
      'process_live',
      `update process_live set status = 'dispatched', dispatch = dispatch + 1, slot = 3, resend = true where id = $1`,
    ],
  ])('%s: %s', async (table, statement) => {
    expect(await updates(table, statement, [processId])).toEqual({ all: 5, hot: 5 });
  });

  it.each([
    ['resource', `update resource set revision = revision + 1, message = 'm', progress = 5`],
    ['resource_data', `update resource_data set data = data || '{"size": 2}', revision = revision + 1`],
    ['registry', 'update registry set revision = revision + 1'],
    ['relay', 'update relay set published = published + 1'],
    ['reply_slot', `update reply_slot set expires_at = now() + interval '5 seconds' where slot = 1`],
    [
      'lease',
      `insert into lease (job, holder, epoch, expires_at) values ('test', 'h', 1, now()) on conflict (job) do update set expires_at = now()`,
    ],
    [
      'handler_gate',
      `insert into handler_gate (handler, failures) values ('h', 0) on conflict (handler) do update set failures = handler_gate.failures + 1`,
    ],
  ])('%s: %s', async (table, statement) => {
    const { all, hot } = await updates(table, statement);
    expect(all).toBeGreaterThanOrEqual(4);
    expect(hot).toBe(all);
  });

  it('a resource that starts and comes back to where it rested: two updates of its row, and no index entry', async () => {
    const { resourceId } = await store.applied(create('creating', { start: null, change: change('inactive') }));
    // Of this connection, not of a transaction that is rolled back: the commit lanes have their own.
    const hot = async () => {
      await store.sql('select pg_stat_force_next_flush()');
      const [row] = await store.sql<{ all: number; hot: number }>(
        `select n_tup_upd::int as all, n_tup_hot_upd::int as hot from pg_stat_user_tables where relname = 'resource'`,
      );
      return row!;
    };
    const runs = async (toState: string, times: number) => {
      for (let i = 0; i < times; i++) {
        const { processId } = await store.applied(schedule(resourceId, { expectStates: ['inactive', 'active'] }));
        await store.applied(finish(resourceId, processId!, 1, toState));
      }
    };
    const before = await hot();
    await runs('inactive', 3);
    const after = await vi.waitFor(
      async () => {
        const now = await hot();
        expect(now.all - before.all).toBe(6);
        return now;
      },
      { timeout: 20_000, interval: 200 },
    );
    expect(after.hot - before.hot).toBe(6);
    await runs('active', 1);
    await vi.waitFor(async () => expect((await hot()).all - after.all).toBe(2), { timeout: 20_000, interval: 200 });
    expect((await hot()).hot - after.hot).toBe(1);
  });

  it('a wake-up and a state are indexed, knowingly', async () => {
    const wake = await updates(
      'process_live',
      `update process_live set next_wake_at = next_wake_at + interval '1 s' where id = $1`,
      [processId],
    );
    expect(wake).toEqual({ all: 5, hot: 0 });
  });
});

it('tables of many rows that are rewritten leave room in their pages', async () => {
  const found = await store.sql<{ name: string; options: string[] | null }>(
    `select relname as name, reloptions as options from pg_class
      where relname = any ('{resource,resource_data,process_live,handler_gate}') and relnamespace = current_schema()::regnamespace`,
  );
  expect(found).toHaveLength(4);
  for (const { name, options } of found)
    expect(
      options?.some((option) => option.startsWith('fillfactor=')),
      name,
    ).toBe(true);
});
