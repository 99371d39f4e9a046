import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { area, bothKinds, scenario } from '../scenario.js';
import { failed, failedForGood, progress, SILENT } from '../world.js';

export const failure = area(
  'Finite failure',
  'Nothing retries for ever: attempts have a budget, attempts and processes have clocks, and what cannot go on is parked for an operator.',
  bothKinds(
    'a failed step is tried again up to its budget, then the process is parked',
    {
      given: 'a process with three attempts',
      when: 'its handler fails each time with "no disk"',
      then: 'there were three attempts, and the resource shows error and the message while the process stays live',
    },
    async (world) => {
      await world.declare();
      await world.work(failed('no disk'));
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('PARKED');
      expect((await process.steps()).map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
      expect(await thing.read()).toMatchObject({ state: 'running', transitioning: 'error' });
      expect(await process.read()).toMatchObject({
        status: 'parked',
        endTime: null,
        error: { code: 'HandlerFailed', message: 'no disk' },
      });
    },
  ),
  scenario(
    'the pause between attempts grows, and the message tells which attempt failed',
    {
      given: 'a first pause of 500 ms, doubled up to 5 s, without jitter',
      when: 'the handler fails twice',
      then: 'the second attempt comes 500 ms after the first failure, the third 1 s after the second',
    },
    async (world) => {
      await world.declare('processes: { run: { retry: { initialMillis: 500, maxMillis: 5000 } } }');
      const handler = await world.handler('a', 'run', [failed('no'), failed('no'), {}]);
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('DONE');
      const [first, second, third] = handler.program.deliveries.map(({ receivedAt }) => receivedAt);
      expect(second! - first!).toBeGreaterThanOrEqual(490);
      expect(third! - second!).toBeGreaterThanOrEqual(990);
      const messages = thing.feed().map(({ resource }) => resource['transitioningMessage']);
      expect(messages).toContain('no (attempt 1 of 3)');
    },
  ),
  bothKinds(
    'an error that is not retryable spends the budget at once',
    {
      given: 'a process with three attempts',
      when: 'its handler answers `{"transitioning": "error", "retryable": false}`',
      then: 'there was one attempt, and the process is parked',
    },
    async (world) => {
      await world.declare();
      await world.work(failedForGood('no such image'));
      const { process } = await world.running();
      expect(await process.ended()).toBe('PARKED');
      expect(await process.steps()).toHaveLength(1);
    },
  ),
  scenario(
    "a handler's own retries and timeoutMillis win over the process's",
    {
      given: 'a process with three attempts of 10 s, and a handler registered with two attempts of 300 ms',
      when: 'the handler stays silent',
      then: 'it is asked twice, with 300 ms each, and the process is parked with TIMEOUT',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('a', 'run', [SILENT], { retries: 2, timeoutMillis: 300 });
      const { process } = await world.running();
      expect(await process.ended()).toBe('PARKED');
      expect(handler.events.map(({ timeoutMillis }) => timeoutMillis)).toEqual([300, 300]);
      expect(await process.read()).toMatchObject({ error: { code: 'TIMEOUT' } });
    },
  ),
  scenario(
    'attempts count for each step alone',
    {
      given: 'two handlers with three attempts each',
      when: 'each of them fails twice before it is done',
      then: 'the process is done: the budget of one is not spent by the other',
    },
    async (world) => {
      await world.declare();
      await world.handler('a', 'run', [failed('no'), failed('no'), {}]);
      await world.handler('b', 'run', [failed('no'), failed('no'), {}]);
      const { process } = await world.running();
      expect(await process.ended()).toBe('DONE');
      expect((await process.steps()).map(({ attempt }) => attempt)).toEqual([1, 2, 3, 1, 2, 3]);
    },
  ),
  bothKinds(
    'the attempt clock ends an attempt that takes too long',
    {
      given: 'an attempt of 300 ms at most',
      when: 'the first attempt does not answer, the second one does',
      then: 'the first ended as TIMEOUT, and the process is done by the second',
    },
    async (world) => {
      await world.declare('processes: { run: { timeoutMillis: 300 } }');
      await world.work({ hang: true }, { data: { size: 2 } });
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('DONE');
      expect(await process.steps()).toMatchObject([
        { outcome: 'timeout', error: { code: 'TIMEOUT' } },
        { outcome: 'done', attempt: 2 },
      ]);
      expect((await process.executions()).map(({ exitReason }) => exitReason)).toEqual(['TIMEOUT', 'DONE']);
      expect((await thing.read())['size']).toBe(2);
    },
  ),
  scenario(
    'progress extends the attempt clock',
    {
      given: 'an attempt of 2 s at most',
      when: 'the handler reports progress three times, 800 ms apart, and answers then',
      then: 'one attempt of more than two seconds is done',
    },
    async (world) => {
      await world.declare('processes: { run: { timeoutMillis: 2000 } }');
      await world.handler('slow', 'run', [
        async (_event, delivery) => {
          for (let i = 1; i <= 3; i++) {
            await sleep(800);
            delivery.reply(progress('working', i * 25));
          }
          return {};
        },
      ]);
      const { process } = await world.running();
      expect(await process.ended()).toBe('DONE');
      expect(await process.steps()).toMatchObject([{ outcome: 'done', attempt: 1 }]);
    },
  ),
  scenario(
    'the heartbeat clock ends an attempt whose handler falls silent',
    {
      given: 'a process with `heartbeatMillis: 400` and attempts of 10 s',
      when: 'its handler stays silent, and answers the second attempt',
      then: 'the first attempt ended as TIMEOUT whose message names the heartbeat, long before its 10 s',
    },
    async (world) => {
      await world.declare('processes: { run: { heartbeatMillis: 400 } }');
      await world.handler('a', 'run', [SILENT, {}]);
      const { process } = await world.running();
      expect(await process.ended()).toBe('DONE');
      const [first] = await process.steps();
      const message = expect.stringContaining('heartbeat') as unknown;
      expect(first).toMatchObject({ outcome: 'timeout', error: { code: 'TIMEOUT', message } });
    },
  ),
  scenario(
    'with a heartbeat, progress does not extend the attempt clock',
    {
      given: 'a process with `heartbeatMillis: 1500`, and one attempt of 2.5 s at most',
      when: 'its handler reports progress every 600 ms and never answers',
      then: 'the attempt ends as TIMEOUT after 2.5 s, progress or not',
    },
    async (world) => {
      await world.declare(
        'processes: { run: { heartbeatMillis: 1500, timeoutMillis: 2500, retry: { maxAttempts: 1 } } }',
      );
      await world.handler('a', 'run', [
        async (_event, delivery) => {
          for (let i = 1; i <= 7; i++) {
            delivery.reply(progress('working', i));
            await sleep(600);
          }
          return SILENT;
        },
      ]);
      const { process } = await world.running();
      expect(await process.ended()).toBe('PARKED');
      const [step] = await process.steps();
      expect(step).toMatchObject({ outcome: 'timeout' });
      expect(Number(step!['stop']) - Number(step!['start'])).toBeGreaterThanOrEqual(2_000);
    },
  ),
  scenario(
    'codes named in nonRetryable spend the budget at once',
    {
      given: 'a process with `retry: {nonRetryable: [NoSuchImage]}` and three attempts',
      when: 'its handler fails with NoDisk first, and with NoSuchImage then',
      then: 'there were two attempts, and the process is parked',
    },
    async (world) => {
      await world.declare('processes: { run: { retry: { nonRetryable: [NoSuchImage] } } }');
      await world.handler('a', 'run', [failed('no', { code: 'NoDisk' }), failed('no', { code: 'NoSuchImage' })]);
      const { process } = await world.running();
      expect(await process.ended()).toBe('PARKED');
      expect(await process.steps()).toHaveLength(2);
    },
  ),
  scenario(
    "nonRetryable of a handler adds to the process's, and TIMEOUT is a code like any other",
    {
      given:
        'a process with `nonRetryable: [NoDisk]`, a handler of its own `nonRetryable: [NoNet]`, and one of [TIMEOUT]',
      when: 'handlers fail with NoDisk and with NoNet, and one stays silent',
      then: 'each process is parked after one attempt of three',
    },
    async (world) => {
      await world.declare('processes: { run: { timeoutMillis: 300, retry: { nonRetryable: [NoDisk] } } }');
      await world.declare('processes: { run: { timeoutMillis: 300 } }', 'other');
      const replies = [failed('no', { code: 'NoDisk' }), failed('no', { code: 'NoNet' })];
      await world.handler('a', 'run', replies, { retry: { nonRetryable: ['NoNet'] } });
      await world.handler('b', 'other.run', [SILENT], { retry: { nonRetryable: ['TIMEOUT'] } });
      for (const code of ['NoDisk', 'NoNet', 'TIMEOUT']) {
        const thing = await world.create({}, code === 'TIMEOUT' ? 'other' : 'thing');
        const process = await thing.act('run');
        expect(await process.ended()).toBe('PARKED');
        expect(await process.steps()).toMatchObject([{ attempt: 1, error: { code } }]);
      }
    },
  ),
  scenario(
    "a handler's own retry policy wins over the process's",
    {
      given:
        'a process that pauses an hour between attempts, and a handler registered with pauses of 20 ms and two attempts',
      when: 'the handler fails each time',
      then: 'the process is parked after two attempts, at once',
    },
    async (world) => {
      await world.declare('processes: { run: { retry: { initialMillis: 3600000, maxMillis: 3600000 } } }');
      const retry = { maxAttempts: 2, initialMillis: 20, maxMillis: 20, jitter: 0 };
      await world.handler('a', 'run', [failed('no')], { retry });
      const { process } = await world.running();
      expect(await process.ended()).toBe('PARKED');
      expect(await process.steps()).toHaveLength(2);
    },
  ),
  scenario(
    'the waiting clock bounds the wait for an absent handler',
    {
      given: 'a registered handler without a subscriber, and a waitMillis of 1.2 s',
      when: 'the time is up',
      then: 'the process is parked with HandlerAbsent, which names the handler; no attempt was spent on the wait',
    },
    async (world) => {
      await world.declare('processes: { run: { waitMillis: 1200 } }');
      await world.handler('away', 'run', [], { attends: false });
      const { process } = await world.running();
      expect(await process.ended()).toBe('PARKED');
      expect(await process.read()).toMatchObject({
        error: { code: 'HandlerAbsent', message: expect.stringContaining(world.handlerName('away')) as unknown },
      });
      expect(await process.steps()).toHaveLength(1);
    },
  ),
  scenario(
    'the waiting clock bounds the delays that a handler asks for',
    {
      given: 'a waitMillis of 1 s',
      when: 'the handler asks for a delay of 5 s',
      then: 'the process is parked with DelayTooLong',
    },
    async (world) => {
      await world.declare('processes: { run: { waitMillis: 1000 } }');
      await world.handler('a', 'run', [{ delayMillis: 5_000 }]);
      const { process } = await world.running();
      expect(await process.ended()).toBe('PARKED');
      expect(await process.read()).toMatchObject({ error: { code: 'DelayTooLong' } });
    },
  ),
  scenario(
    'the total clock bounds the whole life, whatever the handler does',
    {
      given: 'a totalMillis of 800 ms, and a handler that always asks for another 50 ms',
      when: 'the time is up',
      then: 'the process is parked with TotalTimeout',
    },
    async (world) => {
      await world.declare('processes: { run: { totalMillis: 800 } }');
      await world.handler('a', 'run', [{ delayMillis: 50 }]);
      const { process } = await world.running();
      expect(await process.ended()).toBe('PARKED');
      expect(await process.read()).toMatchObject({ error: { code: 'TotalTimeout' } });
    },
  ),
  scenario(
    'the total clock ends a process also between two attempts, and while a handler works',
    {
      given: 'a totalMillis of 800 ms; a handler that is to be tried again in an hour, and one that stays silent',
      when: 'the time is up',
      then: 'both processes are parked with TotalTimeout, of which onError would start like after any failure',
    },
    async (world) => {
      await world.declare(`
        processes:
          run: { totalMillis: 800, retry: { initialMillis: 3600000, maxMillis: 3600000 } }
          stop: { start: [inactive], totalMillis: 800, onError: fail }
          fail: { start: [stopping] }`);
      await world.handler('a', 'run', [failed('no')]);
      await world.handler('b', 'stop', [SILENT]);
      const { process } = await world.running();
      const other = await world.create();
      const stop = await other.act('stop');
      expect(await process.ended()).toBe('PARKED');
      expect(await process.read()).toMatchObject({ error: { code: 'TotalTimeout' } });
      expect(await stop.ended()).toBe('FAILED');
      expect(await other.until({ state: 'broken' })).toMatchObject({ transitioning: 'error' });
    },
  ),
  scenario(
    "a handler's own total clock bounds its attempts of one step with the pauses between them",
    {
      given: 'handlers registered with `totalMillis: 700`, of processes with a hundred attempts of 10 s',
      when: 'one of them fails each time, the other one stays silent',
      then: 'both are parked long before their attempts are spent, the silent one with HandlerTotalTimeout',
    },
    async (world) => {
      const retry = 'processes: { run: { retry: { maxAttempts: 100, initialMillis: 200, maxMillis: 200 } } }';
      await world.declare(retry);
      await world.declare(retry, 'other');
      const failing = await world.handler('a', 'run', [failed('no disk')], { totalMillis: 700 });
      const silent = await world.handler('b', 'other.run', [SILENT], { totalMillis: 700 });
      const { process } = await world.running();
      const other = await (await world.create({}, 'other')).act('run');
      expect([await process.ended(), await other.ended()]).toEqual(['PARKED', 'PARKED']);
      expect(await other.read()).toMatchObject({ error: { code: 'HandlerTotalTimeout' } });
      expect(failing.events.length).toBeLessThan(20);
      expect(silent.events).toHaveLength(1);
    },
  ),
  scenario(
    'onError runs when the budget is spent by errors',
    {
      given: 'a process with `onError: fail`',
      when: 'its handler fails for good with "no disk"',
      then: 'the process ends FAILED, `fail` runs with its handlers, and the resource rests in broken with the message',
    },
    async (world) => {
      await world.declare('processes: { run: { onError: fail } }');
      await world.handler('a', 'run', [failedForGood('no disk')]);
      const cleaner = await world.handler('cleaner', 'fail', [{}]);
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('FAILED');
      expect(await thing.until({ state: 'broken' })).toMatchObject({
        transitioning: 'error',
        transitioningMessage: 'no disk',
      });
      expect(cleaner.events).toHaveLength(1);
    },
  ),
  scenario(
    'onError runs when the budget is spent by time-outs, too',
    {
      given: 'a process with `onError: fail` and one attempt of 200 ms',
      when: 'its handler stays silent',
      then: 'the resource rests in broken',
    },
    async (world) => {
      await world.declare('processes: { run: { onError: fail, timeoutMillis: 200, retry: { maxAttempts: 1 } } }');
      await world.handler('a', 'run', [SILENT]);
      const { thing, process } = await world.running();
      expect(await process.ended()).toBe('FAILED');
      await thing.until({ state: 'broken', transitioning: 'error' });
    },
  ),
  scenario(
    "a handler's own onError wins over the process's",
    {
      given: 'a process without onError, and a handler registered with `onError: <type>.fail`',
      when: 'the handler fails for good',
      then: 'the resource rests in broken',
    },
    async (world) => {
      await world.declare();
      await world.handler('a', 'run', [failedForGood('no')], { onError: 'fail' });
      const { thing } = await world.running();
      await thing.until({ state: 'broken' });
    },
  ),
  scenario(
    'two onErrors that name each other do not go on for ever',
    {
      given: '`run` with `onError: fail`, and `fail` with `onError: run`',
      when: 'both fail for good',
      then: '`fail` is parked: a process whose failure led there is not started again',
    },
    async (world) => {
      await world.declare(`
        processes:
          run: { start: [inactive, failing], onError: fail }
          fail: { onError: run, retry: { maxAttempts: 1 } }`);
      await world.handler('a', 'run,fail', [failedForGood('no')]);
      const { thing } = await world.running();
      await thing.until({ state: 'failing', transitioning: 'error' });
      expect((await thing.processes()).map(({ status }) => status).slice(-2)).toEqual(['finished', 'parked']);
    },
  ),
);
