import { afterAll, beforeAll, expect, it } from 'vitest';
import { InvariantsService } from '../query/invariants.service.js';
import { startTwoStores, type TestStore } from '../testing/start-store.js';
import { blank, change, create, finish, schedule, start } from '../testing/transitions.js';

let first: TestStore;
let second: TestStore;
beforeAll(async () => void ([first, second] = await startTwoStores()));
afterAll(() => first[Symbol.asyncDispose]());

/** Numbers that look random and are the same in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

it('two stores that hammer the same resources apply each transition wholly or not at all, and never deadlock', async () => {
  const made = await first.commit(...Array.from({ length: 12 }, () => create()));
  const ids = made.map((outcome) => (outcome.outcome === 'applied' ? outcome.resourceId : 0));
  let applied = ids.length;
  let finished = 0;
  const client = async (store: TestStore, seed: number): Promise<void> => {
    const random = numbers(seed);
    for (let round = 0; round < 60; round++) {
      const id = ids[random(ids.length)]!;
      const roll = random(4);
      // Pre-empting starts guard on states that the other store's transitions pass through: only the locks keep them apart.
      const states = ['requested', 'inactive', 'activating'];
      const transition =
        roll === 0
          ? blank({
              resourceId: id,
              change: change(null, { data: { [`k${seed}`]: round }, feedKind: 'changed', transitioning: 'no' }),
            })
          : schedule(id, { expectStates: states, start: start({ name: `volume.p${seed}` }) });
      const [outcome] = await store.commit(transition);
      if (outcome!.outcome === 'applied') {
        applied++;
        const { processId } = outcome!;
        if (processId !== null) {
          const [end] = await store.commit(finish(id, processId, 1));
          // Nobody else may touch a process that is held by its version.
          expect(end!.outcome).toBe('applied');
          applied++;
          finished++;
        }
      } else expect(outcome!.outcome).toBe('conflict');
    }
  };
  await Promise.all(Array.from({ length: 16 }, (_, i) => client(i % 2 === 0 ? first : second, i + 1)));

  const [sums] = await first.sql<{ revisions: number; feed: number; live: number; finished: number }>(
    `select (select sum(revision) from resource)::int as revisions, (select count(*) from feed)::int as feed,
            (select count(*) from process_live)::int as live, (select count(*) from process_finished)::int as finished`,
  );
  expect(sums).toEqual({ revisions: applied, feed: applied, live: 0, finished });
  expect((await first.get(InvariantsService).check()).filter((message) => !/rests in/.test(message))).toEqual([]);
  const deadlocks = [...first.complaints, ...second.complaints].filter(({ fields }) =>
    /deadlock/.test(String(fields['error'])),
  );
  expect(deadlocks).toEqual([]);
  // Each store's own data writes are all there: none was applied over a stale copy.
  const data = await first.sql<{ data: Record<string, number> }>('select data from resource_data');
  expect(data.every((row) => row.data['size'] === 1)).toBe(true);
});

it('a batch whose connection dies is repeated on a new one', async () => {
  const { resourceId } = await first.applied(create());
  await first.applied(schedule(resourceId));
  await second.sql(`select pg_terminate_backend(pid) from pg_stat_activity
                     where datname = current_database() and pid <> pg_backend_pid()`);
  const { resourceId: other } = await first.applied(create());
  expect(await first.applied(schedule(other))).toMatchObject({ state: 'activating' });
});
