import type { JsonObject } from '@drover/kernel';
import { expect } from 'vitest';
import { area, scenario } from '../scenario.js';
import { parked } from '../situations.js';
import { failed, failedForGood, type Process } from '../world.js';

const audits = async (process: Process) =>
  (await process.steps()).map(({ error }) => (error as { code?: string } | undefined)?.code);

export const operators = area(
  'Operators',
  'What is stuck can always be moved by hand. Each act is recorded, happens once, and is refused where it makes no sense.',
  scenario(
    'retry goes on at the step that failed, with a fresh budget',
    {
      given: 'a parked process whose handler is repaired',
      when: 'an operator retries it',
      then: 'the handler is asked again with the same key, as attempt 1, and the process is done; the act is on record',
    },
    async (world) => {
      const { handler, process } = await parked(world);
      handler.answers({});
      await process.operate('retry');
      expect(await process.ended()).toBe('DONE');
      expect(handler.events.map(({ attempt }) => attempt)).toEqual([1, 1]);
      expect(new Set(handler.events.map(({ key }) => key)).size).toBe(1);
      expect(await audits(process)).toContain('Operator.retry');
    },
  ),
  scenario(
    'retry ends a backoff early',
    {
      given: 'a process that waits an hour for its next attempt',
      when: 'an operator retries it',
      then: 'the next attempt begins at once',
    },
    async (world) => {
      await world.declare('processes: { run: { retry: { initialMillis: 3600000, maxMillis: 3600000 } } }');
      await world.handler('a', 'run', [failed('no'), {}]);
      const { process } = await world.running();
      await process.until({ status: 'backoff' });
      await process.operate('retry');
      expect(await process.ended()).toBe('DONE');
    },
  ),
  scenario(
    'skip goes on behind the step that failed',
    {
      given: 'a parked process, and a second handler behind the one that failed',
      when: 'an operator skips the step',
      then: 'the first handler is not asked again, the second one is, and the record says skipped by whom',
    },
    async (world) => {
      await world.declare();
      const jam = await world.handler('a', 'run', [failedForGood('jammed')]);
      const next = await world.handler('b', 'run', [{}]);
      const { process } = await world.running();
      await process.ended();
      await process.operate('skip');
      expect(await process.ended()).toBe('DONE');
      expect([jam.events.length, next.events.length]).toEqual([1, 1]);
      expect(await process.steps()).toMatchObject([
        { outcome: 'failed' },
        { outcome: 'skipped', error: { code: 'Operator.skip' } },
        { outcome: 'done' },
      ]);
    },
  ),
  scenario(
    'cancel of a parked process returns the resource to where the run began',
    {
      given: 'a parked `run` that began in inactive',
      when: 'an operator cancels it',
      then: 'the resource rests in inactive, the process ended CANCELED, and the act is on record',
    },
    async (world) => {
      const { thing, process } = await parked(world);
      await process.operate('cancel');
      expect(await process.ended()).toBe('CANCELED');
      expect(await thing.read()).toMatchObject({ state: 'inactive', transitioning: 'no', transitioningMessage: null });
      expect(await audits(process)).toContain('Operator.cancel');
    },
  ),
  scenario(
    'force puts the resource into a resting state, and is on record',
    {
      given: 'a parked process',
      when: 'an operator forces `broken`',
      then: 'the resource rests in broken, and the transition is recorded as forced',
    },
    async (world) => {
      const { thing, process } = await parked(world);
      await process.operate('force', { state: 'broken' });
      expect(await process.ended()).toBe('CANCELED');
      expect((await thing.read())['state']).toBe('broken');
      expect((await process.transitions()).at(-1)).toMatchObject({ from: 'running', to: 'broken', kind: 'forced' });
    },
  ),
  scenario(
    'force takes only a state to rest in',
    {
      given: 'a parked process',
      when: 'an operator forces `stopping`, a state that does not exist, or none',
      then: 'each is refused with InvalidOption that lists the resting states, and the process stays parked',
    },
    async (world) => {
      const { process } = await parked(world);
      for (const body of [{ state: 'stopping' }, { state: 'elsewhere' }, {}] as JsonObject[]) {
        const refusal = await world.refused(process.operate('force', body));
        expect(refusal).toMatchObject({ status: 422, code: 'InvalidOption' });
        expect(refusal.message).toContain('inactive');
      }
      expect((await process.read())['status']).toBe('parked');
    },
  ),
  scenario(
    'replay asks all handlers again',
    {
      given: 'a process whose first handler is done and whose second one parked it',
      when: 'an operator replays it',
      then: 'both are asked again, and the process is done',
    },
    async (world) => {
      await world.declare();
      const a = await world.handler('a', 'run', [{}]);
      const b = await world.handler('b', 'run', [failedForGood('jammed'), {}]);
      const { process } = await world.running();
      await process.ended();
      await process.operate('replay');
      expect(await process.ended()).toBe('DONE');
      expect([a.events.length, b.events.length]).toEqual([2, 2]);
      expect(await audits(process)).toContain('Operator.replay');
    },
  ),
  scenario(
    'an act with an Idempotency-Key happens once',
    {
      given: 'a parked process whose handler still fails',
      when: 'an operator retries it twice with the same Idempotency-Key',
      then: 'both answers are 202, and the handler was asked once more, not twice',
    },
    async (world) => {
      const { handler, process } = await parked(world);
      const headers = { 'idempotency-key': `retry-${process.id}` };
      await process.operate('retry', {}, { ...headers, prefer: 'wait=20' });
      await handler.asked(2);
      await process.operate('retry', {}, headers);
      await process.operate('cancel');
      expect(await process.ended()).toBe('CANCELED');
      expect(handler.events).toHaveLength(2);
    },
  ),
  scenario(
    'an Idempotency-Key is good for one act only',
    {
      given: 'a parked process that was retried with a key',
      when: 'the same key comes with another act',
      then: 'it is refused with IdempotencyKeyReused',
    },
    async (world) => {
      const { process } = await parked(world);
      const headers = { 'idempotency-key': `act-${process.id}` };
      await process.operate('retry', {}, { ...headers, prefer: 'wait=20' });
      expect(await world.refused(process.operate('skip', {}, headers))).toMatchObject({
        status: 422,
        code: 'IdempotencyKeyReused',
      });
    },
  ),
  scenario(
    'retry and skip are refused while a handler is at work',
    {
      given: 'a process whose handler works',
      when: 'an operator retries or skips it',
      then: 'each is refused with ActionNotAvailable, which names what is available, and the handler is not disturbed',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('a', 'run');
      const { process } = await world.running();
      const delivery = await handler.asked();
      for (const action of ['retry', 'skip', 'replay'] as const) {
        const refusal = await world.refused(process.operate(action));
        expect(refusal).toMatchObject({ status: 422, code: 'ActionNotAvailable' });
        expect(refusal.message).toContain('cancel');
      }
      expect(Object.keys((await process.read())['actions'] as object)).toEqual(['cancel', 'force']);
      delivery.reply({});
      expect(await process.ended()).toBe('DONE');
      expect(handler.events).toHaveLength(1);
    },
  ),
  scenario(
    'acts on a finished process are refused',
    {
      given: 'a process that is done',
      when: 'an operator retries or cancels it',
      then: 'each is refused, and it lists no actions',
    },
    async (world) => {
      await world.declare();
      const { process } = await world.running();
      await process.ended();
      for (const action of ['retry', 'cancel'] as const)
        expect((await world.refused(process.operate(action))).status).toBeGreaterThanOrEqual(404);
      expect((await process.read())['actions']).toEqual({});
    },
  ),
  scenario(
    'a parked process can be pre-empted like any other',
    {
      given: 'a parked `run`, from whose state `stop` may start',
      when: '`stop` is started',
      then: '`run` ends CANCELED and the resource rests in stopped',
    },
    async (world) => {
      const { thing, process } = await parked(world);
      await thing.runs('stop');
      expect(await process.ended()).toBe('CANCELED');
      expect(await thing.read()).toMatchObject({ state: 'stopped', transitioning: 'no' });
    },
  ),
);
