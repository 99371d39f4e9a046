import { expect } from 'vitest';
import { area, inProcess, scenario } from '../scenario.js';
import { type Reply, SILENT } from '../world.js';

/** Adds the handler's name to the list of those that were there. */
const signs =
  (name: string, more: object = {}): Reply =>
  ({ resource }) => ({ data: { seen: [...((resource['seen'] as string[] | null) ?? []), name] }, ...more });

export const ordering = area(
  'Ordering',
  'A process calls its handlers one after the other: pre-listeners, handlers, post-listeners.',
  scenario(
    'pre-listeners come before handlers, and post-listeners after them',
    {
      given: 'three handlers of one priority: one bound to `post.run`, one to `run`, one to `pre.run`',
      when: 'the process runs',
      then: 'they are asked as pre, handle, post; each sees what those before it wrote',
    },
    async (world) => {
      await world.declare();
      for (const [name, processes] of [
        ['c', 'post.run'],
        ['b', 'run'],
        ['a', 'pre.run'],
      ] as const)
        await world.handler(name, processes, [signs(name)]);
      const thing = await world.create();
      const process = await thing.runs('run');
      expect((await thing.read())['seen']).toEqual(['a', 'b', 'c']);
      expect((await process.steps()).map(({ phase }) => phase)).toEqual(['pre', 'handle', 'post']);
    },
  ),
  scenario(
    'within a phase, the lower priority comes first',
    {
      given: 'handlers a of priority 2000, b of 500 and c of 1000',
      when: 'the process runs',
      then: 'they are asked as b, c, a',
    },
    async (world) => {
      await world.declare();
      for (const [name, priority] of Object.entries({ a: 2_000, b: 500, c: 1_000 }))
        await world.handler(name, 'run', [signs(name)], { priority });
      const thing = await world.create();
      await thing.runs('run');
      expect((await thing.read())['seen']).toEqual(['b', 'c', 'a']);
    },
  ),
  scenario(
    'handlers of one priority come in the order of their names',
    {
      given: 'handlers zebra, ant and mole of one priority, registered in that order',
      when: 'the process runs',
      then: 'they are asked as ant, mole, zebra',
    },
    async (world) => {
      await world.declare();
      for (const name of ['zebra', 'ant', 'mole']) await world.handler(name, 'run', [signs(name)]);
      const thing = await world.create();
      await thing.runs('run');
      expect((await thing.read())['seen']).toEqual(['ant', 'mole', 'zebra']);
    },
  ),
  inProcess(
    'handlers inside the engine and over NATS are sorted together',
    {
      given: 'a handler inside the engine of priority 1000, and two over NATS of 900 and 1100',
      when: 'the process runs',
      then: 'the one inside is asked between the other two',
    },
    async (world) => {
      await world.declare();
      await world.handler('late', 'run', [signs('late')], { priority: 1_100 });
      await world.handler('early', 'run', [signs('early')], { priority: 900 });
      const thing = await world.create();
      const process = await thing.runs('run', { script: [{ data: { size: 1 } }] });
      expect((await process.steps()).map(({ handler }) => handler)).toEqual([
        world.handlerName('early'),
        'work',
        world.handlerName('late'),
      ]);
      expect(await thing.read()).toMatchObject({ size: 1, seen: ['early', 'late'] });
    },
  ),
  scenario(
    'a glob binds a handler to every process that it matches',
    {
      given: 'a handler bound to `<type>.*`',
      when: 'the resource is created, and `run` and `remove` run on it',
      then: 'it is asked for each of the three',
    },
    async (world) => {
      await world.declare();
      const all = await world.handler('all', '*', [{}]);
      const thing = await world.create();
      await thing.runs('run');
      await thing.runs('remove');
      expect(all.events.map(({ process }) => process.split('.')[1])).toEqual(['create', 'run', 'remove']);
    },
  ),
  scenario(
    'a handler that two of its bindings match has one turn',
    {
      given: 'a handler bound to `run` and to `<type>.*`',
      when: 'the process runs',
      then: 'it is asked once',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('twice', 'run,*', [{}]);
      const thing = await world.create();
      await thing.runs('run');
      expect(handler.events.filter(({ process }) => process.endsWith('.run'))).toHaveLength(1);
    },
  ),
  scenario(
    'all handlers are asked, also when the first one did the work',
    {
      given: 'two handlers that both answer done',
      when: 'the process runs',
      then: 'both are asked: a second handler is not starved',
    },
    async (world) => {
      await world.declare();
      const [first, second] = [await world.handler('first', 'run', [{}]), await world.handler('second', 'run', [{}])];
      await (await world.running()).process.ended();
      expect([first.events.length, second.events.length]).toEqual([1, 1]);
    },
  ),
  scenario(
    '`shouldContinue: false` ends the handlers of its phase, and only those',
    {
      given: 'a specific handler, a default one behind it, and a post-listener',
      when: 'the specific one answers `{"shouldContinue": false}`',
      then: 'the default one is not asked, the post-listener is, and the process is done',
    },
    async (world) => {
      await world.declare();
      await world.handler('specific', 'run', [signs('specific', { shouldContinue: false })]);
      const other = await world.handler('default', 'run', [signs('default')], { priority: 2_000 });
      await world.handler('after', 'post.run', [signs('after')]);
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('DONE');
      expect((await thing.read())['seen']).toEqual(['specific', 'after']);
      expect(other.events).toHaveLength(0);
    },
  ),
  scenario(
    'a process without handlers simply reaches its done state',
    {
      given: 'no handler at all',
      when: 'the process is started',
      then: 'the resource goes through the transitioning state to done, and the exit reason is DONE',
    },
    async (world) => {
      await world.declare();
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('DONE');
      expect(await thing.moves()).toContain('inactive>running');
      expect((await thing.read())['state']).toBe('ran');
    },
  ),
  scenario(
    'the event says which attempt of which step it is, and carries resource and process data',
    {
      given: 'a handler of `run`',
      when: '`run` is started with the body `{"fast": true}`',
      then: 'its event has id, key, name, phase, step, attempt, the resource in its transitioning state and the data',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('demo', 'run', [SILENT]);
      const { thing, process } = await world.running({ fast: true });
      const delivery = await handler.asked();
      const name = world.handlerName('demo');
      expect(delivery.event).toMatchObject({
        id: `${process.id}.1`,
        key: `${process.id}.handle.${name}`,
        name: `${world.processes('run')};handler=${name}`,
        phase: 'handle',
        step: 1,
        attempt: 1,
        timeoutMillis: 10_000,
        resourceId: thing.id,
        processId: process.id,
        resource: { id: thing.id, state: 'running' },
        data: { fast: true },
      });
      expect(delivery.message.reply).toBe(delivery.event.replyTo);
      delivery.reply({});
      await process.ended();
    },
  ),
);
