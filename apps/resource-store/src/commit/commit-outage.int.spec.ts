import { startPostgres } from '@drover/testing';
import { expect, it } from 'vitest';
import { InvariantsService } from '../query/invariants.service.js';
import { startStore } from '../testing/start-store.js';
import { create, finish, schedule } from '../testing/transitions.js';

it('a database that is killed under load loses nothing that was answered, and commits go on when it is back', async () => {
  await using postgres = await startPostgres();
  await using store = await startStore({ databaseUrl: postgres.url });
  const accepted = new Map<number, number>();
  let stop = false;
  const client = async (): Promise<void> => {
    while (!stop) {
      const { resourceId } = await store.applied(create()).catch(() => ({ resourceId: 0 }));
      if (resourceId === 0) continue;
      const transition = schedule(resourceId);
      // As an engine does: the same batch again until its outcome is known.
      for (let known = false; !known;) {
        const [outcome] = await store.commit(transition).catch(() => [null]);
        if (outcome?.outcome === 'applied' || outcome?.outcome === 'repeat') {
          accepted.set(resourceId, outcome.processId!);
          known = true;
        }
      }
    }
  };
  const clients = Array.from({ length: 8 }, client);
  await new Promise((resolve) => setTimeout(resolve, 500));
  await postgres.kill();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const before = accepted.size;
  await postgres.restart();
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  stop = true;
  await Promise.all(clients);

  expect(before).toBeGreaterThan(0);
  expect(accepted.size).toBeGreaterThan(before);
  const live = await store.sql<{ id: number; resource_id: number }>('select id, resource_id from process_live');
  expect(new Map(live.map((row) => [row.resource_id, row.id]))).toEqual(accepted);
  const violations = await store.get(InvariantsService).check();
  expect(violations.filter((message) => !/rests in/.test(message))).toEqual([]);
  const [resourceId, processId] = [...accepted][0]!;
  expect(await store.applied(finish(resourceId, processId, 1))).toMatchObject({ state: 'inactive' });
});
