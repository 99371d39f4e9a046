import { expect } from 'vitest';
import { area, scenario } from '../scenario.js';
import { failedForGood } from '../world.js';

export const purge = area(
  'Removal and purge',
  'A removed resource is a record; after its time it is purged.',
  scenario(
    'a removed resource is purged after purgeAfterMillis',
    {
      given: 'a type with `purgeAfterMillis: 100`',
      when: 'a resource of it is removed',
      then: 'it is purged by a `purge` process, and still readable by its id',
    },
    async (world) => {
      await world.declare('purgeAfterMillis: 100');
      const thing = await world.create();
      await thing.runs('remove');
      await thing.until({ state: 'purged' });
      expect((await thing.processes()).map(({ processName }) => processName)).toContain(world.processes('purge'));
    },
  ),
  scenario(
    'with `purgeAfterMillis: null`, a removed resource stays',
    {
      given: 'a type with `purgeAfterMillis: null`, and one with 100',
      when: 'a resource of each is removed, and the second one was purged',
      then: 'the first one is still removed, and can be purged by hand',
    },
    async (world) => {
      await world.declare('purgeAfterMillis: null');
      await world.declare('purgeAfterMillis: 100', 'witness');
      const [kept, witness] = [await world.create(), await world.create({}, 'witness')];
      await kept.runs('remove');
      await witness.runs('remove');
      await witness.until({ state: 'purged' });
      expect((await kept.read())['state']).toBe('removed');
      await kept.runs('purge');
      expect((await kept.read())['state']).toBe('purged');
    },
  ),
  scenario(
    'purge runs its handlers like any process',
    {
      given: 'a handler of `purge`',
      when: 'a removed resource is purged by hand',
      then: 'the handler was asked while the resource was in purging',
    },
    async (world) => {
      await world.declare('purgeAfterMillis: null');
      const handler = await world.handler('a', 'purge', [{}]);
      const thing = await world.create();
      await thing.runs('remove');
      await thing.runs('purge');
      expect(handler.events.map(({ resource }) => resource['state'])).toEqual(['purging']);
    },
  ),
  scenario(
    'a purged resource stays readable by its id, with its history, and nothing can be done with it',
    {
      given: 'a purged resource of a type with `purgeAfterMillis: 100`',
      when: 'it is read by its id, listed, asked for its transitions, its processes and why, and sent an action',
      then: 'all of it is there, with no actions; plain lists hide it and `state=purged` finds it; the action is 422 ActionNotAvailable',
    },
    async (world) => {
      await world.declare('purgeAfterMillis: 100');
      const thing = await world.create({ size: 3 });
      await thing.runs('remove');
      await thing.until({ state: 'purged', transitioning: 'no' });
      const read = await thing.read();
      expect(read).toMatchObject({ state: 'purged', size: 3, actions: {} });
      expect(read['removed']).not.toBeNull();
      expect((await thing.moves()).slice(-2)).toEqual(['removed>purging', 'purging>purged']);
      const purged = await thing.processOf('purge');
      expect(await purged.read()).toMatchObject({ exitReason: 'DONE' });
      expect((await thing.why())['message']).toContain('rests in purged');
      const list = `/${world.type().toLowerCase()}`;
      expect((await world.suite.api.get(list))['data']).toEqual([]);
      expect((await world.suite.api.get(`${list}?state=purged`))['data']).toMatchObject([{ id: thing.id }]);
      expect(await world.refused(thing.act('remove'))).toMatchObject({ status: 422, code: 'ActionNotAvailable' });
    },
  ),
  scenario(
    'nothing new may refer to a removed resource',
    {
      given: 'a removed resource of a type with the usual day, and a type that refers to it',
      when: 'a resource that refers to it is created',
      then: '422 InvalidReference: what is removed is a record',
    },
    async (world) => {
      await world.declare();
      await world.declare('fields: { thingId: { type: reference, to: thing } }', 'disk');
      const thing = await world.create();
      await thing.runs('remove');
      expect(await world.refused(world.createOnly({ thingId: thing.id }, 'disk'))).toMatchObject({
        status: 422,
        code: 'InvalidReference',
      });
      expect((await thing.read())['state']).toBe('removed');
    },
  ),
  scenario(
    'what is removed cannot be forced back to life',
    {
      given: 'a removed resource whose `purge` is parked',
      when: 'an operator forces `inactive`, and then `removed`',
      then: 'the first is 422 InvalidOption, which names removed and purged; the second one is done',
    },
    async (world) => {
      await world.declare('purgeAfterMillis: null');
      await world.handler('a', 'purge', [failedForGood('no bin')]);
      const thing = await world.create();
      await thing.runs('remove');
      const process = await thing.runs('purge');
      const refusal = await world.refused(process.operate('force', { state: 'inactive' }));
      expect(refusal).toMatchObject({ status: 422, code: 'InvalidOption' });
      expect(refusal.message).toMatch(/: removed, purged$/);
      await process.operate('force', { state: 'removed' });
      expect(await process.ended()).toBe('CANCELED');
      expect(await thing.read()).toMatchObject({ state: 'removed', transitioning: 'no' });
    },
  ),
);
