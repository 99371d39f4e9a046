import { expect } from 'vitest';
import { area, bothKinds, scenario } from '../scenario.js';
import { failed } from '../world.js';

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
