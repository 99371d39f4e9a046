import { expect } from 'vitest';
import { area, scenario } from '../scenario.js';
import { DISK } from '../situations.js';
import { SILENT } from '../world.js';

export const preemption = area(
  'Pre-emption and regions',
  'A process may start from the state in which another one works; regions besides `state` have processes of their own.',
  scenario(
    'pre-emption cancels the running process and tells its handler',
    {
      given: '`run` at work, from whose state `stop` may start',
      when: '`stop` is started',
      then: '`run` ends CANCELED in the same transaction, and its handler hears a cancel notice with id and key',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('a', 'run');
      const { thing, process } = await world.running();
      const { event } = await handler.asked();
      await thing.act('stop');
      expect(await process.ended()).toBe('CANCELED');
      expect(await thing.moves()).toContain('running>stopping');
      await expect.poll(() => handler.program.cancels).toMatchObject([{ id: event.id, key: event.key }]);
    },
  ),
  scenario(
    'the new process waits for the cancelled attempt, so that two handlers never work on one thing',
    {
      given: '`run` at work, and a handler of `stop`',
      when: '`stop` is started, and the handler of `run` answers a while later',
      then: 'the handler of `stop` is asked only then, and sees what the cancelled attempt made',
    },
    async (world) => {
      await world.declare();
      const runner = await world.handler('runner', 'run');
      const stopper = await world.handler('stopper', 'stop', [{}]);
      const { thing } = await world.running();
      const delivery = await runner.asked();
      const stop = await thing.act('stop');
      await stop.until({ status: 'waitingPredecessor' });
      expect(stopper.events).toHaveLength(0);
      delivery.reply({ data: { size: 5 } });
      expect(await stop.ended()).toBe('DONE');
      expect(stopper.events[0]!.resource['size']).toBe(5);
      expect(await thing.read()).toMatchObject({ state: 'stopped', size: 5 });
    },
  ),
  scenario(
    'a cancelled attempt that never answers is waited for until its deadline, and no longer',
    {
      given: '`run` at work with 500 ms left',
      when: '`stop` is started and the handler of `run` stays silent',
      then: '`stop` goes on when the deadline has passed',
    },
    async (world) => {
      await world.declare('processes: { run: { timeoutMillis: 500 } }');
      await world.handler('runner', 'run', [SILENT]);
      await world.handler('stopper', 'stop', [{}]);
      const { thing } = await world.running();
      const stop = await thing.act('stop');
      expect(await stop.ended()).toBe('DONE');
    },
  ),
  scenario(
    '`preempt: immediate` does not wait, and late answers are ignored',
    {
      given: '`stop` with `preempt: immediate`, and `run` at work',
      when: '`stop` is started, and the handler of `run` answers after it',
      then: '`stop` is done at once, and the late data are not written',
    },
    async (world) => {
      await world.declare('processes: { stop: { preempt: immediate } }');
      const runner = await world.handler('runner', 'run');
      await world.handler('stopper', 'stop', [{}]);
      const { thing } = await world.running();
      const delivery = await runner.asked();
      expect(await (await thing.act('stop')).ended()).toBe('DONE');
      delivery.reply({ data: { size: 5 } });
      await runner.program.connection.flush();
      expect(await thing.read()).toMatchObject({ state: 'stopped', size: null });
    },
  ),
  scenario(
    'each region has a process of its own, at the same time',
    {
      given: 'a type with the region diskState, and handlers for `run` and `attach` that work at the same time',
      when: 'both are started',
      then: 'both are live together, diskStateTransitioning tells of the one and transitioning of the other',
    },
    async (world) => {
      await world.declare(DISK);
      const runner = await world.handler('runner', 'run');
      const attacher = await world.handler('attacher', 'attach');
      const thing = await world.create();
      const [run, attach] = [await thing.act('run'), await thing.act('attach')];
      const [one, two] = [await runner.asked(), await attacher.asked()];
      expect(await thing.read()).toMatchObject({
        state: 'running',
        transitioning: 'yes',
        diskState: 'attaching',
        diskStateTransitioning: 'yes',
      });
      one.reply({});
      two.reply({});
      expect([await run.ended(), await attach.ended()]).toEqual(['DONE', 'DONE']);
      expect(await thing.read()).toMatchObject({ state: 'ran', diskState: 'attached', diskStateTransitioning: 'no' });
    },
  ),
  scenario(
    'a region moves without touching the state',
    {
      given: 'a resource whose state is inactive',
      when: '`attach` runs',
      then: 'the state is inactive all the time',
    },
    async (world) => {
      await world.declare(DISK);
      const thing = await world.create();
      await thing.runs('attach');
      expect(await thing.read()).toMatchObject({ state: 'inactive', transitioning: 'no', diskState: 'attached' });
      expect(await thing.moves()).toEqual(expect.arrayContaining(['detached>attaching', 'attaching>attached']));
    },
  ),
  scenario(
    'reaching removed cancels what is live in other regions, in the same transaction',
    {
      given: '`attach` at work on diskState',
      when: 'the resource reaches removed',
      then: '`attach` has ended CANCELED',
    },
    async (world) => {
      await world.declare(DISK);
      const attacher = await world.handler('attacher', 'attach');
      const thing = await world.create();
      const attach = await thing.act('attach');
      await attacher.asked();
      await thing.runs('remove');
      expect((await thing.read())['state']).toBe('removed');
      expect(await attach.ended()).toBe('CANCELED');
    },
  ),
  scenario(
    'nothing starts in a region of a removed resource',
    {
      given: 'a removed resource',
      when: '`attach` is started',
      then: 'it is refused, and not listed',
    },
    async (world) => {
      await world.declare(DISK);
      const thing = await world.create();
      await thing.runs('remove');
      expect(await world.refused(thing.act('attach'))).toMatchObject({ status: 422, code: 'ActionNotAvailable' });
      expect((await thing.read())['actions']).not.toHaveProperty('attach');
    },
  ),
);
