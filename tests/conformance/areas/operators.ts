import type { JsonObject } from '@drover/kernel';
import { expect } from 'vitest';
import { area, scenario } from '../scenario.js';
import { atWork, parked } from '../situations.js';
import { failed, failedForGood, type Process, type World } from '../world.js';

const ACTS = ['retry', 'skip', 'cancel', 'force', 'replay'] as const;
type Act = (typeof ACTS)[number];

/** The process lists exactly these acts; the other ones are refused, except those that change nothing. */
async function offersOnly(world: World, process: Process, offered: Act[], harmless: Act[] = []): Promise<void> {
  expect(Object.keys((await process.read())['actions'] as object)).toEqual(offered);
  for (const act of ACTS) {
    if (offered.includes(act) || harmless.includes(act)) continue;
    const refusal = await world.refused(process.operate(act, act === 'force' ? { state: 'inactive' } : {}));
    expect(refusal).toMatchObject({ status: 422, code: 'ActionNotAvailable' });
    for (const other of offered) expect(refusal.message).toContain(other);
  }
}

/**
 * Does an act twice with one Idempotency-Key.
 * @returns the process that both answers show
 */
async function twice(process: Process, act: Act, body: JsonObject = {}): Promise<string> {
  const headers = { 'idempotency-key': `${act}-${process.id}` };
  const first = await process.operate(act, body, { ...headers, prefer: 'wait=20' });
  const second = await process.operate(act, body, headers);
  expect(second['id']).toBe(first['id']);
  return String(first['id']);
}

/** The operators' acts in the process's record, oldest first. */
const audits = async (process: Process) =>
  (await process.steps())
    .map(({ error }) => (error as { code?: string } | undefined)?.code ?? '')
    .filter((code) => code.startsWith('Operator.'));

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
      expect(await audits(process)).toEqual(['Operator.retry']);
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
      expect(await audits(process)).toEqual(['Operator.cancel']);
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
      expect(await audits(process)).toEqual(['Operator.replay']);
    },
  ),
  scenario(
    'a retry with an Idempotency-Key happens once',
    {
      given: 'a parked process whose handler still fails',
      when: 'an operator retries it twice with the same Idempotency-Key',
      then: 'both answers are 202, and the handler was asked once more, not twice',
    },
    async (world) => {
      const { handler, process } = await parked(world);
      await twice(process, 'retry');
      await process.operate('cancel');
      expect(await process.ended()).toBe('CANCELED');
      expect(handler.events).toHaveLength(2);
      expect(await audits(process)).toEqual(['Operator.retry', 'Operator.cancel']);
    },
  ),
  scenario(
    'a skip with an Idempotency-Key skips one step',
    {
      given: 'two handlers that fail for good, one behind the other',
      when: 'an operator skips the step of the first one twice with the same Idempotency-Key',
      then: 'the process is parked at the second one, which is not skipped',
    },
    async (world) => {
      await world.declare();
      await world.handler('a', 'run', [failedForGood('jammed')]);
      const next = await world.handler('b', 'run', [failedForGood('jammed, too')]);
      const { process } = await world.running();
      await process.ended();
      await twice(process, 'skip');
      expect(await process.read()).toMatchObject({ status: 'parked', error: { message: 'jammed, too' } });
      expect(next.events).toHaveLength(1);
      expect(await audits(process)).toEqual(['Operator.skip']);
    },
  ),
  scenario(
    'a cancel with an Idempotency-Key cancels one run',
    {
      given: 'a parked process',
      when: 'an operator cancels it twice with the same Idempotency-Key',
      then: 'both answers show it as CANCELED, though a cancel of what has ended is refused otherwise',
    },
    async (world) => {
      const { thing, process } = await parked(world);
      await twice(process, 'cancel');
      expect(await process.ended()).toBe('CANCELED');
      expect(await audits(process)).toEqual(['Operator.cancel']);
      expect((await thing.moves()).filter((move) => move === 'running>inactive')).toHaveLength(1);
    },
  ),
  scenario(
    'a force with an Idempotency-Key forces once',
    {
      given: 'a parked process',
      when: 'an operator forces `broken` twice with the same key, and then `ran` with that key',
      then: 'the first two answers are alike, the third one is 422 IdempotencyKeyReused; the resource rests in broken',
    },
    async (world) => {
      const { thing, process } = await parked(world);
      await twice(process, 'force', { state: 'broken' });
      const headers = { 'idempotency-key': `force-${process.id}` };
      expect(await world.refused(process.operate('force', { state: 'ran' }, headers))).toMatchObject({
        status: 422,
        code: 'IdempotencyKeyReused',
      });
      expect((await thing.read())['state']).toBe('broken');
      expect(await audits(process)).toEqual(['Operator.force']);
    },
  ),
  scenario(
    'a replay with an Idempotency-Key happens once, of a live process and of one that has ended',
    {
      given: 'a parked process of one resource, and a finished one of another, which may run again',
      when: 'an operator replays each of them twice with the same Idempotency-Key',
      then: 'the live one was begun anew once, and of the finished one there is one new process, which both answers show',
    },
    async (world) => {
      const { handler, process } = await parked(world, 'processes: { run: { done: inactive } }');
      await twice(process, 'replay');
      expect(handler.events).toHaveLength(2);
      expect(await audits(process)).toEqual(['Operator.replay']);
      handler.answers({});
      const ended = await world.running();
      await ended.process.ended();
      const anew = await twice(ended.process, 'replay');
      expect(anew).not.toBe(ended.process.id);
      expect((await ended.thing.processes()).map(({ id }) => id).slice(-2)).toEqual([ended.process.id, anew]);
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
    'while a handler is at work, only cancel and force are offered',
    {
      given: 'a process whose handler works',
      when: 'an operator retries, skips or replays it',
      then: 'each is 422 ActionNotAvailable, which names what is available, and the handler is not disturbed',
    },
    async (world) => {
      const { handler, process, delivery } = await atWork(world);
      await offersOnly(world, process, ['cancel', 'force']);
      delivery.reply({});
      expect(await process.ended()).toBe('DONE');
      expect(handler.events).toHaveLength(1);
    },
  ),
  scenario(
    'while a cancelled attempt is waited for, only cancel and force are offered',
    {
      given: '`stop`, which waits for the cancelled attempt of `run`',
      when: 'an operator retries, skips or replays it',
      then: 'each is 422 ActionNotAvailable: two handlers would work on one thing',
    },
    async (world) => {
      const { thing, delivery } = await atWork(world);
      const stopper = await world.handler('stopper', 'stop', [{}]);
      const stop = await thing.act('stop');
      await stop.until({ status: 'waitingPredecessor' });
      await offersOnly(world, stop, ['cancel', 'force']);
      expect(stopper.events).toHaveLength(0);
      delivery.reply({});
      expect(await stop.ended()).toBe('DONE');
    },
  ),
  scenario(
    'while children are at work, only cancel and force are offered',
    {
      given: 'a thing whose process waits for the process of its disk',
      when: 'an operator retries, skips or replays the process of the thing',
      then: 'each is 422 ActionNotAvailable; when the disk is done, so is the thing',
    },
    async (world) => {
      await world.declare(`
        relationships: { disks: { list: disk, by: thingId } }
        processes: { run: { related: [{ forEach: disks, process: run }] } }`);
      await world.declare('fields: { thingId: { type: reference, to: thing } }', 'disk');
      const spinner = await world.handler('spinner', 'disk.run');
      const thing = await world.create();
      await world.create({ thingId: thing.id }, 'disk');
      const process = await thing.act('run');
      const delivery = await spinner.asked();
      await process.until({ status: 'waitingChildren' });
      await offersOnly(world, process, ['cancel', 'force']);
      delivery.reply({});
      expect(await process.ended()).toBe('DONE');
    },
  ),
  scenario(
    'while it is canceling, only force is offered',
    {
      given: 'a process that is canceling',
      when: 'an operator retries, skips or replays it',
      then: 'each is 422 ActionNotAvailable; one more cancel changes nothing',
    },
    async (world) => {
      const { process, delivery } = await atWork(world);
      await process.operate('cancel');
      await process.until({ status: 'canceling' });
      await offersOnly(world, process, ['force'], ['cancel']);
      delivery.reply({});
      expect(await process.ended()).toBe('CANCELED');
    },
  ),
  scenario(
    'while nobody works on it, everything is offered',
    {
      given: 'processes that are parked, in backoff, delayed, and waiting for an absent handler',
      when: 'their actions are read, and the absent handler is skipped',
      then: 'each lists retry, skip, cancel, force and replay; the one without its handler is done',
    },
    async (world) => {
      await world.declare('processes: { run: { retry: { initialMillis: 3600000, maxMillis: 3600000 } } }');
      const handler = await world.handler('a', 'run', [
        failedForGood('jammed'),
        failed('not yet'),
        { delayMillis: 3_600_000 },
      ]);
      for (const status of ['parked', 'backoff', 'delayed', 'waitingHandler']) {
        if (status === 'waitingHandler') await handler.program.leave();
        const { process } = await world.running();
        const { actions } = await process.until({ status });
        expect(Object.keys(actions as object)).toEqual([...ACTS]);
        if (status !== 'waitingHandler') continue;
        await process.operate('skip');
        expect(await process.ended()).toBe('DONE');
      }
    },
  ),
  scenario(
    'what parks on a cancel, and is parked, is not cancelled again',
    {
      given: 'a process with `onCancel: parked` that is parked',
      when: 'an operator cancels it',
      then: '422 ActionNotAvailable, which names retry, skip and force; the process stays parked',
    },
    async (world) => {
      const { process } = await parked(world, 'processes: { run: { onCancel: parked } }');
      const refusal = await world.refused(process.operate('cancel'));
      expect(refusal).toMatchObject({ status: 422, code: 'ActionNotAvailable' });
      for (const act of ['retry', 'skip', 'force']) expect(refusal.message).toContain(act);
      expect(await process.read()).toMatchObject({ status: 'parked', error: { message: 'jammed' } });
    },
  ),
  scenario(
    'past the end of its longest life, a process can only be cancelled or forced',
    {
      given: 'a process that its total clock has parked',
      when: 'an operator retries, skips, replays and then cancels it',
      then: 'the first three are 422 ActionNotAvailable; the cancel leads back to inactive',
    },
    async (world) => {
      await world.declare('processes: { run: { totalMillis: 300 } }');
      await world.handler('a', 'run', [{ delayMillis: 50 }]);
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('PARKED');
      for (const act of ['retry', 'skip', 'replay'] as const) {
        const refusal = await world.refused(process.operate(act));
        expect(refusal).toMatchObject({ status: 422, code: 'ActionNotAvailable' });
        expect(refusal.message).toContain('longest life');
      }
      await process.operate('cancel');
      expect(await process.ended()).toBe('CANCELED');
      expect((await thing.read())['state']).toBe('inactive');
    },
  ),
  scenario(
    'with a finished process nothing can be done but a replay',
    {
      given: 'a process that is done',
      when: 'an operator retries, skips, cancels or forces it',
      then: 'each is 422 ActionNotAvailable, which names the exit reason; it lists no actions',
    },
    async (world) => {
      await world.declare();
      const { thing, process } = await world.running();
      await process.ended();
      await offersOnly(world, process, [], ['replay']);
      expect((await world.refused(process.operate('retry'))).message).toContain('DONE');
      expect(await thing.read()).toMatchObject({ state: 'ran', transitioning: 'no' });
    },
  ),
  scenario(
    'a replay of a finished process starts it anew, with the same data',
    {
      given: 'a finished `tune`, which may start where it ends, begun with the body {"fast": true}',
      when: 'an operator replays it',
      then: 'another process does the same with the same data, and its record names the one that it repeats',
    },
    async (world) => {
      await world.declare('processes: { tune: { start: [inactive], transitioning: tuning, done: inactive } }');
      const handler = await world.handler('tuner', 'tune', [{}]);
      const thing = await world.create();
      const process = await thing.runs('tune', { fast: true });
      const anew = await process.operate('replay', {}, { prefer: 'wait=20' });
      expect(anew).toMatchObject({ exitReason: 'DONE', data: { fast: true } });
      expect(handler.events.map(({ data }) => data)).toEqual([{ fast: true }, { fast: true }]);
      const repeated = await thing.processOf('tune');
      expect(await audits(repeated)).toEqual(['Operator.replay']);
      expect(JSON.stringify(await repeated.steps())).toContain(`${process.id} anew`);
    },
  ),
  scenario(
    'a replay of a finished process is refused where it may not start',
    {
      given: 'a finished `run`, whose resource rests in ran; and another one, on whose resource `stop` is at work',
      when: 'an operator replays each',
      then: 'both are 422 ActionNotAvailable: the one names the state ran, the other one the process at work',
    },
    async (world) => {
      await world.declare('processes: { run: { start: [inactive, stopping] } }');
      const { thing, process } = await world.running();
      await process.ended();
      const atRest = await world.refused(process.operate('replay'));
      expect(atRest).toMatchObject({ status: 422, code: 'ActionNotAvailable' });
      expect(atRest.message).toContain('cannot start in state ran');
      const stopper = await world.handler('stopper', 'stop');
      const stop = await thing.act('stop');
      const delivery = await stopper.asked();
      const busy = await world.refused(process.operate('replay'));
      expect(busy).toMatchObject({ status: 422, code: 'ActionNotAvailable' });
      expect(busy.message).toContain(world.processes('stop'));
      delivery.reply({});
      expect(await stop.ended()).toBe('DONE');
    },
  ),
  scenario(
    'an act that does not exist, or on a process that does not, is refused by name',
    {
      given: 'a parked process',
      when: 'an operator asks for `restart`, and for a retry of a process that never was',
      then: '422 InvalidAction, which lists the acts; 404 NotFound',
    },
    async (world) => {
      const { process } = await parked(world);
      const refusal = await world.refused(world.suite.api.post(`${process.url}?action=restart`));
      expect(refusal).toMatchObject({ status: 422, code: 'InvalidAction' });
      for (const act of ACTS) expect(refusal.message).toContain(act);
      const nowhere = world.suite.api.post('/processinstances/1pi999999999?action=retry');
      expect(await world.refused(nowhere)).toMatchObject({ status: 404, code: 'NotFound' });
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
