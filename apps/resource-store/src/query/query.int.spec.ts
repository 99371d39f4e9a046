import {
  applyDefinition,
  checkInvariants,
  listProcesses,
  listResources,
  listTransitions,
  readResources,
  readSummary,
  readWhy,
  type Filter,
} from '@drover/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startStore, type TestStore } from '../testing/start-store.js';
import { blank, change, create, finish, schedule } from '../testing/transitions.js';

let store: TestStore;
const ids: number[] = [];
beforeAll(async () => {
  store = await startStore();
  const fields = {
    size: { type: 'int' },
    color: { type: 'string' },
    hot: { type: 'boolean' },
    secret: { type: 'password' },
  };
  await store.bus.request(applyDefinition, {
    document: { apiVersion: 'drover/v1', kind: 'ResourceType', name: 'volume', fields } as never,
    mode: 'create',
    name: null,
  });
  for (let i = 0; i < 10; i++) {
    const insert = {
      ...create().insert!,
      name: `vol_${i}`,
      uuid: `u-${i}`,
      data: { size: i, color: i % 2 === 0 ? 'red' : 'blue', hot: i > 6 },
    };
    ids.push((await store.applied(create(null, { insert }))).resourceId);
  }
  // stored before the field was an int
  await store.applied(
    blank({ resourceId: ids[9]!, change: change('removed', { transitioning: 'no', data: { size: 'large' } }) }),
  );
});
afterAll(() => store[Symbol.asyncDispose]());

const list = (filters: Filter[] = [], over: object = {}) =>
  store.bus.request(listResources, {
    type: 'volume',
    filters,
    limit: 100,
    afterId: null,
    descending: false,
    includeRemoved: false,
    ...over,
  });
const names = async (field: string, modifier: Filter['modifier'], value: Filter['value'], over: object = {}) =>
  (await list([{ field, modifier, value }], over)).resources.map(({ name }) => name!.slice(4)).join('');

describe('a list of resources', () => {
  it('hides removed ones unless asked, and goes on from a number', async () => {
    expect((await list()).resources.map(({ id }) => id)).toEqual(ids.slice(0, 9));
    expect((await list([], { includeRemoved: true })).resources).toHaveLength(10);
    const page = await list([], { limit: 4 });
    expect(page).toMatchObject({ more: true });
    const next = await list([], { limit: 5, afterId: page.resources.at(-1)!.id });
    expect(next).toMatchObject({ more: false });
    expect(next.resources.map(({ id }) => id)).toEqual(ids.slice(4, 9));
    expect((await list([], { limit: 2, descending: true })).resources.map(({ id }) => id)).toEqual([ids[8], ids[7]]);
    expect((await list([], { limit: 2, descending: true, afterId: ids[5] })).resources.map(({ id }) => id)).toEqual([
      ids[4],
      ids[3],
    ]);
  });

  it.each([
    ['size', 'gte', 7, '78'],
    ['size', 'eq', '3', '3'],
    ['size', 'ne', 3, '01245678'],
    ['color', 'eq', 'blue', '1357'],
    ['hot', 'eq', 'true', '78'],
    ['name', 'prefix', 'vol_', '012345678'],
    ['name', 'like', 'vol_%', '012345678'],
    ['name', 'like', 'v_l%', ''],
    ['name', 'notlike', '%5', '01234678'],
    ['color', 'null', null, ''],
    ['color', 'notnull', null, '012345678'],
    ['uuid', 'eq', 'u-4', '4'],
    ['state', 'eq', 'requested', '012345678'],
    ['created', 'lt', '2001-01-01T00:00:00Z', ''],
    ['created', 'gt', 0, '012345678'],
  ] as const)('by %s %s %s', async (field, modifier, value, expected) => {
    expect(await names(field, modifier, value)).toBe(expected);
  });

  it('treats a stored value of another type than declared as none', async () => {
    expect(await names('size', 'gte', 0, { includeRemoved: true })).toBe('012345678');
  });

  it('finds removed ones by when they were removed', async () => {
    expect(await names('removed', 'notnull', null, { includeRemoved: true })).toBe('9');
  });

  it.each([
    ['nothing', 'eq', 1],
    ['secret', 'eq', 'x'],
    ['size', 'eq', 'many'],
    ['size', 'like', '1'],
    ['created', 'gt', 'yesterday-ish'],
    ['hot', 'eq', 'maybe'],
    ['name', 'eq', 'a\u0000b'],
    ["'; drop table resource; --", 'eq', 1],
    ['constructor', 'eq', 1],
  ] as const)('refuses %s %s %s', async (field, modifier, value) => {
    await expect(names(field, modifier, value)).rejects.toMatchObject({ code: 'InvalidFilter' });
  });
});

it('reads resources with what is live on them; transitions; processes, live and finished, newest first', async () => {
  const { resourceId } = await store.applied(create());
  const first = await store.applied(schedule(resourceId));
  await store.applied(finish(resourceId, first.processId!, 1));
  const second = await store.applied(schedule(resourceId));
  const read = await store.bus.request(readResources, { ids: [resourceId, 99_999_999] });
  expect(read).toMatchObject({
    resources: [{ id: resourceId, state: 'activating', revision: 4, created: expect.any(Number), removed: null }],
    processes: [{ id: second.processId, resourceId, status: 'dispatched' }],
  });
  const { transitions } = await store.bus.request(listTransitions, { resourceId, limit: 10, afterRevision: null });
  expect(transitions.map(({ from, to, revision }) => [from, to, revision])).toEqual([
    ['requested', 'activating', 2],
    ['activating', 'inactive', 3],
    ['inactive', 'activating', 4],
  ]);
  expect(transitions[0]).toMatchObject({ process: 'volume.activate', processId: first.processId, stateField: 'state' });
  const processes = (over: object) =>
    store.bus.request(listProcesses, { ids: null, resourceId: null, filters: [], limit: 10, beforeId: null, ...over });
  expect((await processes({ resourceId })).processes.map(({ live, id }) => [live, id])).toEqual([
    [true, second.processId],
    [false, first.processId],
  ]);
  expect(await processes({ resourceId, limit: 1 })).toMatchObject({ more: true });
  expect((await processes({ resourceId, beforeId: second.processId })).processes).toHaveLength(1);
  expect(
    (await processes({ filters: [{ field: 'exitReason', modifier: 'eq', value: 'DONE' }] })).processes,
  ).toMatchObject([{ live: false, id: first.processId }]);
  expect((await processes({ ids: [first.processId!] })).processes).toMatchObject([{ exitReason: 'DONE' }]);
  const summary = await store.bus.request(readSummary, {});
  expect(summary.live).toEqual([{ status: 'dispatched', count: 1, more: false }]);
  expect(summary.resources).toContainEqual({ type: 'volume', state: 'removed', count: 1, more: false });
  expect(summary.stuck).toEqual([]);
  expect((await store.bus.request(checkInvariants, {})).violations).toEqual([]);
});

describe('a list whose filters match little', () => {
  const type = 'crate';
  beforeAll(async () => {
    await store.bus.request(applyDefinition, {
      document: {
        apiVersion: 'drover/v1',
        kind: 'ResourceType',
        name: type,
        fields: { color: { type: 'string' } },
      } as never,
      mode: 'create',
      name: null,
    });
    await store.sql(
      `with n as (select n, case when n = 59990 then 'rare' when n > 59000 then 'removed' else 'inactive' end as state
                    from generate_series(1, 60000) n),
            r as (insert into resource (id, revision, data_revision, type, kind, state, resting, transitioning)
                  select 1000000 + n, 1, 1, $1, $1, state, state, 'no' from n)
       insert into resource_data (id, created, revision, type, uuid, data)
       select 1000000 + n, now(), 1, $1, 'crate-' || n, jsonb_build_object('color', case when n = 55000 then 'red' else 'grey' end) from n`,
      [type],
    );
    await store.sql('analyze resource, resource_data');
  });
  const crates = (filters: Filter[], over: object = {}) => list(filters, { type, ...over });
  const equal = (field: string, value: string): Filter[] => [{ field, modifier: 'eq', value }];

  it('ends after a bounded look, and says where to go on, in either order', async () => {
    const first = await crates(equal('color', 'red'));
    expect(first).toEqual({ resources: [], more: true, next: 1_050_000 });
    const second = await crates(equal('color', 'red'), { afterId: first.next });
    expect(second).toMatchObject({ resources: [{ uuid: 'crate-55000' }], more: false, next: null });
    const fromTheEnd = await crates(equal('color', 'red'), { descending: true });
    expect(fromTheEnd).toMatchObject({ resources: [{ uuid: 'crate-55000' }], more: true, next: 1_010_001 });
  });

  it('finds what an index finds, wherever it is', async () => {
    expect(await crates(equal('state', 'rare'), { includeRemoved: true })).toMatchObject({
      resources: [{ uuid: 'crate-59990' }],
      more: false,
      next: null,
    });
    expect(await crates(equal('uuid', 'crate-58999'))).toMatchObject({ resources: [{ id: 1_058_999 }], next: null });
  });

  it('passes over removed ones in bounded steps', async () => {
    expect(await crates([], { afterId: 1_058_990 })).toMatchObject({ more: false, next: null });
    expect((await crates([], { descending: true, limit: 2 })).resources.map(({ uuid }) => uuid)).toEqual([
      'crate-59990',
      'crate-59000',
    ]);
  });

  it('and the summary counts so many of each state, and tells that there are more', async () => {
    const { resources } = await store.bus.request(readSummary, {});
    expect(resources.filter((line) => line.type === type)).toEqual([
      { type, state: 'inactive', count: 10_000, more: true },
      { type, state: 'rare', count: 1, more: false },
      { type, state: 'removed', count: 999, more: false },
    ]);
  });

  it('finds resources on the way by their state, and no longer by the one that they rested in', async () => {
    const states = async (over: object = {}) => {
      const of = async (state: string) =>
        (await crates(equal('state', state), { limit: 2, ...over })).resources.map(({ id }) => id - 1_000_000);
      return { inactive: await of('inactive'), activating: await of('activating'), active: await of('active') };
    };
    const summed = async () =>
      (await store.bus.request(readSummary, {})).resources.filter((line) => line.type === type && line.count < 10);
    const { processId } = await store.applied(schedule(1_000_002, { expectType: type }));
    expect(await states()).toEqual({ inactive: [1, 3], activating: [2], active: [] });
    expect(await states({ descending: true })).toEqual({ inactive: [59_000, 58_999], activating: [2], active: [] });
    expect(await states({ afterId: 1_000_001 })).toEqual({ inactive: [3, 4], activating: [2], active: [] });
    expect(await summed()).toContainEqual({ type, state: 'activating', count: 1, more: false });
    expect(await crates([...equal('state', 'activating'), ...equal('state', 'inactive')])).toMatchObject({
      resources: [],
    });
    await store.applied(finish(1_000_002, processId!, 1, 'active', { expectType: type }));
    expect(await states()).toEqual({ inactive: [1, 3], activating: [], active: [2] });
    expect(await summed()).not.toContainEqual(expect.objectContaining({ state: 'activating' }));
    expect(await summed()).toContainEqual({ type, state: 'active', count: 1, more: false });
  });
});

describe('why', () => {
  const why = async (resourceId: number) => (await store.bus.request(readWhy, { resourceId })).why;
  const live = (over: string, id: number) => store.sql(`update process_live set ${over} where id = $1`, [id]);

  it('tells what is live, when it wakes, and what ended last; without the data', async () => {
    const { resourceId } = await store.applied(create());
    const first = await store.applied(schedule(resourceId));
    await store.applied(finish(resourceId, first.processId!, 1));
    const second = await store.applied(schedule(resourceId));
    const answer = await why(resourceId);
    expect(answer).toMatchObject({
      resource: { id: resourceId, state: 'activating', data: {} },
      processes: [{ id: second.processId, status: 'dispatched', gate: null, children: [], childCount: 0, data: {} }],
      lastFinished: { id: first.processId, exitReason: 'DONE', data: {} },
      readAt: expect.any(Number),
    });
    expect(answer!.processes[0]!.wakeInMillis).toBeGreaterThan(0);
    await live(`next_wake_at = 'infinity'`, second.processId!);
    expect((await why(resourceId))!.processes[0]!.wakeInMillis).toBeNull();
    await live('next_wake_at = now()', second.processId!);
    expect(await why(99_999_999)).toBeNull();
  });

  it('names the pause, the limit and the circuit that hold a process', async () => {
    const [a, b, c] = await Promise.all([1, 2, 3].map(async () => (await store.applied(create())).resourceId));
    const ids: number[] = [];
    for (const id of [a, b, c]) ids.push((await store.applied(schedule(id!))).processId!);
    await store.sql(`insert into pause (scope, operator, reason) values ('type/volume', 'ada', 'new disks')`);
    await store.sql(
      `insert into handler_gate (handler, failures, opened_until) values ('demo', 5, now() + interval '1 minute')`,
    );
    await live(`status = 'held', held_by = 'type/volume', held_since = now()`, ids[0]!);
    await live(`status = 'held', held_by = 'limit/demo'`, ids[1]!);
    await live(`admitted = 'demo'`, ids[2]!);
    expect((await why(a!))!.processes[0]!.gate).toMatchObject({
      heldSince: expect.any(Number),
      pause: { since: expect.any(Number), operator: 'ada', reason: 'new disks' },
      limit: null,
      circuit: null,
    });
    const limited = (await why(b!))!.processes[0]!.gate;
    expect(limited).toMatchObject({
      pause: null,
      limit: { admitted: 1, ahead: 0 },
      circuit: { failures: 5, opened: true },
    });
    expect(limited!.circuit!.openForMillis).toBeGreaterThan(50_000);
    expect((await store.bus.request(readSummary, {})).stuck).toMatchObject([
      { id: ids[0], status: 'held', heldBy: 'type/volume' },
      { id: ids[1], heldBy: 'limit/demo' },
    ]);
    await store.sql('delete from pause');
    await store.sql('delete from handler_gate');
    await store.sql(
      `update process_live set status = 'dispatched', held_by = null, held_since = null, admitted = null where id = any ($1)`,
      [ids],
    );
  });

  it('names the children that a step waits for, parked ones first', async () => {
    const [parent, one, two] = [
      await store.applied(create()),
      await store.applied(create()),
      await store.applied(create()),
    ];
    const process = await store.applied(schedule(parent.resourceId));
    const children = [await store.applied(schedule(one.resourceId)), await store.applied(schedule(two.resourceId))];
    const { dispatch } = (await why(parent.resourceId))!.processes[0]!;
    for (const child of children)
      await live(`parent_id = ${process.processId}, parent_dispatch = ${dispatch}`, child.processId!);
    await live(`status = 'parked', error_message = 'no pool'`, children[1]!.processId!);
    expect((await why(parent.resourceId))!.processes[0]).toMatchObject({
      childCount: 2,
      children: [
        {
          id: children[1]!.processId,
          status: 'parked',
          errorMessage: 'no pool',
          resourceType: 'volume',
          state: 'activating',
        },
        { id: children[0]!.processId, resourceId: one.resourceId },
      ],
    });
    for (const child of children)
      await live(
        `parent_id = null, parent_dispatch = null, status = 'dispatched', error_message = null`,
        child.processId!,
      );
  });
});

it('an answer is cut to what the broker carries', async () => {
  const blob = 'x'.repeat(150_000);
  for (let i = 0; i < 6; i++)
    await store.applied(
      create(null, {
        insert: { ...create().insert!, type: 'account', kind: 'account', uuid: `a-${i}`, data: { data: { blob } } },
      }),
    );
  const page = await list([], { type: 'account' });
  expect(page.more).toBe(true);
  expect(JSON.stringify(page).length).toBeLessThan(750_000);
});

it('the checker finds what is broken', async () => {
  const broken = await store.applied(create('activating', { start: null }));
  const held = await store.applied(create());
  await store.applied(schedule(held.resourceId));
  await store.sql(`update resource set state = 'active' where id = $1`, [held.resourceId]);
  await store.sql(`update process_live set next_wake_at = 'infinity' where resource_id = $1`, [held.resourceId]);
  const still = await store.applied(create('activating', { start: null }));
  await store.sql(`update resource set state = 'inactive', resting = 'active' where id = $1`, [still.resourceId]);
  await store.sql('update resource set revision = revision + 1 where id = $1', [broken.resourceId]);
  const { violations } = await store.bus.request(checkInvariants, {});
  expect(violations.join('\n')).toMatch(/is in the transitioning state activating.*no live process/);
  expect(violations.join('\n')).toMatch(/is live, and volume \d+ rests in active/);
  expect(violations.join('\n')).toMatch(/is in the state inactive and is listed as resting in active, and no live/);
  expect(violations.join('\n')).toMatch(/nothing will ever wake it/);
  expect(violations.join('\n')).toMatch(/the feed of resource \d+/);
});
