import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { DueWorkService } from '../due-work/due-work.service.js';
import { RegistryService } from '../registry/registry.service.js';
import { startTwoStores, type TestStore } from '../testing/start-store.js';
import { asksFor, create, fields, finish, start } from '../testing/transitions.js';
import { AdmissionsService } from './admissions.service.js';
import { LimitsService } from './limits.service.js';

let store: TestStore;
let second: TestStore;
let limits: LimitsService;
beforeAll(async () => {
  [store, second] = await startTwoStores();
  limits = store.get(LimitsService);
});
afterAll(() => store[Symbol.asyncDispose]());
beforeEach(async () => {
  for (const table of ['process_live', 'concurrency_limit', 'gate_place', 'gate_turn', 'handler_gate'])
    await store.sql(`delete from ${table}`);
});

const SCOPE = 'type/volume';

interface Held {
  resourceId: number;
  processId: number;
}

/** Processes of an account that wait for a gate. */
async function held(count: number, accountId: number | null, gate = SCOPE, priority = 0): Promise<Held[]> {
  const outcomes = await store.commit(
    ...Array.from({ length: count }, () => {
      const waiting = {
        status: 'held',
        heldBy: `limit/${gate}`,
        dispatch: 0,
        deadlineMillis: null,
        wakeMillis: 60_000,
      } as const;
      const made = create('creating', { start: start({ name: 'volume.create', priority, ...waiting }) });
      return { ...made, insert: { ...made.insert!, accountId } };
    }),
  );
  return outcomes.map((outcome) => {
    if (outcome.outcome !== 'applied') throw new Error(JSON.stringify(outcome));
    return { resourceId: outcome.resourceId, processId: outcome.processId! };
  });
}

async function admit(maxInFlight: number, handler = SCOPE, on = store): Promise<number[]> {
  const { work } = await on.get(AdmissionsService).admit(asksFor(handler, maxInFlight));
  return work.map(({ process }) => process.id);
}

const process = async (id: number) => (await store.get(DueWorkService).load([id], false))[0]!.process;

/** The engine's next commit on an admitted process. */
async function goOn(one: Held, over: Parameters<typeof fields>[0]): Promise<void> {
  const { version } = await process(one.processId);
  const { resourceId, processId } = one;
  const [outcome] = await store.commit({
    ...finish(resourceId, processId, version),
    change: null,
    end: null,
    update: fields({ name: 'volume.create', ...over }),
  });
  expect(outcome).toMatchObject({ outcome: 'applied' });
}

async function end(one: Held): Promise<void> {
  const { version } = await process(one.processId);
  const [outcome] = await store.commit(finish(one.resourceId, one.processId, version));
  expect(outcome).toMatchObject({ outcome: 'applied' });
}

it('as many as there are places have one, over both stores at once, until they end', async () => {
  const all = await held(20, null);
  const rounds = await Promise.all([admit(3), admit(3, SCOPE, second), admit(3), admit(3, SCOPE, second)]);
  const admitted = rounds.flat();
  expect(admitted.length).toBe(3);
  expect(await process(admitted[0]!)).toMatchObject({ admitted: SCOPE, heldBy: `limit/${SCOPE}` });
  const one = all.find(({ processId }) => processId === admitted[0])!;
  await goOn(one, { status: 'dispatched', heldBy: null, admitted: null });
  expect(await admit(3)).toEqual([]);
  await goOn(one, { status: 'backoff', heldBy: null, admitted: null });
  expect(await admit(3)).toEqual([]);
  await end(one);
  expect((await admit(3)).length).toBe(1);
  const [{ places } = { places: 0 }] = await store.sql<{ places: number }>(
    'select count(*)::int as places from gate_place',
  );
  expect(places).toBe(3);
});

it('who parks, waits for children or waits again for the same gate has no place; who is paused has', async () => {
  const all = await held(6, null);
  for (const [over, places] of [
    [{ status: 'parked', heldBy: null }, 1],
    [{ status: 'waitingChildren', heldBy: null }, 1],
    [{ status: 'held', heldBy: 'cluster' }, 0],
  ] as const) {
    const [id] = await admit(1);
    await goOn(
      all.find(({ processId }) => processId === id)!,
      { admitted: null, ...over },
    );
    expect((await admit(1)).length).toBe(places);
    await store.sql(`delete from gate_place`);
    await store.sql(`update process_live set admitted = null where held_by = 'limit/${SCOPE}'`);
  }
});

it('of a process name counts those that still bear it', async () => {
  const scope = 'process/volume.create';
  const [first] = await held(2, null, scope);
  expect(await admit(1, scope)).toEqual([first!.processId]);
  await goOn(first!, { status: 'dispatched', heldBy: null, admitted: null, name: 'volume.activate' });
  expect((await admit(1, scope)).length).toBe(1);
});

it('the first of an account comes after one of the account that waits with a thousand, not after all of them', async () => {
  const flood = await held(400, 1);
  await admit(1);
  const [quiet] = await held(1, 2);
  const order: number[] = [];
  for (let i = 0; i < 4; i++) {
    await store.sql('delete from gate_place');
    order.push(...(await admit(1)));
  }
  expect(order.indexOf(quiet!.processId)).toBeLessThanOrEqual(1);
  expect(flood.map(({ processId }) => processId)).toEqual(
    expect.arrayContaining(order.filter((id) => id !== quiet!.processId)),
  );
});

it('accounts take turns by their weights, higher priorities come first, the oldest of each before the next', async () => {
  await limits.set({ scope: 'account/2', maxConcurrent: null, weight: 2 });
  const one = await held(6, 1);
  const two = await held(6, 2);
  const [urgent] = await held(1, 1, SCOPE, 10);
  const order: number[] = [];
  for (let i = 0; i < 7; i++) {
    await store.sql('delete from gate_place');
    order.push(...(await admit(1)));
  }
  const name = (id: number): string =>
    id === urgent!.processId ? 'urgent' : one.some(({ processId }) => processId === id) ? 'one' : 'two';
  expect(name(order[0]!)).toBe('urgent');
  expect(order.slice(1).filter((id) => name(id) === 'two').length).toBeGreaterThanOrEqual(4);
  for (const list of [one, two]) {
    const ids = list.map(({ processId }) => processId);
    const served = order.filter((id) => ids.includes(id));
    expect(served).toEqual(ids.slice(0, served.length));
  }
});

it('in one answer for many places, accounts share them', async () => {
  const one = await held(50, 1);
  await held(50, 2);
  const admitted = await admit(20);
  const ids = new Set(one.map(({ processId }) => processId));
  expect(admitted.filter((id) => ids.has(id)).length).toBe(10);
});

it('turns hold for places at a handler as well', async () => {
  await held(50, 1, 'demo');
  const [quiet] = await held(1, 2, 'demo');
  expect((await admit(4, 'demo')).includes(quiet!.processId)).toBe(true);
});

it('is set, changed and removed, each with a registry revision; the list tells who has a place and who waits', async () => {
  const before = (await store.get(RegistryService).read(0, null)).revision;
  const limit = { scope: SCOPE, maxConcurrent: 2, weight: 1 };
  expect(await limits.set(limit)).toEqual({ limit, created: true });
  expect(await limits.set({ ...limit, maxConcurrent: 3 })).toMatchObject({
    created: false,
    limit: { maxConcurrent: 3 },
  });
  await held(5, null);
  await admit(3);
  expect(await limits.list(null)).toEqual([{ ...limit, maxConcurrent: 3, running: 3, held: 2 }]);
  expect(await limits.list('type/other')).toEqual([]);
  const read = await store.get(RegistryService).read(0, null);
  expect(read).toMatchObject({ revision: before + 2, limits: [{ scope: SCOPE, maxConcurrent: 3 }] });
  expect(await limits.remove(SCOPE)).toMatchObject({ scope: SCOPE });
  expect(await limits.remove(SCOPE)).toBeNull();
});

it('of due work the most important is handed out, of the rest accounts in turn the longest due', async () => {
  const all = [...(await held(6, 1)), ...(await held(2, 2)), ...(await held(1, 1, SCOPE, 5))];
  await store.sql(
    `update process_live set next_wake_at = now() - interval '1 hour' + (id || ' milliseconds')::interval`,
  );
  const { work } = await store.get(DueWorkService).claim(5, 60_000);
  const ids = all.map(({ processId }) => processId);
  expect(new Set(work.map(({ process: { id } }) => ids.indexOf(id)))).toEqual(new Set([8, 0, 1, 6, 7]));
});
