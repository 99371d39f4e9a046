import { waitFor } from '@drover/testing';
import pg from 'pg';
import { expect } from 'vitest';
import type { ApiError } from '../api.js';
import { area, scenario } from '../scenario.js';
import { failed, SILENT } from '../world.js';

export const alone = area(
  'The whole cluster',
  'What concerns everything at once. These scenarios have a stack of their own (`alone.e2e.spec.ts`).',
  scenario(
    'a pause of the cluster holds every type before its next attempt, takes answers, and is lifted in one act',
    {
      given: 'a process whose handler works, one in backoff, and resources of another type',
      when: 'the cluster is paused; a process of the other type is started, the handler answers, and the backoff ends',
      then: 'all three are held and say who paused the cluster, the answer is written; lifted, each goes on where it was',
    },
    async (world) => {
      await world.declare('processes: { run: { retry: { initialMillis: 200, maxMillis: 200 } } }');
      await world.declare('', 'other');
      const [worker, next] = [await world.handler('a', 'run'), await world.handler('b', 'run', [{}])];
      const elsewhere = await world.handler('c', 'other.run', [{}]);
      const working = await world.running();
      const delivery = await worker.asked();
      worker.answers(failed('not yet'), {});
      const tried = await world.running();
      await worker.asked(2);
      const other = await world.create({}, 'other');
      const pause = await world.pause('cluster', 'new disks');
      const started = await other.act('run');
      delivery.reply({ data: { size: 5 } });
      const held = [working.process, tried.process, started];
      for (const process of held) await process.until({ status: 'held' });
      expect(await working.thing.read()).toMatchObject({ state: 'running', size: 5 });
      for (const thing of [working.thing, tried.thing, other])
        expect((await thing.read())['transitioningMessage']).toMatch(/the cluster is paused by ada: new disks$/);
      expect([worker, next, elsewhere].map(({ events }) => events.length)).toEqual([2, 0, 0]);
      await pause.lift();
      for (const process of held) expect(await process.ended()).toBe('DONE');
      expect([worker, next, elsewhere].map(({ events }) => events.length)).toEqual([3, 2, 1]);
    },
  ),
  scenario(
    "a pause of the cluster leaves Drover's own types alone, and operators free to act",
    {
      given: 'a paused cluster with a held process',
      when: 'a handler is registered, one is deactivated, and the held process is cancelled',
      then: 'the one is active and the other one inactive at once; the process ended CANCELED',
    },
    async (world) => {
      await world.declare();
      const old = await world.handler('old', 'run', [SILENT]);
      const thing = await world.create();
      const pause = await world.pause('cluster');
      const process = await thing.act('run');
      await process.until({ status: 'held' });
      // Both are answered when it is so.
      const young = await world.handler('young', 'run', [{}]);
      await old.act('deactivate');
      const state = async (handler: typeof old) =>
        (await world.suite.api.get(`/externalhandlers/${handler.resourceId}`))['state'];
      expect([await state(young), await state(old)]).toEqual(['active', 'inactive']);
      await process.operate('cancel');
      expect(await process.ended()).toBe('CANCELED');
      await pause.lift();
      await thing.runs('run');
      expect([old, young].map(({ events }) => events.length)).toEqual([0, 1]);
    },
  ),
  scenario(
    'a purged resource is deleted when the last of its history is gone; then nothing of it is readable',
    {
      given:
        'two purged resources whose purge was 40 days ago by the clock of the database, of which one has history left',
      when: 'the store does its housekeeping, as every hour and at each start',
      then: 'the one with history is still readable; of the other one id, transitions and why are 404 NotFound',
    },
    async (world) => {
      await world.declare('purgeAfterMillis: 100');
      const [gone, kept] = [await world.create(), await world.create()];
      for (const thing of [gone, kept]) {
        await thing.runs('remove');
        await thing.until({ state: 'purged', transitioning: 'no' });
        await (await thing.processOf('purge')).ended();
      }
      const purge = await gone.processOf('purge');
      const { stack } = world.suite.cluster;
      const database = new pg.Client({ connectionString: stack.databaseUrl });
      await database.connect();
      try {
        const both = [[gone.number, kept.number]];
        await database.query(`update resource_data set purged = purged - interval '40 days' where id = any ($1)`, both);
        // What is kept for a day, and what goes with the old partitions.
        await database.query('delete from command where resource_id = any ($1)', both);
        await database.query('delete from feed where resource_id = any ($1)', both);
        await database.query('delete from process_finished where resource_id = $1', [gone.number]);
      } finally {
        await database.end();
      }
      await stack.restart('resource-store');
      const { api } = world.suite;
      const isGone = () =>
        gone.read().then(
          () => false,
          (error: ApiError) => error.status === 404,
        );
      await waitFor(isGone, { what: 'the end of the purged resource' });
      for (const path of [gone.path, `${gone.path}/transitions`, `${gone.path}/why`, purge.url])
        expect(await world.refused(api.get(path))).toMatchObject({ status: 404, code: 'NotFound' });
      expect(await kept.read()).toMatchObject({ state: 'purged' });
      expect(await (await kept.processOf('purge')).read()).toMatchObject({ exitReason: 'DONE' });
    },
  ),
);
