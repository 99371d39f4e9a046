import { expect } from 'vitest';
import { area, scenario } from '../scenario.js';
import { atWork } from '../situations.js';
import { failed } from '../world.js';

export const durableSteps = area(
  'Durable steps',
  'A step is one turn of one handler. Finished steps stay finished: what fails, dies or waits goes on where it was.',
  scenario(
    'a retry resumes at the step that failed',
    {
      given: 'three handlers, of which the second fails once',
      when: 'the process has ended',
      then: 'the first and the third were asked once, the second twice',
    },
    async (world) => {
      await world.declare();
      const a = await world.handler('a', 'run', [{}]);
      const b = await world.handler('b', 'run', [failed('not yet'), {}]);
      const c = await world.handler('c', 'run', [{}]);
      const { process } = await world.running();
      expect(await process.ended()).toBe('DONE');
      expect([a, b, c].map(({ events }) => events.length)).toEqual([1, 2, 1]);
    },
  ),
  scenario(
    'what an earlier step wrote is seen by the later ones, also in a later execution',
    {
      given: 'a handler that writes size 7, and one behind it that fails once',
      when: 'the second one is asked again',
      then: 'both of its events show size 7',
    },
    async (world) => {
      await world.declare();
      await world.handler('a', 'run', [{ data: { size: 7 } }]);
      const b = await world.handler('b', 'run', [failed('not yet'), {}]);
      const { process } = await world.running();
      expect(await process.ended()).toBe('DONE');
      expect(b.events.map(({ resource }) => resource['size'])).toEqual([7, 7]);
    },
  ),
  scenario(
    'all attempts of a step have one key, and each has an id of its own',
    {
      given: 'a handler that fails twice',
      when: 'it was asked three times',
      then: 'its events have one key and three ids',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('a', 'run', [failed('no'), failed('no'), {}]);
      const { process } = await world.running();
      await process.ended();
      expect(new Set(handler.events.map(({ key }) => key)).size).toBe(1);
      expect(new Set(handler.events.map(({ id }) => id)).size).toBe(3);
    },
  ),
  scenario(
    'each failed attempt closes an execution, and the next one opens another',
    {
      given: 'a handler that fails once',
      when: 'the process has ended',
      then: 'it has two executions, the first one with UNKNOWN_EXCEPTION, the second one with DONE',
    },
    async (world) => {
      await world.declare();
      await world.handler('a', 'run', [failed('no'), {}]);
      const { process } = await world.running();
      await process.ended();
      expect((await process.executions()).map(({ exitReason }) => exitReason)).toEqual(['UNKNOWN_EXCEPTION', 'DONE']);
      expect((await process.read())['executionCount']).toBe(2);
    },
  ),
  scenario(
    'a process keeps the version of the definition that it began on',
    {
      given: 'a process at work, of a definition whose `run` ends in ran',
      when: 'a new version lets `run` end in stopped, and the handler answers then',
      then: 'the process ends in ran; the next one, of the new version, ends in stopped',
    },
    async (world) => {
      const { handler, thing, process, delivery } = await atWork(world);
      await world.declare('processes: { run: { done: stopped } }');
      delivery.reply({});
      expect(await process.ended()).toBe('DONE');
      expect((await thing.read())['state']).toBe('ran');
      handler.answers({});
      const next = await world.running();
      await next.process.ended();
      expect((await next.thing.read())['state']).toBe('stopped');
    },
  ),
  scenario(
    'the handler list is fixed for an execution',
    {
      given: 'a process whose only handler is at work',
      when: 'another handler of the same phase registers, and the first one answers',
      then: 'this execution ends without the newcomer',
    },
    async (world) => {
      await world.declare();
      const first = await world.handler('a', 'run');
      const { process } = await world.running();
      const delivery = await first.asked();
      const late = await world.handler('b', 'run', [{}]);
      delivery.reply({});
      expect(await process.ended()).toBe('DONE');
      expect(late.events).toHaveLength(0);
    },
  ),
  scenario(
    'a handler that registers between two attempts is not skipped, and shifts nobody',
    {
      given: 'handlers b and c, of which b is done and c fails; between the attempts, a registers ahead of both',
      when: 'the next attempt begins',
      then: 'a is asked, b is not asked again, c is asked again',
    },
    async (world) => {
      await world.declare('processes: { run: { retry: { initialMillis: 4000, maxMillis: 4000 } } }');
      const b = await world.handler('b', 'run', [{}]);
      const c = await world.handler('c', 'run', [failed('no'), {}]);
      const { process } = await world.running();
      await process.until({ status: 'backoff' });
      const a = await world.handler('a', 'run', [{}]);
      expect(await process.ended()).toBe('DONE');
      expect([a, b, c].map(({ events }) => events.length)).toEqual([1, 1, 2]);
    },
  ),
  scenario(
    'a handler deactivated between two attempts is passed over',
    {
      given: 'a handler that failed and is waited for in backoff',
      when: 'it is deactivated',
      then: 'the process goes on without it and is done',
    },
    async (world) => {
      await world.declare('processes: { run: { retry: { initialMillis: 4000, maxMillis: 4000 } } }');
      const handler = await world.handler('a', 'run', [failed('no')]);
      const { process } = await world.running();
      await process.until({ status: 'backoff' });
      await handler.act('deactivate');
      expect(await process.ended()).toBe('DONE');
      expect(handler.events).toHaveLength(1);
    },
  ),
  scenario(
    'once registered, a handler is used by every process that is scheduled later',
    {
      given: 'ten resources at rest',
      when: 'a handler has shown active, and `run` is started on all of them',
      then: 'it is asked ten times: never a silent success',
    },
    async (world) => {
      await world.declare();
      const things = await Promise.all(Array.from({ length: 10 }, () => world.create()));
      const handler = await world.handler('a', 'run', [{}]);
      await Promise.all(things.map((thing) => thing.runs('run')));
      expect(new Set(handler.events.map(({ resourceId }) => resourceId)).size).toBe(10);
    },
  ),
  scenario(
    'a delegate has step keys of its own',
    {
      given: 'a handler bound to `run` and to its delegate `stop`',
      when: 'both processes have asked it',
      then: 'its two events have one process id and two keys',
    },
    async (world) => {
      await world.declare('processes: { run: { delegate: { to: stop, always: true } } }');
      const handler = await world.handler('a', 'run,stop', [{}]);
      const { process } = await world.running();
      expect(await process.ended()).toBe('DONE');
      expect(new Set(handler.events.map(({ processId }) => processId)).size).toBe(1);
      expect(new Set(handler.events.map(({ key }) => key)).size).toBe(2);
    },
  ),
);
