import { type CommitOutcome, type CommitTransition, encodeTransition } from '@drover/contracts';
import { uuidv7 } from '@drover/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StoreMetrics } from '../observability/store-metrics.js';
import { untilWaiting } from '../testing/locks.js';
import { startStore, type TestStore } from '../testing/start-store.js';
import { blank, change, create, fields, finish, schedule, start } from '../testing/transitions.js';
import { CommitService } from './commit.service.js';

/** Two stores with the same life behind them: one is asked as usual, the other one is never told that a transition is plain. */
let plain: TestStore;
let full: TestStore;
beforeAll(async () => {
  plain = await startStore();
  full = await startStore();
});
afterAll(async () => {
  await full[Symbol.asyncDispose]();
  await plain[Symbol.asyncDispose]();
});

const TIMES = /^(now|created|removed|start_time|end_time|time|next_wake_at|deadline|total_deadline|held_since)$/;

/** Times differ from store to store; that there is one, and how far a process's clocks are from its beginning (to five seconds), do not. */
function withoutTimes(value: unknown): unknown {
  const row = value as Record<string, unknown>;
  const began = row['start_time'] as string | undefined;
  return Object.fromEntries(
    Object.entries(row).map(([key, of]) => {
      if (!TIMES.test(key) || of === null || of === 'infinity') return [key, of];
      if (!/deadline|wake/.test(key)) return [key, 'a time'];
      return [key, Math.round((Date.parse(of as string) - Date.parse(began!)) / 5_000)];
    }),
  );
}

async function tables(store: TestStore): Promise<Record<string, unknown[]>> {
  const names = ['resource', 'resource_data', 'process_live', 'process_finished', 'feed', 'command', 'registry'];
  const all = names.map(async (name) => {
    const found = await store.sql<{ row: object }>(`select to_json(t) as row from ${name} t`);
    return [
      name,
      found.map(({ row }) => withoutTimes(row)).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
    ];
  });
  return Object.fromEntries(await Promise.all(all)) as Record<string, unknown[]>;
}

/** Commits a batch in both, compares all outcomes and all tables, and answers the outcomes. */
async function both(...batch: CommitTransition[]) {
  const encoded = batch.map(encodeTransition);
  const told = await plain.get(CommitService).commit(encoded);
  const untold = await full
    .get(CommitService)
    .commit(encoded.map(({ head: { plain: _, ...head }, ...rest }) => ({ head, ...rest })));
  const comparable = (outcomes: unknown[]): unknown =>
    JSON.parse(JSON.stringify(outcomes), (key, value: unknown) =>
      TIMES.test(key) || key === 'startTime' || key === 'readAt' || /InMillis$/.test(key) ? value === null : value,
    );
  expect(comparable(told)).toEqual(comparable(untold));
  expect(await tables(plain)).toEqual(await tables(full));
  return { outcomes: told, plain: encoded.filter(({ head }) => head.plain === true).length };
}

const applied = (outcome: object) => outcome as { resourceId: number; processId: number; revision: number };

it('a batch of plain transitions is committed, or refused, as any other', async () => {
  const made = await both(...Array.from({ length: 9 }, () => create()));
  const [a, b, c, d, e, f, g, h, i] = made.outcomes.map((outcome) => applied(outcome).resourceId);
  const command = uuidv7();
  const { outcomes, plain: told } = await both(
    schedule(a!, { commandId: command, commandHash: 'h', returnResource: true, expectRevision: 1 }),
    schedule(b!, { change: change({ requested: 'activating', active: 'x' }), returnResource: true }),
    schedule(c!, {
      start: start({ wakeMillis: 5_000, deadlineMillis: null, notify: 'drover.notify.a.b', slot: null }),
    }),
    schedule(d!, { start: start({ wakeMillis: null, deadlineMillis: 1_000 }), commandId: null, commandHash: null }),
    schedule(e!, { expectStates: ['active'] }),
    schedule(f!, { expectRevision: 7 }),
    schedule(g!, { expectType: 'instance' }),
    schedule(h!, { registryRevision: 0 }),
    schedule(i!, { change: change({ active: 'x' }) }),
    schedule(999_999_999),
  );
  expect(told).toBe(10);
  expect(outcomes.map(({ outcome }) => outcome)).toEqual([
    ...Array.from({ length: 4 }, () => 'applied'),
    ...Array.from({ length: 3 }, () => 'conflict'),
    'staleRegistry',
    'conflict',
    'conflict',
  ]);
  const started = outcomes.slice(0, 4).map(applied);
  const end = (at: number, over: Partial<CommitTransition> = {}) =>
    finish(started[at]!.resourceId, started[at]!.processId, 1, 'inactive', over);

  // A second start meets the live process; a repeat of the first is answered as it was.
  const again = await both(
    schedule(a!, { commandId: command, commandHash: 'h', expectStates: null }),
    schedule(b!, { expectStates: null }),
  );
  expect(again.outcomes.map(({ outcome }) => outcome)).toEqual(['repeat', 'conflict']);
  expect((await both(schedule(c!, { commandId: command, commandHash: 'other' }))).outcomes[0]!.outcome).toBe(
    'commandReused',
  );

  const data = { size: 2, tags: { x: 1 } };
  const ended = await both(
    end(0, { expectRevision: 2, change: change('active', { feedKind: 'done', transitioning: 'no', data }) }),
    end(1, { processVersion: 2 }),
    end(2, { processId: started[3]!.processId }),
    end(3, { expectRevision: 1 }),
  );
  expect(ended.plain).toBe(4);
  expect(ended.outcomes.map(({ outcome }) => outcome)).toEqual(['applied', 'conflict', 'conflict', 'conflict']);
  expect((await both(end(1), end(2), end(3, { registryRevision: 0 }))).outcomes.map(({ outcome }) => outcome)).toEqual([
    'applied',
    'applied',
    'staleRegistry',
  ]);
  const last = await both(end(3, { commandId: uuidv7() }), end(0));
  expect(last.outcomes.map(({ outcome }) => outcome)).toEqual(['applied', 'conflict']);
});

it('one transition of the batch that is not plain takes the others along', async () => {
  const made = await both(create(), create());
  const [a, b] = made.outcomes.map((outcome) => applied(outcome).resourceId);
  const { outcomes, plain: told } = await both(
    schedule(a!, { change: change('activating', { message: 'on its way' }) }),
    schedule(b!),
  );
  expect(told).toBe(1);
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(['applied', 'applied']);
});

it('a process goes on, with or without a change of its resource, and out of a pause', async () => {
  const made = await both(...Array.from({ length: 6 }, () => create()));
  const ids = made.outcomes.map((outcome) => applied(outcome).resourceId);
  const begun = await both(
    ...ids.map((id, i) =>
      schedule(id, {
        start: start({ totalMillis: i === 1 || i === 2 ? 60_000 : null, heldBy: i === 2 ? 'type/volume' : null }),
      }),
    ),
  );
  expect(begun.plain).toBe(4);
  const step = (at: number, over: Partial<CommitTransition> = {}) =>
    blank({
      resourceId: ids[at]!,
      expectType: 'volume',
      processId: applied(begun.outcomes[at]!).processId,
      processVersion: 1,
      update: fields({ dispatch: 2, executionCount: 2, progress: { v: 2 }, status: 'running' }),
      ...over,
    });
  for (const store of [plain, full])
    await store.sql(`update process_live set held_since = held_since - interval '1 hour' where held_since is not null`);
  const said = (data: object | null) => change('activating', { feedKind: 'changed', data: data as never });
  const { outcomes, plain: told } = await both(
    step(0, { change: said({ size: 7 }), expectRevision: 2 }),
    step(1, { update: fields({ deadlineMillis: null, wakeMillis: 90_000, slot: null }) }),
    step(2, { change: said(null) }),
    step(3, { processVersion: 4 }),
    step(4, { expectRevision: 1 }),
    step(5, { registryRevision: 0 }),
  );
  expect(told).toBe(6);
  expect(outcomes.map(({ outcome }) => outcome)).toEqual([
    'applied',
    'applied',
    'applied',
    'conflict',
    'conflict',
    'staleRegistry',
  ]);
  expect(outcomes[0]).toMatchObject({ revision: 3, processVersion: 2, state: 'activating' });
  expect(outcomes[1]).toMatchObject({ revision: 2, processVersion: 2 });
});

/**
 * Commits a batch while another transaction has written what its statement has seen: it waits, and then finds something else.
 * @param meanwhile statements of the other transaction
 */
async function raced(batch: CommitTransition[], ...meanwhile: string[]): Promise<CommitOutcome[]> {
  const encoded = batch.map(encodeTransition);
  expect(encoded.every(({ head }) => head.plain === true)).toBe(true);
  const other = plain.dataSource.createQueryRunner();
  await other.startTransaction();
  for (const statement of meanwhile) await other.query(statement);
  const committed = plain.get(CommitService).commit(encoded);
  await untilWaiting(plain, 1);
  await other.commitTransaction();
  await other.release();
  return committed;
}

const feedOf = (resourceId: number): Promise<{ revision: number; to: string }[]> =>
  plain.sql(`select revision, to_state as "to" from feed where resource_id = $1 order by id`, [resourceId]);

const left = async (): Promise<number> => (await plain.get(StoreMetrics).plainLeft.get()).values[0]?.value ?? 0;

describe('what another transaction writes meanwhile', () => {
  const step = (resourceId: number, processId: number) =>
    blank({
      resourceId,
      expectType: 'volume',
      processId,
      processVersion: 1,
      change: change('activating', { feedKind: 'changed', data: { n: 1 } }),
      update: fields({ dispatch: 2, executionCount: 2, status: 'running' }),
    });

  /** Two resources, each with a process of its own. */
  async function two(): Promise<{ id: number; processId: number }[]> {
    const made = (await plain.commit(create(), create())).map((outcome) => applied(outcome).resourceId);
    const begun = await plain.commit(...made.map((id) => schedule(id)));
    return begun.map((outcome, i) => ({ id: made[i]!, processId: applied(outcome).processId }));
  }

  it('a start that was decided on the old revision is refused, one that was not is applied on the new one; the batch loses nothing', async () => {
    const ids = (await plain.commit(create(), create(), create())).map((outcome) => applied(outcome).resourceId);
    const [a, b, c] = ids as [number, number, number];
    const before = await left();
    const outcomes = await raced(
      [schedule(a, { expectRevision: 1 }), schedule(b), schedule(c)],
      `update resource set revision = revision + 1 where id in (${a}, ${b})`,
    );
    expect(outcomes).toMatchObject([
      { outcome: 'conflict', resource: { revision: 2, state: 'requested' } },
      { outcome: 'applied', revision: 3 },
      { outcome: 'applied', revision: 2 },
    ]);
    expect(await feedOf(a)).toHaveLength(1);
    expect((await feedOf(b)).map(({ revision }) => revision)).toEqual([1, 3]);
    expect((await feedOf(c)).map(({ revision }) => revision)).toEqual([1, 2]);
    expect((await left()) - before).toBe(3);
  });

  it.each([
    ['an end', (id: number, processId: number) => finish(id, processId, 1)],
    ['a step', step],
  ])('%s of a process that went on is refused, and nothing of it is written', async (_, transition) => {
    const [a, b] = (await two()) as [{ id: number; processId: number }, { id: number; processId: number }];
    const outcomes = await raced(
      [transition(a.id, a.processId), transition(b.id, b.processId)],
      `update process_live set version = version + 1 where id = ${a.processId}`,
    );
    expect(outcomes).toMatchObject([
      { outcome: 'conflict', resource: { revision: 2, state: 'activating' }, process: { version: 2 } },
      { outcome: 'applied', revision: 3 },
    ]);
    expect(await feedOf(a.id)).toHaveLength(2);
    expect(await feedOf(b.id)).toHaveLength(3);
  });

  it('an end on a resource that changed goes on with what is there now', async () => {
    const [a] = (await two()) as [{ id: number; processId: number }];
    const data = { seen: true };
    const outcomes = await raced(
      [finish(a.id, a.processId, 1, 'active', { change: change('active', { feedKind: 'done', data }) })],
      `update resource set revision = revision + 1, message = 'busy' where id = ${a.id}`,
      `update resource_data set data = data || '{"other": 1}' where id = ${a.id}`,
    );
    expect(outcomes).toMatchObject([{ outcome: 'applied', revision: 4, state: 'active' }]);
    const [stored] = await plain.sql<{ data: object }>('select data from resource_data where id = $1', [a.id]);
    expect(stored!.data).toMatchObject({ seen: true, other: 1 });
  });
});

it('a row that no statement can take costs its batch nothing', async () => {
  const ids = (await plain.commit(create(), create())).map((outcome) => applied(outcome).resourceId);
  const bad = encodeTransition(schedule(ids[0]!));
  const outcomes = await plain
    .get(CommitService)
    .commit([{ ...bad, row: bad.row.replace(/"res":\d+/, '"res":"x"') }, encodeTransition(schedule(ids[1]!))]);
  expect(outcomes).toMatchObject([{ outcome: 'refused' }, { outcome: 'applied', revision: 2 }]);
});
