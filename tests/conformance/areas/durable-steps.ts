import { expect } from 'vitest';
import { area, bothKinds, scenario } from '../scenario.js';
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
      await world.declare();
      const handler = await world.handler('a', 'run');
      const { thing, process } = await world.running();
      const delivery = await handler.asked();
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
      await world.declare('processes: { run: { retry: { initialMillis: 500, maxMillis: 500 } } }');
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
      await world.declare('processes: { run: { retry: { initialMillis: 400, maxMillis: 400 } } }');
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

export const history = area(
  'History',
  'Every execution leaves a record: phases, steps, handlers, attempts, outcomes and errors, bounded in size.',
  bothKinds(
    'each step is recorded with phase, handler, attempt, times, outcome and error',
    {
      given: 'a handler that fails once with the code NoDisk',
      when: 'the process has ended',
      then: 'two records tell attempt 1 failed with NoDisk, and attempt 2 done, each with start and stop',
    },
    async (world) => {
      await world.declare();
      await world.work(failed('no disk', { code: 'NoDisk' }), {});
      const { process } = await world.running();
      await process.ended();
      const steps = await process.steps();
      expect(steps).toMatchObject([
        { phase: 'handle', attempt: 1, outcome: 'failed', error: { code: 'NoDisk', message: 'no disk' } },
        { phase: 'handle', attempt: 2, outcome: 'done' },
      ]);
      for (const { start, stop } of steps) expect(Number(stop)).toBeGreaterThanOrEqual(Number(start));
    },
  ),
  scenario(
    'a finished process tells its moves, its exit reason and its times',
    {
      given: 'a process without handlers',
      when: 'it has ended',
      then: 'it has the transitions inactive > running > ran, DONE, a start time and an end time',
    },
    async (world) => {
      await world.declare();
      const { process } = await world.running();
      await process.ended();
      expect(await process.transitions()).toMatchObject([
        { from: 'inactive', to: 'running', kind: 'transitioning' },
        { from: 'running', to: 'ran', kind: 'done' },
      ]);
      const read = await process.read();
      expect(read).toMatchObject({ exitReason: 'DONE', result: 'SUCCESS', phase: 'DONE', actions: {} });
      expect(Number(read['endTimeTS'])).toBeGreaterThanOrEqual(Number(read['startTimeTS']));
    },
  ),
  scenario(
    'a finished process is in the history exactly once',
    {
      given: 'a resource that was created, run and removed',
      when: 'its processes are listed',
      then: 'there are three, each finished, each once',
    },
    async (world) => {
      await world.declare();
      const thing = await world.create();
      await thing.runs('run');
      await thing.runs('remove');
      expect((await thing.processes()).map(({ processName, exitReason }) => [processName, exitReason])).toEqual([
        [world.processes('create'), 'DONE'],
        [world.processes('run'), 'DONE'],
        [world.processes('remove'), 'DONE'],
      ]);
    },
  ),
  scenario(
    'records are bounded: the newest ones are kept',
    {
      given: 'a handler with 55 attempts, which fails in all of them',
      when: 'the process is parked',
      then: 'at most 50 step records are kept, among them the last one',
    },
    async (world) => {
      await world.declare('processes: { run: { retry: { maxAttempts: 55, initialMillis: 1, maxMillis: 1 } } }');
      await world.handler('a', 'run', [failed('no')]);
      const { process } = await world.running();
      expect(await process.ended()).toBe('PARKED');
      const steps = await process.steps();
      expect(steps.length).toBeLessThanOrEqual(50);
      expect(steps.at(-1)).toMatchObject({ attempt: 55 });
    },
  ),
  scenario(
    'process data are kept with the process',
    {
      given: 'a process started with the body {"why": "test"}',
      when: 'it has ended',
      then: 'its data are still {"why": "test"}',
    },
    async (world) => {
      await world.declare();
      const { process } = await world.running({ why: 'test' });
      await process.ended();
      expect((await process.read())['data']).toEqual({ why: 'test' });
    },
  ),
  scenario(
    'the history of a removed resource stays readable',
    {
      given: 'a removed resource',
      when: 'its transitions and processes are read by its id',
      then: 'all of them are there, though lists of resources hide it',
    },
    async (world) => {
      await world.declare();
      const thing = await world.create();
      await thing.runs('remove');
      expect(await thing.moves()).toContain('removing>removed');
      const { data } = await world.suite.api.get(`/${world.type().toLowerCase()}`);
      expect(data).toEqual([]);
      expect((await thing.read())['removed']).not.toBeNull();
    },
  ),
);

export const replies = area(
  'Replies and invariants',
  'An attempt is answered once. Whatever else comes changes nothing but the counters.',
  scenario(
    'a reply for an attempt that is over changes nothing',
    {
      given: 'a handler whose first attempt ran out of time, and whose second is under way',
      when: 'it answers the first one',
      then: 'the answer is ignored; the answer to the second one counts',
    },
    async (world) => {
      await world.declare('processes: { run: { timeoutMillis: 400 } }');
      const handler = await world.handler('tardy', 'run');
      const { thing, process } = await world.running();
      await handler.asked(2);
      (await handler.asked(1)).reply({ data: { size: 666 } });
      (await handler.asked(2)).reply({ data: { size: 2 } });
      expect(await process.ended()).toBe('DONE');
      expect((await thing.read())['size']).toBe(2);
      expect((await process.steps()).map(({ outcome }) => outcome)).toEqual(['timeout', 'done']);
    },
  ),
  scenario(
    'the first of two replies wins',
    {
      given: 'a handler at work',
      when: 'it answers size 1, and then size 2',
      then: 'the size is 1, and the step has one record',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('eager', 'run');
      const { thing, process } = await world.running();
      const delivery = await handler.asked();
      delivery.reply({ data: { size: 1 } });
      delivery.reply({ data: { size: 2 } });
      expect(await process.ended()).toBe('DONE');
      expect((await thing.read())['size']).toBe(1);
      expect(await process.steps()).toHaveLength(1);
    },
  ),
  scenario(
    'a reply after the end changes nothing',
    {
      given: 'a process that is done',
      when: 'its handler answers once more',
      then: 'the revision of the resource stays the same',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('late', 'run');
      const { thing, process } = await world.running();
      const delivery = await handler.asked();
      delivery.reply({});
      await process.ended();
      const { revision } = await thing.read();
      delivery.reply({ data: { size: 9 } });
      // A process that runs afterwards on the same stack: by then the late answer was looked at as well.
      handler.answers({});
      await (await world.running()).process.ended();
      expect(await thing.read()).toMatchObject({ revision, size: null });
    },
  ),
  scenario(
    'garbage is no answer: the attempt stays open, the record says so',
    {
      given: 'a handler at work',
      when: 'it answers with text that is no JSON, with a list, and then properly',
      then: 'the first two are recorded as rejected, and the third one counts',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('babbler', 'run');
      const { thing, process } = await world.running();
      const delivery = await handler.asked();
      delivery.reply('no JSON at all');
      delivery.reply([1, 2]);
      delivery.reply({ data: { size: 3 } });
      expect(await process.ended()).toBe('DONE');
      expect((await process.steps()).map(({ outcome }) => outcome)).toEqual(['rejected', 'rejected', 'done']);
      expect((await thing.read())['size']).toBe(3);
    },
  ),
  scenario(
    'a reply to a subject that was never issued changes nothing',
    {
      given: 'a handler at work',
      when: 'somebody publishes "done" on its reply subject with another secret',
      then: 'the process still waits for its handler',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('honest', 'run');
      const { process } = await world.running();
      const delivery = await handler.asked();
      const forged = delivery.event.replyTo.replace(/[0-9a-f]{24}$/, '0'.repeat(24));
      handler.program.connection.publish(forged, JSON.stringify({ data: { size: 1 } }));
      await handler.program.connection.flush();
      delivery.reply({ data: { size: 2 } });
      expect(await process.ended()).toBe('DONE');
      expect(await process.steps()).toMatchObject([{ outcome: 'done' }]);
    },
  ),
  scenario(
    'the revision rises by exactly one per change, and each revision has one transition event',
    {
      given: 'a resource that was created, run by two handlers with data and progress, and removed',
      when: 'the feed is read',
      then: 'it shows the revisions 1, 2, 3 … to the last one, each once, in order',
    },
    async (world) => {
      await world.declare();
      await world.handler('a', 'run', [{ data: { size: 1 } }]);
      await world.handler('b', 'run', [{ data: { size: 2 } }]);
      const thing = await world.create();
      await thing.runs('run');
      await thing.runs('remove');
      const { revision } = await thing.read();
      const all = Array.from({ length: Number(revision) }, (_, i) => i + 1);
      await thing.until(() => thing.feed().length >= all.length);
      expect(thing.feed().map((event) => event.revision)).toEqual(all);
    },
  ),
  scenario(
    'every transition event names its process, and the states before and after',
    {
      given: 'a resource that runs',
      when: 'it has reached ran',
      then: 'the feed has inactive > running and running > ran with the process, its id and a rising sequence',
    },
    async (world) => {
      await world.declare();
      const { thing, process } = await world.running();
      // The event of a move comes behind the first one that shows the state: events show the resource as it is when they are sent.
      await thing.until(() => thing.feed().at(-1)?.to === 'ran');
      const moves = thing.feed().filter((event) => event.processId === process.id && event.from !== event.to);
      expect(moves.map(({ from, to }) => `${from}>${to}`)).toEqual(['inactive>running', 'running>ran']);
      expect(moves.every((event) => event.process === world.processes('run'))).toBe(true);
      expect(moves[1]!.sequence).toBeGreaterThan(moves[0]!.sequence);
    },
  ),
  scenario(
    'a resource is transitioning exactly while a process holds it',
    {
      given: 'a process whose handler works',
      when: 'it answers',
      then: 'transitioning was yes while it worked, and is no afterwards, in every event of the feed',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('a', 'run');
      const { thing, process } = await world.running();
      const delivery = await handler.asked();
      expect(await thing.read()).toMatchObject({ state: 'running', transitioning: 'yes' });
      delivery.reply({});
      await process.ended();
      await thing.until({ state: 'ran' });
      const shown = thing.feed().map(({ resource }) => [resource['state'], resource['transitioning']]);
      expect(
        shown.filter(
          ([state, flag]) => (state === 'running') !== (flag === 'yes') && state !== 'registering' && flag === 'yes',
        ),
      ).toEqual([]);
      expect(await thing.read()).toMatchObject({ state: 'ran', transitioning: 'no' });
    },
  ),
);
