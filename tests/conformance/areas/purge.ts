import { expect } from 'vitest';
import { area, scenario } from '../scenario.js';

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
);
