import { waitFor } from '@drover/testing';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { PresenceJob } from '../presence/presence.job.js';
import { ANY_WAITING } from '../sql/presence.sql.js';
import { startStore, type TestStore } from '../testing/start-store.js';
import { create, fields, start } from '../testing/transitions.js';
import { blank } from '../testing/transitions.js';
import { DueWorkService } from './due-work.service.js';

let store: TestStore;
let work: DueWorkService;
beforeAll(async () => {
  store = await startStore();
  work = store.get(DueWorkService);
});
afterAll(() => store[Symbol.asyncDispose]());
beforeEach(() => store.sql('delete from process_live'));

/** Resources with a live process each. */
async function live(count: number, over: Parameters<typeof start>[0]): Promise<number[]> {
  const outcomes = await store.commit(
    ...Array.from({ length: count }, () => create('creating', { start: start({ name: 'volume.create', ...over }) })),
  );
  return outcomes.map((outcome) => (outcome.outcome === 'applied' ? outcome.processId! : 0));
}

it('two claimants never get the same process, and together they get all', async () => {
  const ids = await live(200, { wakeMillis: 0 });
  const claims = await Promise.all(Array.from({ length: 8 }, () => work.claim(40, 10_000)));
  const got = claims.flatMap((claim) => claim.work.map(({ process }) => process.id));
  expect(new Set(got).size).toBe(got.length);
  for (let left = ids.length - got.length; left > 0;) {
    const more = (await work.claim(100, 10_000)).work;
    if (more.length === 0) break;
    got.push(...more.map(({ process }) => process.id));
    left -= more.length;
  }
  expect(got.sort((a, b) => a - b)).toEqual(ids.sort((a, b) => a - b));
});

it('hands out the more important first, with process and resource, and says when the next falls due', async () => {
  const [low] = await live(1, { wakeMillis: 0, priority: 1 });
  const [high] = await live(1, { wakeMillis: 0, priority: 9, data: { why: 'test' } });
  await live(1, { wakeMillis: 60_000 });
  const { work: claimed, nextInMillis } = await work.claim(2, 90_000);
  expect(claimed.map(({ process }) => process.id)).toEqual([high, low]);
  expect(claimed[0]).toMatchObject({
    process: {
      version: 1,
      name: 'volume.create',
      data: { why: 'test' },
      resend: false,
      deadlineInMillis: expect.any(Number),
    },
    resource: { state: 'creating', revision: 1, data: { size: 1 }, regions: {} },
  });
  expect(nextInMillis).toBeGreaterThan(50_000);
  expect(nextInMillis).toBeLessThanOrEqual(60_000);
});

it('a claim that is not followed by a commit falls due again', async () => {
  const [id] = await live(1, { wakeMillis: 0 });
  expect((await work.claim(10, 0)).work).toHaveLength(1);
  expect((await work.claim(10, 60_000)).work.map(({ process }) => process.id)).toEqual([id]);
  expect((await work.claim(10, 60_000)).work).toHaveLength(0);
});

it('an answer is cut to what the broker carries, and the rest stays due', async () => {
  const blob = 'x'.repeat(200_000);
  const ids = await live(6, { wakeMillis: 0, data: { blob } });
  const seen: number[] = [];
  for (let i = 0; i < 6 && seen.length < 6; i++) {
    const { work: part } = await work.claim(10, 60_000);
    expect(JSON.stringify(part).length).toBeLessThan(750_000);
    seen.push(...part.map(({ process }) => process.id));
  }
  expect(seen.sort((a, b) => a - b)).toEqual(ids.sort((a, b) => a - b));
});

it('the wake-up is never later than the waiting and the total clock, and infinite where only an operator can act', async () => {
  const [total] = await live(1, { wakeMillis: 60_000, totalMillis: 5_000 });
  const [waiting] = await live(1, { wakeMillis: 60_000, waitDeadlineMillis: 4_000, deadlineMillis: null });
  const [parked] = await live(1, { wakeMillis: null, status: 'parked', deadlineMillis: null });
  const rows = await store.sql<{ id: number; wake: number }>(
    `select id, case when next_wake_at = 'infinity' then -1 else round(date_part('epoch', next_wake_at - start_time)) end::int as wake
       from process_live`,
  );
  expect(Object.fromEntries(rows.map(({ id, wake }) => [id, wake]))).toEqual({
    [total!]: 5,
    [waiting!]: 4,
    [parked!]: -1,
  });
});

it('releases a bounded number of those that wait for a handler', async () => {
  await live(5, { status: 'waitingHandler', waitingHandler: 'h', wakeMillis: 60_000 });
  expect(await work.release('h', 3)).toBe(3);
  expect(await work.release('other', 3)).toBe(0);
  expect((await work.claim(10, 60_000)).work).toHaveLength(3);
});

it('presence wakes the oldest waiting process of each handler', async () => {
  const [a] = await live(3, { status: 'waitingHandler', waitingHandler: 'a', wakeMillis: 60_000 });
  const [b] = await live(3, { status: 'waitingHandler', waitingHandler: 'b', wakeMillis: 60_000 });
  const abort = new AbortController();
  const running = store.get(PresenceJob).run(abort.signal);
  await new Promise((resolve) => setTimeout(resolve, 200));
  abort.abort();
  await running;
  expect((await work.claim(10, 60_000)).work.map(({ process }) => process.id)).toEqual([a, b]);
});

it('presence looks seldom while nothing waits, and a second after a commit', async () => {
  // A spy without an implementation calls what it spies on.
  const query = vi.spyOn(store.dataSource, 'query');
  const abort = new AbortController();
  const running = store.get(PresenceJob).run(abort.signal);
  try {
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(query.mock.calls.filter(([text]) => text === ANY_WAITING).length).toBeLessThan(3);
    const [id] = await live(1, { status: 'waitingHandler', waitingHandler: 'a', wakeMillis: 60_000 });
    const claimed = await waitFor(async () => (await work.claim(1, 60_000)).work[0], { what: 'the process is woken' });
    expect(claimed.process.id).toBe(id);
  } finally {
    query.mockRestore();
    abort.abort();
    await running;
  }
});

it('loads by number, and those that wait for one', async () => {
  const [first] = await live(1, {});
  const [second] = await live(1, { predecessorId: first!, status: 'waitingPredecessor' });
  expect((await work.load([first!], false)).map(({ process }) => process.id)).toEqual([first]);
  expect((await work.load([first!], true)).map(({ process }) => process.id)).toEqual([first]);
  // The cancelled one has ended, the one that waits for it has not.
  const row = (await work.load([first!], false))[0]!;
  await store.applied(
    blank({
      resourceId: row.resource.id,
      processId: first!,
      processVersion: 1,
      end: { exitReason: 'CANCELED', progress: {}, errorCode: null, errorMessage: null },
    }),
  );
  expect((await work.load([first!], true)).map(({ process }) => process.id)).toEqual([second]);
  // One on the same resource may wait for it behind a nearer one.
  const { processId: third } = await store.applied(
    blank({
      resourceId: row.resource.id,
      start: start({ name: 'volume.remove', status: 'waitingPredecessor', predecessorId: 987_654_321 }),
    }),
  );
  await store.sql('update process_live set predecessor_id = null where id = $1', [second]);
  expect((await work.load([first!], true)).map(({ process }) => process.id)).toEqual([third]);
  expect(fields().status).toBe('dispatched');
});
