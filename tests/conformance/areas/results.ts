import { waitFor } from '@drover/testing';
import { expect } from 'vitest';
import { area, bothKinds, scenario } from '../scenario.js';
import { atWork } from '../situations.js';
import { progress } from '../world.js';

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
      then: 'the step has failed for good, and nothing of the result is written; its record, the process, the resource and why name `colour`',
    },
    async (world) => {
      await world.declare();
      await world.work({ data: { colour: 'red', size: 7 } });
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('PARKED');
      expect(await thing.read()).toMatchObject({ state: 'running', transitioning: 'error', size: null });
      const error = { code: 'HandlerDataRefused', message: expect.stringContaining('colour') as unknown };
      expect(await process.steps()).toMatchObject([{ outcome: 'failed', error }]);
      expect(await process.read()).toMatchObject({ error });
      expect((await thing.read())['transitioningMessage']).toContain('colour');
      expect((await thing.why())['message']).toContain('colour');
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
  scenario(
    '`always` goes on without being asked: create leads through to the other process in one instance',
    {
      given: 'a type whose `create` has `delegate: {to: run, always: true}`',
      when: 'a resource is created, and a handler of `run` is there',
      then: 'one process instance moves it to registering, running and ran; it never rests in inactive',
    },
    async (world) => {
      await world.declare(`
        processes:
          create: { start: [requested], transitioning: registering, done: inactive, delegate: { to: run, always: true } }`);
      const handler = await world.handler('a', 'run', [{}]);
      const thing = await world.createOnly();
      expect(await thing.creation.ended()).toBe('DONE');
      expect(await thing.moves()).toEqual(['requested>registering', 'registering>running', 'running>ran']);
      expect(handler.events.map(({ processId }) => processId)).toEqual([thing.creation.id]);
      expect(await thing.processes()).toHaveLength(1);
    },
  ),
  scenario(
    '`delegate: true` without a delegate changes nothing, and the record says so',
    {
      given: 'a process without a delegate',
      when: 'its handler answers `{"delegate": true}`',
      then: 'it rests in ran with DONE, and its step is recorded as done with NoDelegate',
    },
    async (world) => {
      await world.declare();
      await world.work({ delegate: true });
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('DONE');
      expect((await thing.read())['state']).toBe('ran');
      expect(await process.steps()).toMatchObject([{ outcome: 'done', error: { code: 'NoDelegate' } }]);
    },
  ),
  scenario(
    'a delegate whose work is done where the process ends is ALREADY_DONE',
    {
      given: '`run` with a delegate that starts in stopped only and ends in ran, which the definition accepts',
      when: 'the handler of `run` answers `{"delegate": true}`',
      then: '`run` ends with ALREADY_DONE in ran, and the delegate did not run',
    },
    async (world) => {
      await world.declare(`
        processes:
          run: { delegate: rerun }
          rerun: { start: [stopped], transitioning: rerunning, done: ran }
        accept: [{ finding: delegate-impossible, why: ran is where it leads }]`);
      const handler = await world.handler('again', 'rerun', [{}]);
      await world.work({ delegate: true });
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('ALREADY_DONE');
      expect((await thing.read())['state']).toBe('ran');
      expect(handler.events).toHaveLength(0);
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
  bothKinds(
    'a chain to a process whose done state is reached is ALREADY_DONE, a success',
    {
      given: '`rerun`, from stopped to ran, and a handler of `run`, which ends in ran',
      when: 'the handler answers `{"chainProcess": "<type>.rerun"}`',
      then: '`run` ends with ALREADY_DONE in ran, its data are written, and `rerun` has no instance',
    },
    async (world) => {
      await world.declare('processes: { rerun: { start: [stopped], transitioning: rerunning, done: ran } }');
      await world.work({ chainProcess: world.processes('rerun'), data: { size: 3 } });
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('ALREADY_DONE');
      expect(await process.read()).toMatchObject({ result: 'SUCCESS' });
      expect(await thing.read()).toMatchObject({ state: 'ran', transitioning: 'no', size: 3 });
      expect((await thing.processes()).map(({ processName }) => processName)).not.toContain(world.processes('rerun'));
    },
  ),
  scenario(
    'a chain to a process that starts and ends in the reached state runs it',
    {
      given: '`tune`, from ran to ran, and a handler of `run` that chains to it',
      when: 'the handler has answered',
      then: '`run` ends with CHAIN, and `tune` runs: whether it ran is never guessed from the state',
    },
    async (world) => {
      await world.declare('processes: { tune: { start: [ran], transitioning: tuning, done: ran } }');
      const tuner = await world.handler('tuner', 'tune', [{}]);
      await world.work({ chainProcess: world.processes('tune') });
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('CHAIN');
      await thing.until({ state: 'ran', transitioning: 'no' });
      expect(tuner.events).toHaveLength(1);
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
      expect((await process.executions()).map(({ exitReason }) => exitReason)).toEqual(['DELAY', 'DONE']);
      expect((await thing.read())['size']).toBe(1);
    },
  ),
  bothKinds(
    'data of a delay are written and judged like those of a result',
    {
      given: 'a handler that asks for a delay with size 7, and then for another one with an undeclared `colour`',
      when: 'both have been answered',
      then: 'the size is 7, the process is parked with HandlerDataRefused, which names `colour`',
    },
    async (world) => {
      await world.declare();
      await world.work({ delayMillis: 20, data: { size: 7, asked: 1 } }, { delayMillis: 20, data: { colour: 'red' } });
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('PARKED');
      expect((await thing.read())['size']).toBe(7);
      const message = expect.stringContaining('colour') as unknown;
      expect(await process.read()).toMatchObject({ error: { code: 'HandlerDataRefused', message } });
      expect(await process.steps()).toMatchObject([{ outcome: 'delayed' }, { outcome: 'failed' }]);
    },
  ),
  scenario(
    'data of a progress report are written at once, and judged like those of a result',
    {
      given: 'a handler that reports progress with size 7, and then with an undeclared `colour`',
      when: 'both have been read',
      then: 'the size is 7, and the attempt has failed for good with HandlerDataRefused',
    },
    async (world) => {
      const { thing, process, delivery } = await atWork(world);
      delivery.reply({ ...progress('half'), data: { size: 7 } });
      await thing.until({ size: 7, state: 'running', transitioningMessage: 'half' });
      delivery.reply({ ...progress('more'), data: { colour: 'red' } });
      expect(await process.ended()).toBe('PARKED');
      expect(await process.read()).toMatchObject({ error: { code: 'HandlerDataRefused' } });
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
      const { thing, process, delivery } = await atWork(world);
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
      const { process, delivery } = await atWork(world, 'processes: { run: { retry: { maxAttempts: 1 } } }');
      delivery.reply('', { 'Nats-Service-Error': 'no disk', 'Nats-Service-Error-Code': '500' });
      expect(await process.ended()).toBe('PARKED');
      expect(await process.read()).toMatchObject({ error: { code: '500', message: 'no disk' } });
    },
  ),
);
