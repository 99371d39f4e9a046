import { uuidv7 } from '@drover/kernel';
import type { CommitOutcome, CommitTransition, ProcessFields } from '@drover/contracts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { InvariantsService } from '../query/invariants.service.js';
import { startStore, type TestStore } from '../testing/start-store.js';
import { blank, change, create, fields, finish, schedule, start } from '../testing/transitions.js';

let store: TestStore;
beforeAll(async () => {
  store = await startStore();
});
afterAll(() => store[Symbol.asyncDispose]());

/** A volume resting in `requested`. */
const volume = async (): Promise<number> => (await store.applied(create())).resourceId;

/** A volume in `activating`, held by a live process. */
async function activating(over: Partial<CommitTransition> = {}) {
  const resourceId = await volume();
  const { processId, processVersion, revision } = await store.applied(schedule(resourceId, over));
  return { resourceId, processId: processId!, version: processVersion!, revision };
}

const one = async (transition: CommitTransition): Promise<CommitOutcome> => (await store.commit(transition))[0]!;

describe('a transition', () => {
  it('that creates a resource writes revision 1, one feed row and its process', async () => {
    const outcome = await store.applied(create('creating', { commandId: uuidv7(), returnResource: true }));
    expect(outcome).toMatchObject({ revision: 1, state: 'creating', fromState: 'requested', processVersion: 1 });
    expect(outcome.resource).toMatchObject({
      id: outcome.resourceId,
      state: 'creating',
      revision: 1,
      data: { size: 1 },
    });
    const feed = await store.sql('select * from feed where resource_id = $1', [outcome.resourceId]);
    expect(feed).toMatchObject([
      {
        revision: 1,
        from_state: 'requested',
        to_state: 'creating',
        process_id: outcome.processId,
        kind: 'transitioning',
      },
    ]);
    const [live] = await store.sql('select * from process_live where id = $1', [outcome.processId]);
    expect(live).toMatchObject({ began_state: 'requested', resource_id: outcome.resourceId, status: 'dispatched' });
  });

  it('that schedules moves the resource, inserts the process, the command and the feed row', async () => {
    const resourceId = await volume();
    const transition = schedule(resourceId, { returnResource: true });
    const outcome = await store.applied(transition);
    expect(outcome).toMatchObject({ revision: 2, state: 'activating', fromState: 'requested' });
    expect(outcome.resource).toMatchObject({ state: 'activating', transitioning: 'yes', revision: 2, name: 'v' });
    expect(await store.sql('select * from command where id = $1', [transition.commandId])).toMatchObject([
      { resource_id: resourceId, process_id: outcome.processId },
    ]);
  });

  it('that ends a process moves its row, once, to the finished ones', async () => {
    const { resourceId, processId, version } = await activating();
    expect(await store.applied(finish(resourceId, processId, version))).toMatchObject({
      revision: 3,
      state: 'inactive',
      processId: null,
    });
    expect(await store.sql('select 1 from process_live where id = $1', [processId])).toEqual([]);
    expect(await store.sql('select * from process_finished where id = $1', [processId])).toMatchObject([
      { exit_reason: 'DONE', name: 'volume.activate', data: { asked: true }, resource_id: resourceId },
    ]);
  });

  it('that updates its process raises the version and keeps what it is told to keep', async () => {
    const { resourceId, processId, version } = await activating();
    const [before] = await store.sql<{ deadline: Date }>('select deadline from process_live where id = $1', [
      processId,
    ]);
    const update = fields({ status: 'running', deadlineMillis: 'keep', wakeMillis: 1_000, progress: { v: 2 } });
    expect(await store.applied(blank({ resourceId, processId, processVersion: version, update }))).toMatchObject({
      processVersion: version + 1,
      revision: 2,
    });
    const [after] = await store.sql<{ deadline: Date }>('select * from process_live where id = $1', [processId]);
    expect(after).toMatchObject({
      version: version + 1,
      status: 'running',
      progress: { v: 2 },
      deadline: before!.deadline,
    });
  });

  it('that keeps the wake-up leaves it where it was; one that is bounded goes no further', async () => {
    const { resourceId, processId, version } = await activating();
    const wakeAt = async (): Promise<number> => {
      const [row] = await store.sql<{ at: Date }>('select next_wake_at as at from process_live where id = $1', [
        processId,
      ]);
      return row!.at.getTime();
    };
    const step = (processVersion: number, over: Partial<ProcessFields>) =>
      store.applied(blank({ resourceId, processId, processVersion, update: fields(over) }));
    const { now } = await step(version, { status: 'backoff', deadlineMillis: null, wakeMillis: 20_000 });
    const before = await wakeAt();
    await step(version + 1, { status: 'backoff', deadlineMillis: null, wakeMillis: 'keep' });
    expect(await wakeAt()).toBe(before);
    await step(version + 2, { deadlineMillis: 30_000, wakeMillis: 'deadline', notAfter: now + 5_000 });
    const [{ deadline }] = (await store.sql('select deadline from process_live where id = $1', [processId])) as [
      { deadline: Date },
    ];
    expect(deadline.getTime()).toBe(now + 5_000);
    expect(await wakeAt()).toBe(now + 5_000);
  });

  it('merges data by top-level keys and leaves the rest', async () => {
    const resourceId = await volume();
    const data = { size: 2, tags: { a: 1 } };
    const outcome = await store.applied(
      blank({
        resourceId,
        change: change(null, { data, feedKind: 'changed', transitioning: 'no', name: 'w' }),
        returnResource: true,
      }),
    );
    expect(outcome.resource).toMatchObject({ data, name: 'w', revision: 2, state: 'requested' });
    const [row] = await store.sql(
      'select d.*, r.data_revision from resource_data d join resource r using (id) where id = $1',
      [resourceId],
    );
    expect(row).toMatchObject({ data, name: 'w', revision: 2, data_revision: 2 });
  });

  it('picks the next state by the present one when it is given a map', async () => {
    const resourceId = await volume();
    const map = { requested: 'updating-requested', active: 'updating-active' };
    expect(await store.applied(schedule(resourceId, { change: change(map) }))).toMatchObject({
      state: 'updating-requested',
    });
    const other = await volume();
    expect(await one(schedule(other, { change: change({ active: 'updating-active' }) }))).toMatchObject({
      outcome: 'conflict',
    });
  });

  it('moves a region of its own without touching the state', async () => {
    const inserted = await store.applied(
      create(null, { insert: { ...create().insert!, regions: { allocationState: 'inactive' } } }),
    );
    const { resourceId } = inserted;
    const outcome = await store.applied(
      schedule(resourceId, {
        stateField: 'allocationState',
        start: start({ stateField: 'allocationState' }),
        expectStates: ['inactive'],
        returnResource: true,
      }),
    );
    expect(outcome).toMatchObject({ fromState: 'inactive', state: 'activating', revision: 2 });
    expect(outcome.resource).toMatchObject({
      state: 'requested',
      transitioning: 'no',
      regions: { allocationState: { state: 'activating', transitioning: 'yes' } },
    });
    const [row] = await store.sql('select state, regions from resource where id = $1', [resourceId]);
    expect(row).toMatchObject({ state: 'requested', regions: { allocationState: { state: 'activating' } } });
  });

  // Purged: an operator may force a resource past removed.
  it.each(['removed', 'purged'])('to %s sets the time and ends what is live in the other regions', async (state) => {
    const { resourceId } = await store.applied(
      create(null, { insert: { ...create().insert!, regions: { allocationState: 'inactive' } } }),
    );
    const other = await store.applied(
      schedule(resourceId, {
        stateField: 'allocationState',
        start: start({ stateField: 'allocationState' }),
        expectStates: null,
      }),
    );
    const own = await store.applied(schedule(resourceId));
    const gone = await store.applied({
      ...finish(resourceId, own.processId!, 1, state),
      returnResource: true,
    });
    expect(gone.resource!.removed).toBe(gone.now);
    expect(await store.sql('select exit_reason from process_finished where id = $1', [other.processId])).toEqual([
      { exit_reason: 'CANCELED' },
    ]);
    expect(await store.sql('select 1 from process_live where resource_id = $1', [resourceId])).toEqual([]);
    const late = schedule(resourceId, {
      stateField: 'allocationState',
      start: start({ stateField: 'allocationState' }),
      expectStates: null,
    });
    expect(await store.commit(late)).toMatchObject([{ outcome: 'conflict' }]);
    expect(
      await store.sql('select removed is not null as removed from resource_data where id = $1', [resourceId]),
    ).toEqual([{ removed: true }]);
  });
});

describe('a guard that fails changes no row anywhere', () => {
  async function refusedBy(over: (held: Awaited<ReturnType<typeof activating>>) => CommitTransition) {
    const held = await activating();
    const transition = over(held);
    const before = await store.dump();
    const outcome = await one(transition);
    expect(await store.dump()).toEqual(before);
    return outcome;
  }
  const chained = (
    { resourceId, processId, version, revision }: Awaited<ReturnType<typeof activating>>,
    over: Partial<CommitTransition>,
  ) =>
    finish(resourceId, processId, version, 'deactivating', {
      commandId: uuidv7(),
      commandHash: 'h',
      expectRevision: revision,
      expectStates: ['activating'],
      expectType: 'volume',
      start: start({ name: 'volume.deactivate' }),
      change: change('deactivating', { data: { size: 9 } }),
      ...over,
    });

  it('the revision', async () => {
    expect(await refusedBy((held) => chained(held, { expectRevision: held.revision - 1 }))).toMatchObject({
      outcome: 'conflict',
      resource: { state: 'activating', revision: 2 },
      process: { name: 'volume.activate', version: 1 },
    });
  });
  it('the state', async () => {
    expect(await refusedBy((held) => chained(held, { expectStates: ['inactive'] }))).toMatchObject({
      outcome: 'conflict',
    });
  });
  it('the type', async () => {
    expect(await refusedBy((held) => chained(held, { expectType: 'host' }))).toMatchObject({ outcome: 'conflict' });
  });
  it('the process', async () => {
    expect(await refusedBy((held) => chained(held, { processId: held.processId + 1 }))).toMatchObject({
      outcome: 'conflict',
    });
  });
  it("the process's version", async () => {
    expect(await refusedBy((held) => chained(held, { processVersion: held.version + 1 }))).toMatchObject({
      outcome: 'conflict',
    });
  });
  it.each(['deadline', 'wait', 'total'] as const)('the clock that has to have run out: %s', async (expectPassed) => {
    expect(await refusedBy((held) => chained(held, { expectPassed }))).toMatchObject({
      outcome: 'conflict',
      process: { version: 1 },
    });
  });
  it('the free region', async () => {
    expect(await refusedBy(({ resourceId }) => schedule(resourceId, { expectStates: ['activating'] }))).toMatchObject({
      outcome: 'conflict',
    });
  });
  it('the registry', async () => {
    const [registry] = await store.sql<{ revision: number }>('select revision from registry');
    expect(await refusedBy((held) => chained(held, { registryRevision: registry!.revision - 1 }))).toEqual({
      outcome: 'staleRegistry',
      registryRevision: registry!.revision,
    });
  });
  it('the command', async () => {
    const used = schedule(await volume());
    await store.applied(used);
    expect(await refusedBy((held) => chained(held, { commandId: used.commandId }))).toMatchObject({
      outcome: 'repeat',
    });
    expect(await refusedBy((held) => chained(held, { commandId: used.commandId, commandHash: 'another' }))).toEqual({
      outcome: 'commandReused',
    });
  });
  it('the resource itself', async () => {
    expect(await refusedBy((held) => chained({ ...held, resourceId: 987_654_321 }, {}))).toEqual({
      outcome: 'conflict',
      resource: null,
      process: null,
    });
  });
  it('the uuid of a new resource', async () => {
    const first = create('creating');
    await store.applied(first);
    expect(await refusedBy(() => create('creating', { insert: first.insert, commandId: uuidv7() }))).toEqual({
      outcome: 'notUnique',
      field: 'uuid',
    });
  });
  it('the registry of a new resource', async () => {
    expect(await refusedBy(() => create('creating', { commandId: uuidv7(), registryRevision: 0 }))).toMatchObject({
      outcome: 'staleRegistry',
    });
  });
  it('and a clock that has run out by the database lets the end through', async () => {
    const { resourceId, processId, version } = await activating({ start: start({ deadlineMillis: 0 }) });
    const outcome = await store.applied(
      finish(resourceId, processId, version, 'inactive', { expectPassed: 'deadline' }),
    );
    expect(outcome).toMatchObject({ state: 'inactive', processId: null });
  });
  it('and with every guard right the same transition applies', async () => {
    const held = await activating();
    const outcome = await store.applied(chained(held, {}));
    expect(outcome).toMatchObject({ state: 'deactivating', fromState: 'activating', revision: 3, processVersion: 1 });
  });
});

describe('one row ends a process and starts another', () => {
  it('chain: the region changes hands', async () => {
    const { resourceId, processId, version } = await activating();
    const outcome = await store.applied(
      finish(resourceId, processId, version, 'deactivating', {
        start: start({ name: 'volume.deactivate', beganState: 'active' }),
      }),
    );
    expect(outcome.processId).not.toBe(processId);
    expect(
      await store.sql('select id, name, began_state from process_live where resource_id = $1', [resourceId]),
    ).toEqual([{ id: outcome.processId, name: 'volume.deactivate', began_state: 'active' }]);
    expect(await store.sql('select id from process_finished where resource_id = $1', [resourceId])).toEqual([
      { id: processId },
    ]);
  });

  it('pre-emption: the new process waits for the old one', async () => {
    const { resourceId, processId, version } = await activating();
    const outcome = await store.applied(
      finish(resourceId, processId, version, 'removing', {
        commandId: uuidv7(),
        end: { exitReason: 'CANCELED', progress: {}, errorCode: null, errorMessage: null },
        start: start({ name: 'volume.remove', status: 'waitingPredecessor', predecessorId: processId }),
      }),
    );
    expect(await store.sql('select predecessor_id from process_live where id = $1', [outcome.processId])).toEqual([
      { predecessor_id: processId },
    ]);
  });

  it('delegate: the process goes on under another name', async () => {
    const { resourceId, processId, version } = await activating();
    const outcome = await store.applied(
      blank({
        resourceId,
        processId,
        processVersion: version,
        change: change('deactivating', { process: 'volume.deactivate' }),
        update: fields({ name: 'volume.deactivate' }),
      }),
    );
    expect(outcome).toMatchObject({ processId, processVersion: version + 1, state: 'deactivating' });
  });
});

describe('a batch', () => {
  it('applies two inputs of one resource one after the other', async () => {
    const resourceId = await volume();
    const write = (size: number) =>
      blank({
        resourceId,
        change: change(null, { data: { [`k${size}`]: size }, feedKind: 'changed', transitioning: 'no' }),
      });
    const outcomes = await store.commit(write(1), write(2), write(3));
    expect(outcomes.map((outcome) => outcome.outcome === 'applied' && outcome.revision)).toEqual([2, 3, 4]);
    expect(await store.sql('select data from resource_data where id = $1', [resourceId])).toEqual([
      { data: { size: 1, k1: 1, k2: 2, k3: 3 } },
    ]);
  });

  it('gives each transition its own outcome, in order', async () => {
    const [a, b] = [await volume(), await volume()];
    const outcomes = await store.commit(
      schedule(a),
      schedule(b, { expectStates: ['active'] }),
      create('creating'),
      schedule(a),
    );
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['applied', 'conflict', 'applied', 'conflict']);
  });

  it('with one unacceptable row refuses that one and applies the others', async () => {
    const ids = await Promise.all(Array.from({ length: 7 }, volume));
    const transitions = ids.map((id, i) => schedule(id, i === 3 ? { start: start({ data: { bad: '\u0000' } }) } : {}));
    const outcomes = await store.commit(...transitions);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(ids.map((_, i) => (i === 3 ? 'refused' : 'applied')));
  });

  it('applies the same command once, however often and however concurrently it comes', async () => {
    const resourceId = await volume();
    const transition = schedule(resourceId, { expectStates: null });
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => one(transition)));
    expect(outcomes.filter(({ outcome }) => outcome === 'applied')).toHaveLength(1);
    expect(outcomes.filter(({ outcome }) => outcome === 'repeat')).toHaveLength(7);
    const insertion = create('creating', { commandId: uuidv7(), commandHash: 'h' });
    const inserted = await Promise.all(
      Array.from({ length: 8 }, () => one({ ...insertion, insert: { ...insertion.insert!, uuid: uuidv7() } })),
    );
    expect(inserted.filter(({ outcome }) => outcome === 'applied')).toHaveLength(1);
    expect(inserted.filter(({ outcome }) => outcome === 'repeat')).toHaveLength(7);
  });

  it('lets one of several new resources have a uuid', async () => {
    const transition = create('creating');
    const outcomes = await store.commit(...Array.from({ length: 4 }, () => transition));
    expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['applied', 'notUnique', 'notUnique', 'notUnique']);
  });

  it('refuses a transition that makes no sense before it reaches a batch', async () => {
    await expect(store.commit(blank({}))).rejects.toThrow('makes no sense');
  });
});

describe('an external handler', () => {
  const handler = (name: string, over: Partial<CommitTransition> = {}) =>
    create('active', {
      insert: { ...create().insert!, type: 'externalHandler', kind: 'externalHandler', name, uuid: uuidv7() },
      change: change('active', { transitioning: 'no', feedKind: 'done' }),
      start: null,
      ...over,
    });
  const revision = async () => (await store.sql<{ revision: number }>('select revision from registry'))[0]!.revision;

  it('raises the registry revision when it becomes active, is changed, or leaves', async () => {
    const seen = [await revision()];
    const { resourceId } = await store.applied(handler('h1'));
    seen.push(await revision());
    await store.applied(blank({ resourceId, change: change(null, { data: { priority: 5 }, feedKind: 'changed' }) }));
    seen.push(await revision());
    await store.applied(blank({ resourceId, change: change('deactivating') }));
    seen.push(await revision());
    await store.applied(blank({ resourceId, change: change('inactive') }));
    seen.push(await revision());
    expect(seen.map((value) => value - seen[0]!)).toEqual([0, 1, 2, 3, 3]);
  });

  it('holds its name alone while it is registering or active', async () => {
    const { resourceId } = await store.applied(handler('h2'));
    expect(await one(handler('h2'))).toEqual({ outcome: 'notUnique', field: 'name' });
    await store.applied(blank({ resourceId, change: change('inactive') }));
    const second = await store.applied(handler('h2'));
    expect(await one(blank({ resourceId, change: change('activating') }))).toEqual({
      outcome: 'notUnique',
      field: 'name',
    });
    await store.applied(blank({ resourceId: second.resourceId, change: change('removed') }));
    await store.applied(blank({ resourceId, change: change('activating') }));
    await store.applied(blank({ resourceId, change: change('active') }));
  });
});

afterEach(async () => {
  // Tests use states that no definition of a volume has; what concerns states is checked where definitions are loaded.
  const violations = await store.get(InvariantsService).check();
  expect(violations.filter((message) => !/rests in/.test(message))).toEqual([]);
});
