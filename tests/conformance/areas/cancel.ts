import { expect } from 'vitest';
import { area, scenario } from '../scenario.js';
import { atWork, lateAnswerRead } from '../situations.js';
import { failed, failedForGood, progress } from '../world.js';

export const cancel = area(
  'Cancel',
  'An operator may cancel any live process. No second handler begins while the first one may still be at work.',
  scenario(
    'with no attempt under way, a cancel leaves at once',
    {
      given: 'a process in backoff',
      when: 'it is cancelled',
      then: 'the resource is back in inactive, and the handler is not asked again',
    },
    async (world) => {
      await world.declare('processes: { run: { retry: { initialMillis: 3600000, maxMillis: 3600000 } } }');
      const handler = await world.handler('a', 'run', [failed('no')]);
      const { thing, process } = await world.running();
      await process.until({ status: 'backoff' });
      await process.operate('cancel');
      expect(await thing.until({ state: 'inactive' })).toMatchObject({ transitioning: 'no' });
      expect(handler.events).toHaveLength(1);
    },
  ),
  scenario(
    'with an attempt under way, the process is canceling until the handler answers; the handler is told',
    {
      given: 'a process whose handler works',
      when: 'it is cancelled, and the handler answers a while later',
      then: 'the handler heard a notice with id and key; the process was canceling, and left when the answer came',
    },
    async (world) => {
      const { handler, thing, process, delivery } = await atWork(world);
      await process.operate('cancel');
      await process.until({ status: 'canceling' });
      expect(await thing.read()).toMatchObject({ state: 'running', transitioning: 'yes' });
      const { id, key } = delivery.event;
      await expect.poll(() => handler.program.cancels).toMatchObject([{ id, key }]);
      delivery.reply({});
      expect(await process.ended()).toBe('CANCELED');
      expect(await thing.read()).toMatchObject({ state: 'inactive', transitioning: 'no' });
    },
  ),
  scenario(
    'what the cancelled attempt made is kept',
    {
      given: 'a process that is canceling',
      when: 'its handler answers with `{"data": {"size": 5}}`',
      then: 'the size is 5, and the resource rests in inactive',
    },
    async (world) => {
      const { thing, process, delivery } = await atWork(world);
      await process.operate('cancel');
      delivery.reply({ data: { size: 5 } });
      expect(await process.ended()).toBe('CANCELED');
      expect(await thing.read()).toMatchObject({ state: 'inactive', size: 5 });
    },
  ),
  scenario(
    'whatever else the late answer asks for is not done',
    {
      given: 'a process that is canceling',
      when: 'its handler answers with a chain to `fail`',
      then: 'nothing is chained: the resource rests in inactive',
    },
    async (world) => {
      const { thing, process, delivery } = await atWork(world);
      await process.operate('cancel');
      delivery.reply({ chainProcess: world.processes('fail') });
      expect(await process.ended()).toBe('CANCELED');
      expect((await thing.read())['state']).toBe('inactive');
    },
  ),
  scenario(
    'a handler that does not answer a cancel is waited for until its deadline, and progress does not move it',
    {
      given: 'an attempt of 2.5 s, which is cancelled',
      when: 'its handler reports progress and never answers',
      then: 'the process leaves when the deadline has passed',
    },
    async (world) => {
      const { thing, process, delivery } = await atWork(world, 'processes: { run: { timeoutMillis: 2500 } }');
      await process.operate('cancel');
      await process.until({ status: 'canceling' });
      delivery.reply(progress('still at it', 50));
      expect(await process.ended()).toBe('CANCELED');
      expect((await thing.read())['state']).toBe('inactive');
      const [, ...rest] = await process.steps();
      expect(JSON.stringify(rest)).toContain('no answer after the cancel');
    },
  ),
  scenario(
    '`onCancel: <state>` names where a cancel leads',
    {
      given: 'a process with `onCancel: stopped`',
      when: 'it is cancelled',
      then: 'the resource rests in stopped',
    },
    async (world) => {
      const { thing, process, delivery } = await atWork(world, 'processes: { run: { onCancel: stopped } }');
      await process.operate('cancel');
      delivery.reply({});
      expect(await process.ended()).toBe('CANCELED');
      expect((await thing.read())['state']).toBe('stopped');
    },
  ),
  scenario(
    '`onCancel: start` leads back to where the run began, as does no onCancel',
    {
      given: 'a process with `onCancel: start` that may begin in inactive and in ran, and began in ran',
      when: 'it is cancelled',
      then: 'the resource rests in ran',
    },
    async (world) => {
      await world.declare(
        'processes: { tune: { start: [inactive, ran], transitioning: tuning, done: inactive, onCancel: start } }',
      );
      const handler = await world.handler('tuner', 'tune');
      const thing = await world.create();
      await thing.runs('run');
      const process = await thing.act('tune');
      const delivery = await handler.asked();
      await process.operate('cancel');
      delivery.reply({});
      expect(await process.ended()).toBe('CANCELED');
      expect((await thing.read())['state']).toBe('ran');
    },
  ),
  scenario(
    '`onCancel: parked` leaves the process where it is, for an operator',
    {
      given: 'a process with `onCancel: parked` whose handler works',
      when: 'it is cancelled, and the handler answers',
      then: 'the process is parked with Canceled, the resource stays in running, and a retry goes on',
    },
    async (world) => {
      const { handler, thing, process, delivery } = await atWork(world, 'processes: { run: { onCancel: parked } }');
      await process.operate('cancel');
      delivery.reply({});
      expect(await process.ended()).toBe('PARKED');
      expect(await process.read()).toMatchObject({ error: { code: 'Canceled' } });
      expect(await thing.read()).toMatchObject({ state: 'running', transitioning: 'error' });
      handler.answers({});
      await process.operate('retry');
      expect(await process.ended()).toBe('DONE');
    },
  ),
  scenario(
    'a cancel of what is being cancelled changes nothing',
    {
      given: 'a process that is canceling',
      when: 'it is cancelled again',
      then: 'the handler hears one notice, and the process leaves once',
    },
    async (world) => {
      const { handler, process, delivery } = await atWork(world);
      await process.operate('cancel');
      await process.operate('cancel');
      delivery.reply({});
      expect(await process.ended()).toBe('CANCELED');
      expect(handler.program.cancels).toHaveLength(1);
    },
  ),
  scenario(
    'force leaves at once, also while a handler works',
    {
      given: 'a process whose handler works',
      when: 'an operator forces broken',
      then: 'the resource rests in broken at once; the late answer changes nothing',
    },
    async (world) => {
      const { handler, thing, process, delivery } = await atWork(world);
      await process.operate('force', { state: 'broken' });
      expect(await process.ended()).toBe('CANCELED');
      delivery.reply({ data: { size: 9 } });
      await lateAnswerRead(world, handler);
      expect(await thing.read()).toMatchObject({ state: 'broken', size: null });
    },
  ),
  scenario(
    'a failed attempt of a cancelled process is not tried again',
    {
      given: 'a process with three attempts that is canceling',
      when: 'its handler answers with an error',
      then: 'the process leaves, and the handler is not asked again',
    },
    async (world) => {
      const { handler, thing, process, delivery } = await atWork(world);
      await process.operate('cancel');
      delivery.reply(failedForGood('interrupted'));
      expect(await process.ended()).toBe('CANCELED');
      expect((await thing.read())['state']).toBe('inactive');
      expect(handler.events).toHaveLength(1);
    },
  ),
);
