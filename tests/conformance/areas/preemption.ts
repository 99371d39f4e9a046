import { expect } from 'vitest';
import { area, scenario } from '../scenario.js';
import { atWork, DISK, lateAnswerRead } from '../situations.js';
import { failed, failedForGood, SILENT } from '../world.js';

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
      const { handler, thing, process, delivery } = await atWork(world);
      await thing.act('stop');
      expect(await process.ended()).toBe('CANCELED');
      expect(await thing.moves()).toContain('running>stopping');
      const { id, key } = delivery.event;
      await expect.poll(() => handler.program.cancels).toMatchObject([{ id, key }]);
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
      const { thing, delivery } = await atWork(world);
      const stopper = await world.handler('stopper', 'stop', [{}]);
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
      const { handler, thing, delivery } = await atWork(world, 'processes: { stop: { preempt: immediate } }');
      await world.handler('stopper', 'stop', [{}]);
      expect(await (await thing.act('stop')).ended()).toBe('DONE');
      delivery.reply({ data: { size: 5 } });
      await lateAnswerRead(world, handler);
      expect(await thing.read()).toMatchObject({ state: 'stopped', size: null });
    },
  ),
  scenario(
    'with no attempt under way, the new process begins at once',
    {
      given: '`run` in backoff for an hour, and a handler of `stop`',
      when: '`stop` is started',
      then: '`run` ends CANCELED, `stop` is done, and the handler of `run` heard no notice',
    },
    async (world) => {
      await world.declare('processes: { run: { retry: { initialMillis: 3600000, maxMillis: 3600000 } } }');
      const runner = await world.handler('runner', 'run', [failed('no')]);
      const stopper = await world.handler('stopper', 'stop', [{}]);
      const { thing, process } = await world.running();
      await process.until({ status: 'backoff' });
      await thing.runs('stop');
      expect(await process.ended()).toBe('CANCELED');
      expect(stopper.events).toHaveLength(1);
      expect(runner.program.cancels).toHaveLength(0);
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
    'pre-emption in one region leaves the other one alone',
    {
      given: '`run` and `attach` at work at the same time',
      when: '`detach` pre-empts `attach`, and both handlers answer',
      then: '`attach` ends CANCELED, `run` and `detach` are DONE; only the handler of `attach` heard a notice',
    },
    async (world) => {
      await world.declare(DISK);
      const [runner, attacher] = [await world.handler('runner', 'run'), await world.handler('attacher', 'attach')];
      const thing = await world.create();
      const [run, attach] = [await thing.act('run'), await thing.act('attach')];
      const [one, two] = [await runner.asked(), await attacher.asked()];
      const detach = await thing.act('detach');
      two.reply({});
      expect([await attach.ended(), await detach.ended()]).toEqual(['CANCELED', 'DONE']);
      expect(await thing.read()).toMatchObject({ state: 'running', transitioning: 'yes', diskState: 'detached' });
      one.reply({});
      expect(await run.ended()).toBe('DONE');
      expect([runner, attacher].map(({ program }) => program.cancels.length)).toEqual([0, 1]);
    },
  ),
  scenario(
    'a parked region shows on its own flag, and is forced to a state of its own',
    {
      given: '`attach` whose handler fails for good, on a resource that rests in inactive',
      when: 'an operator forces `ran`, a state of the other region, and then `detached`',
      then: 'diskStateTransitioning is error and transitioning is no; the first is 422 InvalidOption, the second one moves diskState',
    },
    async (world) => {
      await world.declare(DISK);
      await world.handler('attacher', 'attach', [failedForGood('no bus')]);
      const thing = await world.create();
      const attach = await thing.runs('attach');
      expect(await thing.read()).toMatchObject({
        transitioning: 'no',
        diskState: 'attaching',
        diskStateTransitioning: 'error',
      });
      expect(await world.refused(attach.operate('force', { state: 'ran' }))).toMatchObject({ code: 'InvalidOption' });
      await attach.operate('force', { state: 'detached' });
      expect(await thing.read()).toMatchObject({
        state: 'inactive',
        diskState: 'detached',
        diskStateTransitioning: 'no',
      });
    },
  ),
  scenario(
    'reaching removed cancels what is live in other regions, in the same transaction',
    {
      given: '`attach` at work on diskState, and the region portState parked',
      when: 'the resource reaches removed, and the handler of `attach` answers then',
      then: 'both ended CANCELED, no region is transitioning, the handler heard a notice, and its answer changes nothing',
    },
    async (world) => {
      await world.declare(`
        stateFields: { diskState: { initial: detached }, portState: { initial: closed } }
        processes:
          attach: { stateField: diskState, start: [detached], transitioning: attaching, done: detached }
          open: { stateField: portState, start: [closed], transitioning: opening, done: closed }`);
      const attacher = await world.handler('attacher', 'attach');
      await world.handler('opener', 'open', [failedForGood('no port')]);
      const thing = await world.create();
      const [attach, open] = [await thing.act('attach'), await thing.runs('open')];
      const delivery = await attacher.asked();
      await thing.runs('remove');
      // Not awaited: whoever sees removed sees the other two ended.
      expect(await thing.read()).toMatchObject({
        state: 'removed',
        transitioning: 'no',
        diskStateTransitioning: 'no',
        portStateTransitioning: 'no',
      });
      expect(await attach.read()).toMatchObject({ status: 'finished', exitReason: 'CANCELED' });
      expect(await open.read()).toMatchObject({ status: 'finished', exitReason: 'CANCELED' });
      const { id, key } = delivery.event;
      await expect.poll(() => attacher.program.cancels).toMatchObject([{ id, key }]);
      const { revision } = await thing.read();
      delivery.reply({ data: { size: 9 } });
      await lateAnswerRead(world, attacher, 'attach');
      expect(await thing.read()).toMatchObject({ revision, size: null });
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
