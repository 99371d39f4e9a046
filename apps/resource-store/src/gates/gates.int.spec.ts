import type { ProcessRow, WorkRow } from '@drover/contracts';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { DueWorkService } from '../due-work/due-work.service.js';
import { RegistryService } from '../registry/registry.service.js';
import { untilWaiting } from '../testing/locks.js';
import { startTwoStores, type TestStore } from '../testing/start-store.js';
import { asksFor, blank, change, create, fields, start } from '../testing/transitions.js';
import { AdmissionsService, type AdmitRequest } from './admissions.service.js';
import { GatesJob } from './gates.job.js';
import { PausesService } from './pauses.service.js';

let store: TestStore;
let second: TestStore;
let pauses: PausesService;
let admissions: AdmissionsService;
beforeAll(async () => {
  [store, second] = await startTwoStores();
  pauses = store.get(PausesService);
  admissions = store.get(AdmissionsService);
});
afterAll(() => store[Symbol.asyncDispose]());
beforeEach(async () => {
  for (const table of ['process_live', 'pause', 'handler_gate']) await store.sql(`delete from ${table}`);
});

const LIMIT = { status: 'held', heldBy: 'limit/demo', dispatch: 0, deadlineMillis: null, wakeMillis: 60_000 } as const;
const PAUSED = { ...LIMIT, heldBy: 'cluster', wakeMillis: null } as const;

interface Live {
  resourceId: number;
  processId: number;
}

/** New resources with a live process each. */
async function live(count: number, over: Parameters<typeof start>[0]): Promise<Live[]> {
  const outcomes = await store.commit(
    ...Array.from({ length: count }, () => create('creating', { start: start({ name: 'volume.create', ...over }) })),
  );
  return outcomes.map((outcome) => {
    if (outcome.outcome !== 'applied') throw new Error(JSON.stringify(outcome));
    return { resourceId: outcome.resourceId, processId: outcome.processId! };
  });
}

async function process(id: number): Promise<ProcessRow> {
  return (await store.get(DueWorkService).load([id], false))[0]!.process;
}

const revision = async (on = store): Promise<number> => (await on.get(RegistryService).read(0, null)).revision;

async function ask(over: Partial<AdmitRequest> = {}, of = admissions) {
  return of.admit(asksFor('demo', 3, over));
}

const idsOf = (work: WorkRow[]): number[] => work.map((row) => row.process.id);

it('a pause is set once, told again with a new reason, and lifted once; each change is a registry revision', async () => {
  const before = await revision();
  const { pause, created } = await pauses.set({ scope: 'cluster', operator: 'ann', reason: 'upgrade' });
  expect({ created, ...pause }).toMatchObject({ created: true, scope: 'cluster', operator: 'ann', reason: 'upgrade' });
  expect(await pauses.set({ scope: 'cluster', operator: 'ben', reason: 'upgrade' })).toEqual({ pause, created: false });
  expect(await revision()).toBe(before + 1);
  expect(await pauses.set({ scope: 'cluster', operator: 'ben', reason: 'other' })).toEqual({
    pause: { ...pause, operator: 'ben', reason: 'other' },
    created: false,
  });
  expect(await store.get(RegistryService).read(before, null)).toMatchObject({
    revision: before + 2,
    pauses: [{ scope: 'cluster', operator: 'ben', reason: 'other', since: pause.since }],
  });
  expect(await pauses.lift('cluster')).toMatchObject({ pause: { scope: 'cluster' }, woken: 0 });
  expect(await pauses.lift('cluster')).toEqual({ pause: null, woken: 0 });
  expect(await revision()).toBe(before + 3);
});

it('two stores that set the same pause make one of it', async () => {
  const before = await revision();
  const request = { scope: 'type/volume', operator: null, reason: null };
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? pauses : second.get(PausesService)).set(request)),
  );
  expect(answers.filter(({ created }) => created)).toHaveLength(1);
  expect(await store.sql('select scope from pause')).toEqual([{ scope: 'type/volume' }]);
  expect(await revision()).toBeGreaterThan(before);
});

it.each([
  ['a plain one', null],
  ['another one', change(null)],
])('no decision made before a pause commits after it, not even %s whose statement had begun', async (_, changed) => {
  const [{ resourceId, processId }] = (await live(1, { status: 'ready', wakeMillis: 5_000 })) as [Live];
  const old = await revision();
  const attempt = (version: number) =>
    blank({
      registryRevision: old,
      resourceId,
      processId,
      processVersion: version,
      expectType: 'volume',
      change: changed,
      update: fields({ name: 'volume.create', dispatch: 1 }),
    });
  // The statement has read the old revision and waits for a row; the pause comes meanwhile.
  const other = store.dataSource.createQueryRunner();
  await other.connect();
  await other.startTransaction();
  await other.query('select from resource where id = $1 for update', [resourceId]);
  await other.query('select from process_live where id = $1 for update', [processId]);
  const order: string[] = [];
  const begun = store.commit(attempt(1)).then(([outcome]) => order.push(`attempt ${outcome!.outcome}`));
  await untilWaiting(store, 1);
  const pause = second
    .get(PausesService)
    .set({ scope: 'cluster', operator: null, reason: null })
    .then(() => order.push('pause set'));
  await untilWaiting(store, 2);
  await other.commitTransaction();
  await other.release();
  await Promise.all([begun, pause]);
  expect(order[1]).toBe('pause set');
  // And what comes after it is refused, whatever it was decided on.
  const { version } = await process(processId);
  expect(await store.commit(attempt(version))).toMatchObject([{ outcome: 'staleRegistry' }]);
});

it('under load, every attempt that a pause did not let through is refused, and none begins after it', async () => {
  const many = await live(150, { status: 'ready', wakeMillis: 5_000 });
  const old = await revision();
  let isSet = false;
  const late: string[] = [];
  const attempts = many.map(async ({ resourceId, processId }, i) => {
    await new Promise((done) => setTimeout(done, i % 40));
    const sentAfter = isSet;
    const [outcome] = await (i % 2 === 0 ? store : second).commit(
      blank({
        registryRevision: old,
        resourceId,
        processId,
        processVersion: 1,
        expectType: 'volume',
        change: i % 3 === 0 ? change(null) : null,
        update: fields({ name: 'volume.create', dispatch: 2 }),
      }),
    );
    if (sentAfter && outcome!.outcome === 'applied') late.push(String(processId));
    return outcome!.outcome;
  });
  await new Promise((done) => setTimeout(done, 15));
  await pauses.set({ scope: 'cluster', operator: null, reason: null });
  isSet = true;
  const [{ dispatched }] = (await store.sql<{ dispatched: number }>(
    'select count(*)::int as dispatched from process_live where dispatch = 2',
  )) as [{ dispatched: number }];
  const outcomes = await Promise.all(attempts);
  expect(late).toEqual([]);
  expect(outcomes.filter((outcome) => outcome === 'applied')).toHaveLength(dispatched);
  expect(new Set(outcomes)).toEqual(new Set(['applied', 'staleRegistry']));
});

it('the total and the waiting clock stand still while a pause holds, and run on when it does not', async () => {
  const [{ resourceId, processId }] = (await live(1, {
    ...PAUSED,
    waitDeadlineMillis: 60_000,
    totalMillis: 90_000,
  })) as [Live];
  await store.sql(
    `update process_live set held_since = held_since - interval '1 hour', wait_deadline = wait_deadline - interval '1 hour',
    total_deadline = total_deadline - interval '1 hour' where id = $1`,
    [processId],
  );
  const held = await process(processId);
  expect(held.waitDeadlineInMillis).toBe(60_000);
  expect(held.totalDeadlineInMillis).toBe(90_000);
  const go = (version: number, over: Parameters<typeof fields>[0]) =>
    store.applied(
      blank({
        resourceId,
        processId,
        processVersion: version,
        update: fields({ name: 'volume.create', waitDeadlineMillis: 'keep', ...over }),
      }),
    );
  // From one pause to another: they stand still all the time.
  await go(held.version, { ...PAUSED, heldBy: 'type/volume', waitDeadlineMillis: 'keep' });
  expect(await process(processId)).toMatchObject({ waitDeadlineInMillis: 60_000, totalDeadlineInMillis: 90_000 });
  // Into a limit: they run on, with what was left.
  await go(held.version + 1, { ...LIMIT, waitDeadlineMillis: 'keep' });
  const [row] = await store.sql(
    `select held_since, round(extract(epoch from wait_deadline - now()))::int as wait,
            round(extract(epoch from total_deadline - now()))::int as total from process_live where id = $1`,
    [processId],
  );
  expect(row).toEqual({ held_since: null, wait: 60, total: 90 });
});

it('a held process cannot be woken by a clock, only by lifting', async () => {
  await live(3, PAUSED);
  expect((await store.get(DueWorkService).claim(10, 1_000)).work).toEqual([]);
  await pauses.set({ scope: 'cluster', operator: null, reason: null });
  expect(await pauses.list(null)).toMatchObject([{ scope: 'cluster', held: 3 }]);
  expect(await pauses.list('type/volume')).toEqual([]);
  expect(await pauses.lift('cluster')).toMatchObject({ woken: 3 });
  expect((await store.get(DueWorkService).claim(10, 5_000)).work).toHaveLength(3);
  // Claimed, and not decided yet: they are not woken once more.
  expect(await pauses.wakeLifted()).toBe(false);
  expect((await store.get(DueWorkService).claim(10, 5_000)).work).toEqual([]);
});

it('lifting wakes 500 at a time, most important first, and the job finishes it; other pauses keep what they hold', async () => {
  await live(700, PAUSED);
  const [{ processId: important }] = (await live(1, { ...PAUSED, priority: 9 })) as [Live];
  await live(2, { ...PAUSED, heldBy: 'type/volume' });
  for (const scope of ['cluster', 'type/volume']) await pauses.set({ scope, operator: null, reason: null });
  expect(await pauses.lift('cluster')).toMatchObject({ woken: 500 });
  const due = () => store.sql<{ id: number }>('select id from process_live where next_wake_at <= now()');
  expect((await due()).map(({ id }) => id)).toContain(important);
  expect(await pauses.wakeLifted()).toBe(false);
  expect(await due()).toHaveLength(701);
});

it('admits as many as there are places, the most important first, then the oldest, and hands them out', async () => {
  const old = await live(3, LIMIT);
  const [urgent] = (await live(1, { ...LIMIT, priority: 5 })) as [Live];
  const first = await ask();
  expect(first).toMatchObject({ stale: false, more: false, circuit: 'closed' });
  expect(idsOf(first.work)).toEqual([urgent.processId, old[0]!.processId, old[1]!.processId]);
  expect(first.work[0]).toMatchObject({
    process: { version: 2, admitted: 'demo', status: 'held' },
    resource: { type: 'volume' },
  });
  // Handed out: nobody else gets them while whoever asked wakes them.
  expect((await store.get(DueWorkService).claim(10, 1_000)).work).toEqual([]);
  expect((await ask()).work).toEqual([]);
  expect(await admissions.read('demo')).toEqual({ inFlight: 3, held: 1, circuit: 'closed', failures: 0 });
});

it('a place that was given is seen by what was decided before: it is decided again', async () => {
  const [{ resourceId, processId }] = (await live(1, LIMIT)) as [Live];
  await ask();
  const update = fields({ name: 'volume.create', ...LIMIT });
  expect(await store.commit(blank({ resourceId, processId, processVersion: 1, update }))).toMatchObject([
    { outcome: 'conflict', process: { admitted: 'demo', version: 2 } },
  ]);
});

it('a process that ended, however it did, has given its place up', async () => {
  const [one] = (await live(2, LIMIT)) as [Live];
  expect((await ask({ limits: { maxInFlight: 1, circuitBreaker: null } })).work).toHaveLength(1);
  await store.sql('delete from process_live where id = $1', [one.processId]);
  expect((await ask({ limits: { maxInFlight: 1, circuitBreaker: null } })).work).toHaveLength(1);
});

it('four that admit at once, in two stores, never give more places than there are, and in the end all', async () => {
  const many = await live(120, LIMIT);
  const given: number[] = [];
  let most = 0;
  const one = async (of: AdmissionsService): Promise<void> => {
    while (given.length < many.length) {
      const { work } = await ask({ limits: { maxInFlight: 7, circuitBreaker: null }, limit: 5 }, of);
      const [{ taken }] = (await store.sql<{ taken: number }>(
        `select count(*)::int as taken from process_live where admitted = 'demo'`,
      )) as [{ taken: number }];
      most = Math.max(most, taken);
      given.push(...idsOf(work));
      // Some of them end.
      for (const id of idsOf(work).slice(0, 3)) await store.sql('delete from process_live where id = $1', [id]);
      if (work.length === 0)
        await store.sql(
          `delete from process_live where id = (select min(id) from process_live where admitted = 'demo')`,
        );
    }
  };
  await Promise.all([admissions, second.get(AdmissionsService), admissions, second.get(AdmissionsService)].map(one));
  expect(most).toBeLessThanOrEqual(7);
  expect(given.length).toBe(new Set(given).size);
  expect(given.toSorted((a, b) => a - b)).toEqual(many.map(({ processId }) => processId));
});

it('a limit as of an older registry admits nothing', async () => {
  await live(1, LIMIT);
  expect(await ask({ registryRevision: (await revision()) - 1 })).toMatchObject({ stale: true, work: [] });
  expect(await ask({ registryRevision: await revision() })).toMatchObject({ stale: false, work: [{}] });
});

it('says when places and processes are left', async () => {
  await live(5, LIMIT);
  expect(await ask({ limit: 1 })).toMatchObject({ more: true, work: [{}] });
  expect(await ask({ limit: 2 })).toMatchObject({ more: false, work: [{}, {}] });
});

const BREAKER = { maxInFlight: null, circuitBreaker: { failures: 2, openMillis: 60_000 } };

it('a circuit opens after failures in a row, admits one at a time when its time is over, and closes with a success', async () => {
  await live(5, LIMIT);
  expect(await ask({ limits: BREAKER, limit: 1, outcomes: { succeeded: true, failed: 1 } })).toMatchObject({
    circuit: 'closed',
    failures: 1,
    work: [{}],
  });
  expect(await ask({ limits: BREAKER, outcomes: { succeeded: false, failed: 1 } })).toMatchObject({
    circuit: 'open',
    failures: 2,
    work: [],
    more: false,
  });
  // Those that wait are decided again, and say so.
  expect((await store.get(DueWorkService).claim(10, 60_000)).work).toHaveLength(4);
  expect(await admissions.read('demo')).toMatchObject({ circuit: 'open', inFlight: 1, held: 4 });
  await store.sql(`update handler_gate set opened_until = now()`);
  expect(await ask({ limits: BREAKER })).toMatchObject({ circuit: 'halfOpen', work: [] });
  await store.sql(`delete from process_live where admitted = 'demo'`);
  expect(await ask({ limits: BREAKER })).toMatchObject({ circuit: 'halfOpen', work: [{}], more: false });
  expect(await ask({ limits: BREAKER })).toMatchObject({ circuit: 'halfOpen', work: [] });
  expect(await ask({ limits: BREAKER, outcomes: { succeeded: false, failed: 1 } })).toMatchObject({
    circuit: 'open',
    failures: 3,
  });
  await store.sql(`update handler_gate set opened_until = now()`);
  const closed = await ask({ limits: BREAKER, outcomes: { succeeded: true, failed: 0 } });
  expect(closed).toMatchObject({ circuit: 'closed', failures: 0 });
  expect(closed.work).toHaveLength(3);
});

it('the job wakes who is overlooked: the next one of a handler that works, many of one where nothing is under way, none while it is open', async () => {
  const [first] = (await live(4, LIMIT)) as [Live];
  const due = async (): Promise<number[]> =>
    idsOf((await store.get(DueWorkService).claim(100, 60_000)).work).toSorted((a, b) => a - b);
  await admissions.wakeOverlooked();
  expect(await due()).toHaveLength(4);
  await ask({ limit: 1, limits: { maxInFlight: 1, circuitBreaker: null } });
  await admissions.wakeOverlooked();
  expect(await due()).toEqual([first.processId + 2]);
  await store.sql(`insert into handler_gate values ('demo', 5, now() + interval '1 minute')
    on conflict (handler) do update set opened_until = excluded.opened_until`);
  await admissions.wakeOverlooked();
  expect(await due()).toEqual([]);
});

it('the job looks for held processes rarely, and at once when a pause is lifted or places are asked for', async () => {
  const abort = new AbortController();
  let looked = 0;
  const original = pauses.anyHeld.bind(pauses);
  pauses.anyHeld = () => {
    looked++;
    return original();
  };
  const running = store.get(GatesJob).run(abort.signal);
  try {
    await expect.poll(() => looked).toBe(1);
    // Told by another replica; nothing is held, so it would look again after five seconds only.
    await second.get(PausesService).set({ scope: 'cluster', operator: null, reason: null });
    const lookedBefore = looked;
    await live(700, PAUSED);
    await second.get(PausesService).lift('cluster');
    await expect.poll(() => looked, { timeout: 4_000 }).toBeGreaterThan(lookedBefore);
    const due = `select id from process_live where next_wake_at <= now()`;
    await expect.poll(() => store.sql(due), { timeout: 4_000 }).toHaveLength(700);
    await store.sql('delete from process_live');
    await ask({}, second.get(AdmissionsService));
    await expect.poll(() => looked, { timeout: 4_000 }).toBeGreaterThan(lookedBefore + 1);
  } finally {
    pauses.anyHeld = original;
    abort.abort();
    await running;
  }
});
