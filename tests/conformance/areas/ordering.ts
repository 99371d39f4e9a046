import { expect } from 'vitest';
import { waitFor } from '@drover/testing';
import { area, bothKinds, scenario } from '../scenario.js';
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
  {
    ...scenario(
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
    kind: 'in-process',
  },
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

export const results = area(
  'Results',
  'A result is merged into the resource in the transaction that records the step, and may say how the process goes on.',
  bothKinds(
    'the data of a result is written to the resource',
    {
      given: 'a resource without a size',
      when: 'the handler answers `{"data": {"size": 7}}`',
      then: 'the size is 7 when the process is done',
    },
    async (world) => {
      await world.declare();
      await world.work({ data: { size: 7 } });
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('DONE');
      expect(await thing.read()).toMatchObject({ state: 'ran', size: 7 });
    },
  ),
  bothKinds(
    'a `+key` merges into the map, a plain key replaces it',
    {
      given: 'a resource whose labels are {a: 1} and whose free data are {x: {p: 1}}',
      when: 'the handler answers `{"+labels": {b: 2}, "data": {"y": 1}}`',
      then: 'labels are {a: 1, b: 2}, and the free data are {y: 1}',
    },
    async (world) => {
      await world.declare();
      await world.work({ data: { '+labels': { b: 2 }, data: { y: 1 } } });
      const thing = await world.create({ labels: { a: 1 }, data: { x: { p: 1 } } });
      await thing.runs('run');
      expect(await thing.read()).toMatchObject({ labels: { a: 1, b: 2 }, data: { y: 1 } });
    },
  ),
  scenario(
    'a `+key` merges at every depth, where it is written',
    {
      given: 'labels {disk: {a: 1, b: 2}, net: {c: 3}}',
      when: 'the handler answers `{"+labels": {"+disk": {"b": 9}, "net": {"d": 4}}}`',
      then: 'labels are {disk: {a: 1, b: 9}, net: {d: 4}}',
    },
    async (world) => {
      await world.declare();
      await world.work({ data: { '+labels': { '+disk': { b: 9 }, net: { d: 4 } } } });
      const thing = await world.create({ labels: { disk: { a: 1, b: 2 }, net: { c: 3 } } });
      await thing.runs('run');
      expect((await thing.read())['labels']).toEqual({ disk: { a: 1, b: 9 }, net: { d: 4 } });
    },
  ),
  bothKinds(
    'an undeclared field is refused, and the record names it',
    {
      given: 'a type without the field `colour`',
      when: 'the handler answers `{"data": {"colour": "red", "size": 7}}`',
      then: 'the step has failed for good, nothing of the result is written, and the record names `colour`',
    },
    async (world) => {
      await world.declare();
      await world.work({ data: { colour: 'red', size: 7 } });
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('PARKED');
      expect(await thing.read()).toMatchObject({ state: 'running', transitioning: 'error', size: null });
      const steps = await process.steps();
      expect(steps).toHaveLength(1);
      expect(JSON.stringify(steps[0]!['error'])).toContain('colour');
    },
  ),
  scenario(
    'an envelope field is refused like an undeclared one',
    {
      given: 'a resource in `running`',
      when: 'the handler answers `{"data": {"state": "ran"}}`',
      then: 'the step has failed for good and the state is untouched',
    },
    async (world) => {
      await world.declare();
      await world.work({ data: { state: 'ran' } });
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('PARKED');
      expect(await thing.read()).toMatchObject({ state: 'running' });
      expect(JSON.stringify((await process.read())['error'])).toContain('state');
    },
  ),
  scenario(
    'a value of the wrong type is refused',
    {
      given: 'a field `size` of type int',
      when: 'the handler answers `{"data": {"size": "large"}}`',
      then: 'the step has failed for good, and the error names `size`',
    },
    async (world) => {
      await world.declare();
      await world.work({ data: { size: 'large' } });
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('PARKED');
      expect(JSON.stringify((await process.read())['error'])).toContain('size');
      expect((await thing.read())['size']).toBeNull();
    },
  ),
  scenario(
    'a handler may set name and description',
    {
      given: 'a resource named `web`',
      when: 'the handler answers `{"data": {"name": "web-1", "description": "first"}}`',
      then: 'the resource has that name and description',
    },
    async (world) => {
      await world.declare();
      await world.work({ data: { name: 'web-1', description: 'first' } });
      const thing = await world.create({ name: 'web' });
      await thing.runs('run');
      expect(await thing.read()).toMatchObject({ name: 'web-1', description: 'first' });
    },
  ),
  bothKinds(
    '`delegate` goes on in the other process without resting in done',
    {
      given: 'a process `run` with `delegate: stop` (ran → stopped)',
      when: 'its handler answers `{"delegate": true}`',
      then: 'the same process instance moves from running straight to stopping and ends in stopped',
    },
    async (world) => {
      await world.declare('processes: { run: { delegate: stop } }');
      await world.work({ delegate: true });
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('DONE');
      expect((await thing.moves()).slice(-3)).toEqual(['inactive>running', 'running>stopping', 'stopping>stopped']);
      expect((await process.executions()).map(({ exitReason }) => exitReason)).toEqual(['DELEGATE', 'DONE']);
    },
  ),
  scenario(
    'without a result that asks, a delegate is not taken; `always` needs no result',
    {
      given: 'two types whose `run` delegates to `stop`, one of them with `always: true`',
      when: 'the handlers answer `{}`',
      then: 'the first rests in ran, the other one in stopped',
    },
    async (world) => {
      await world.declare('processes: { run: { delegate: stop } }');
      await world.declare('processes: { run: { delegate: { to: stop, always: true } } }', 'eager');
      const [asked, always] = [await world.create(), await world.create({}, 'eager')];
      await Promise.all([asked.runs('run'), always.runs('run')]);
      expect((await asked.read())['state']).toBe('ran');
      expect((await always.read())['state']).toBe('stopped');
    },
  ),
  bothKinds(
    '`chainProcess` ends by starting another process of the same resource',
    {
      given: 'a type with `run` and `stop`',
      when: 'the handler of `run` answers `{"chainProcess": "<type>.stop"}`',
      then: '`run` ends with CHAIN, a process instance of its own runs `stop`, and the resource never rests in ran',
    },
    async (world) => {
      await world.declare();
      await world.work({ chainProcess: world.processes('stop') });
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('CHAIN');
      await thing.until({ state: 'stopped', transitioning: 'no' });
      expect((await thing.processes()).map(({ exitReason }) => exitReason).slice(-2)).toEqual(['CHAIN', 'DONE']);
      expect(await thing.moves()).not.toContain('running>ran');
    },
  ),
  scenario(
    'when two results ask for different chains, the last one wins and the conflict is recorded',
    {
      given: 'a handler that asks for `stop`, and one behind it that asks for `fail`',
      when: 'both have answered',
      then: '`fail` is chained, and the record of the second step says instead of what',
    },
    async (world) => {
      await world.declare();
      await world.handler('a', 'run', [{ chainProcess: world.processes('stop') }]);
      await world.handler('b', 'run', [{ chainProcess: world.processes('fail') }]);
      const { thing, process } = await world.running();
      await thing.until({ state: 'broken', transitioning: 'no' });
      const [first, second] = await process.steps();
      expect(first!['error']).toBeUndefined();
      expect(second).toMatchObject({ outcome: 'done', error: { code: 'ChainReplaced' } });
      expect(JSON.stringify(second)).toContain(world.processes('stop'));
    },
  ),
  scenario(
    'a chain that cannot start is a failure that names why',
    {
      given: 'a handler of `run` that asks for the chain `create`',
      when: 'it has answered',
      then: 'the step has failed for good, and the error names the process',
    },
    async (world) => {
      await world.declare();
      await world.work({ chainProcess: world.processes('create') });
      const { process } = await world.running();
      expect(await process.ended()).toBe('PARKED');
      expect(JSON.stringify((await process.read())['error'])).toContain('create');
    },
  ),
  bothKinds(
    '`delayMillis` calls the handler again later and spends no attempt',
    {
      given: 'a handler with one attempt in all',
      when: 'it answers `{"delayMillis": 50}` first, and done when it is called again',
      then: 'both calls are attempt 1, the delay is recorded, and the process is done',
    },
    async (world) => {
      await world.declare('processes: { run: { retry: { maxAttempts: 1 } } }');
      await world.work({ delayMillis: 50, data: { asked: 1 } }, { data: { size: 1 } });
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('DONE');
      expect(await process.steps()).toMatchObject([
        { outcome: 'delayed', attempt: 1 },
        { outcome: 'done', attempt: 1 },
      ]);
      expect((await thing.read())['size']).toBe(1);
    },
  ),
  bothKinds(
    'progress shows on the resource and is no answer',
    {
      given: 'a handler at work',
      when: 'it reports "pulling" and 40 percent',
      then: 'the resource says so while it is transitioning, and nothing of it is left when the process is done',
    },
    async (world) => {
      await world.declare();
      await world.work({ progresses: [['pulling', 40]], delayMillis: 1_000, data: { asked: 1 } }, {});
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('DONE');
      const messages = thing.feed().map(({ resource }) => resource['transitioningMessage']);
      expect(messages).toContain('pulling');
      expect(await thing.read()).toMatchObject({ transitioningMessage: null, transitioningProgress: null });
    },
  ),
  scenario(
    'a misspelt key is rejected: the attempt stays open, and everybody can see why',
    {
      given: 'a handler at work',
      when: 'it answers `{"dta": {"size": 1}}`, and then properly',
      then: 'the first answer changes nothing and is recorded and told by why, the second one counts',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('clumsy', 'run');
      const { thing, process } = await world.running();
      const delivery = await handler.asked();
      delivery.reply({ dta: { size: 1 } });
      const error = await waitFor(async () => (await process.read())['error']);
      expect(error).toMatchObject({ code: 'ReplyRejected', message: expect.stringContaining('dta') as unknown });
      expect((await thing.why())['message']).toContain('dta');
      delivery.reply({ data: { size: 2 } });
      expect(await process.ended()).toBe('DONE');
      expect((await thing.read())['size']).toBe(2);
      expect((await process.steps()).map(({ outcome }) => outcome)).toEqual(['rejected', 'done']);
    },
  ),
  scenario(
    'data that grows over 256 KiB is refused at the merge',
    {
      given: 'a resource with 200 KiB of free data',
      when: 'the handler adds 100 KiB',
      then: 'the step has failed for good with DataTooLarge, and the resource is untouched',
    },
    async (world) => {
      await world.declare();
      await world.work({ data: { '+data': { more: 'x'.repeat(100 * 1024) } } });
      const thing = await world.create({ data: { blob: 'x'.repeat(200 * 1024) } });
      const process = await thing.runs('run');
      expect(await process.read()).toMatchObject({ status: 'parked', error: { code: 'DataTooLarge' } });
      expect((await thing.read())['data']).not.toHaveProperty('more');
    },
  ),
  scenario(
    'a NATS micro service reports a failure with its own header',
    {
      given: 'a handler that answers with the header `Nats-Service-Error`',
      when: 'its answer says "no disk"',
      then: 'the attempt has failed with that message',
    },
    async (world) => {
      await world.declare('processes: { run: { retry: { maxAttempts: 1 } } }');
      const handler = await world.handler('micro', 'run');
      const { process } = await world.running();
      (await handler.asked()).reply('', { 'Nats-Service-Error': 'no disk', 'Nats-Service-Error-Code': '500' });
      expect(await process.ended()).toBe('PARKED');
      expect(await process.read()).toMatchObject({ error: { code: '500', message: 'no disk' } });
    },
  ),
);
