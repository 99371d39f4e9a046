import { uuidv7 } from '@drover/kernel';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, inTurn, never } from '../support/index.js';

const failing = (name: string, run = ''): string => `
  name: ${name}
  fields: { size: { type: int, nullable: true } }
  defaultProcesses: { exclude: [activate, deactivate] }
  final: [ran, broken]
  processes:
    run:
      start: [inactive]
      transitioning: running
      done: ran
      retry: { maxAttempts: 3, initialMillis: 200, maxMillis: 5000, jitter: 0 }
      ${run}
    fail: { start: [running, inactive], transitioning: failing, done: broken }`;

const error = (message: string, more: object = {}) => ({
  transitioning: 'error',
  transitioningMessage: message,
  ...more,
});

describe('when a step fails', () => {
  let cluster: Cluster;
  beforeAll(async () => void (cluster = await Cluster.start()));
  afterEach(() => cluster.client.checkInvariants());
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('it is tried again with backoff, under the same key and another id', async () => {
    const { client } = cluster;
    await client.define(failing('flaky'));
    const handler = await cluster.handler('flaky-runner', {
      processes: 'flaky.run',
      answer: inTurn(
        () => error('no disk'),
        () => error('still no disk', { code: 'NoDisk' }),
        () => ({ data: { size: 1 } }),
      ),
    });
    const id = await cluster.client.rested('flaky');
    const { processId } = await client.start('flaky.run', id);
    await client.until(id, ({ message }) => message?.includes('no disk') ?? false);
    expect(await client.ended(processId!)).toBe('DONE');
    const [first, second, third] = handler.deliveries;
    expect(second!.receivedAt - first!.receivedAt).toBeGreaterThanOrEqual(190);
    expect(third!.receivedAt - second!.receivedAt).toBeGreaterThanOrEqual(380);
    expect(handler.events.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(new Set(handler.events.map(({ key }) => key)).size).toBe(1);
    expect(new Set(handler.events.map((event) => event.id)).size).toBe(3);
    expect(await client.read(id)).toMatchObject({ state: 'ran', transitioning: 'no', message: null });
    expect((await client.process(processId!)).progress['steps']).toMatchObject([
      { outcome: 'failed', attempt: 1, error: { message: 'no disk' } },
      { outcome: 'failed', attempt: 2, error: { code: 'NoDisk' } },
      { outcome: 'done', attempt: 3 },
    ]);
  });

  it('a spent budget parks the process: still live, shown on the resource, nothing retries', async () => {
    const { client } = cluster;
    await client.define(failing('doomed'));
    const handler = await cluster.handler('doomed-runner', {
      processes: 'doomed.run',
      answer: () => error('no such image'),
    });
    const id = await cluster.client.rested('doomed');
    const { processId } = await client.start('doomed.run', id);
    expect(await client.ended(processId!)).toBe('PARKED');
    expect(handler.events.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(await client.read(id)).toMatchObject({
      state: 'running',
      transitioning: 'error',
      message: expect.stringContaining('no such image'),
    });
    expect(await client.process(processId!)).toMatchObject({
      live: true,
      status: 'parked',
      errorCode: 'HandlerFailed',
    });
  });

  it('a non-retryable error spends the budget at once', async () => {
    const { client } = cluster;
    await client.define(failing('fatal'));
    const handler = await cluster.handler('fatal-runner', {
      processes: 'fatal.run',
      answer: () => error('never', { retryable: false, code: 'BadImage' }),
    });
    const { processId } = await client.start('fatal.run', await cluster.client.rested('fatal'));
    expect(await client.ended(processId!)).toBe('PARKED');
    expect(handler.events).toHaveLength(1);
    expect(await client.process(processId!)).toMatchObject({ errorCode: 'BadImage' });
  });

  it("a handler's own retries and time-out override the process's", async () => {
    const { client } = cluster;
    await client.define(failing('mine', 'timeoutMillis: 60000'));
    const handler = await cluster.handler('mine-runner', {
      processes: 'mine.run',
      retries: 2,
      timeoutMillis: 300,
      answer: never,
    });
    const { processId } = await client.start('mine.run', await cluster.client.rested('mine'));
    expect(await client.ended(processId!)).toBe('PARKED');
    expect(handler.events.map(({ attempt, timeoutMillis }) => [attempt, timeoutMillis])).toEqual([
      [1, 300],
      [2, 300],
    ]);
  });

  it('a deadline that passes ends the attempt; its late answer changes nothing, the next one counts', async () => {
    const { client } = cluster;
    await client.define(failing('tardy', 'timeoutMillis: 400'));
    const handler = await cluster.handler('tardy-runner', { processes: 'tardy.run', answer: never });
    const id = await cluster.client.rested('tardy');
    const { processId } = await client.start('tardy.run', id);
    await handler.sent(2);
    handler.deliveries[0]!.reply({ data: { size: 666 } });
    handler.deliveries[1]!.reply({ data: { size: 2 } });
    expect(await client.ended(processId!)).toBe('DONE');
    expect((await client.read(id)).data['size']).toBe(2);
    expect((await client.process(processId!)).progress['steps']).toMatchObject([
      { outcome: 'timeout', error: { code: 'TIMEOUT' } },
      { outcome: 'done' },
    ]);
  });

  it('onError of the process runs after errors, and the resource ends there with the message', async () => {
    const { client } = cluster;
    await client.define(failing('guarded', 'onError: fail'));
    await cluster.handler('guarded-runner', {
      processes: 'guarded.run',
      answer: () => error('out of memory', { retryable: false }),
    });
    const cleaner = await cluster.handler('guarded-cleaner', { processes: 'guarded.fail' });
    const id = await cluster.client.rested('guarded');
    const { processId } = await client.start('guarded.run', id);
    await client.until(id, { state: 'broken', transitioning: 'error', message: 'out of memory' });
    expect(cleaner.events).toHaveLength(1);
    expect(await client.process(processId!)).toMatchObject({ live: false, exitReason: 'FAILED' });
    expect(await client.moves(id)).toEqual([
      'requested>registering',
      'registering>inactive',
      'inactive>running',
      'running>failing',
      'failing>broken',
    ]);
  });

  it("onError runs after time-outs alike, and a handler's own onError wins", async () => {
    const { client } = cluster;
    await client.define(failing('watched', 'timeoutMillis: 200'));
    await cluster.handler('watched-runner', {
      processes: 'watched.run',
      retries: 1,
      onError: 'watched.fail',
      answer: never,
    });
    const id = await cluster.client.rested('watched');
    await client.start('watched.run', id);
    await client.until(id, { state: 'broken', transitioning: 'error' });
  });

  it('the whole life of a process is bounded by totalMillis', async () => {
    const { client } = cluster;
    await client.define(failing('mortal', 'totalMillis: 1000'));
    await cluster.handler('mortal-runner', { processes: 'mortal.run', answer: () => ({ delayMillis: 100 }) });
    const { processId } = await client.start('mortal.run', await cluster.client.rested('mortal'));
    expect(await client.ended(processId!)).toBe('PARKED');
    expect(await client.process(processId!)).toMatchObject({ status: 'parked', errorCode: 'TotalTimeout' });
  });

  describe('an operator', () => {
    let n = 0;
    /** A parked process, and a handler that does what it is told from then on. */
    async function parked() {
      const { client } = cluster;
      const type = `stuck${'abcdefgh'[n++]}`;
      await client.define(failing(type));
      const handler = await cluster.handler(`${type}-runner`, {
        processes: `${type}.run`,
        answer: () => error('jammed', { retryable: false }),
      });
      const id = await cluster.client.rested(type);
      const { processId } = await client.start(`${type}.run`, id);
      expect(await client.ended(processId!)).toBe('PARKED');
      return { id, processId: processId!, handler, type };
    }

    it('retries the step that failed, with a fresh budget', async () => {
      const { client } = cluster;
      const { id, processId, handler } = await parked();
      handler.answer = inTurn(
        () => error('jammed once more'),
        () => ({}),
      );
      await client.operate(processId, 'retry');
      await client.until(id, { state: 'ran', transitioning: 'no', message: null });
      expect(handler.events.map(({ attempt }) => attempt)).toEqual([1, 1, 2]);
    });

    it('skips the step: the process goes on without it', async () => {
      const { client } = cluster;
      const { id, processId, handler } = await parked();
      await client.operate(processId, 'skip');
      await client.until(id, { state: 'ran', transitioning: 'no' });
      expect(handler.events).toHaveLength(1);
      expect((await client.process(processId)).progress['steps']).toMatchObject([
        { outcome: 'failed' },
        { outcome: 'skipped', error: { code: 'Operator.skip', message: 'by ada' } },
      ]);
    });

    it('cancels it: the resource returns to the state in which the run began', async () => {
      const { client } = cluster;
      const { id, processId } = await parked();
      await client.operate(processId, 'cancel');
      await client.until(id, { state: 'inactive', transitioning: 'no', message: null });
      expect(await client.process(processId)).toMatchObject({ live: false, exitReason: 'CANCELED' });
    });

    it('forces a resting state, and no other', async () => {
      const { client } = cluster;
      const { id, processId } = await parked();
      await expect(client.operate(processId, 'force', 'running')).rejects.toMatchObject({ code: 'InvalidOption' });
      await expect(client.operate(processId, 'force', 'elsewhere')).rejects.toMatchObject({ code: 'InvalidOption' });
      await client.operate(processId, 'force', 'broken');
      await client.until(id, { state: 'broken', transitioning: 'no' });
      const { progress } = await client.process(processId);
      expect(progress['transitions']).toMatchObject([
        { to: 'running' },
        { from: 'running', to: 'broken', kind: 'forced' },
      ]);
      expect(progress['steps']).toMatchObject([{}, { error: { code: 'Operator.force', message: 'by ada' } }]);
    });

    it('who repeats an act with its command id gets the first answer, and the act happens once', async () => {
      const { client } = cluster;
      const { id, processId } = await parked();
      const commandId = uuidv7();
      const first = await client.operate(processId, 'cancel', null, commandId);
      await client.until(id, { state: 'inactive' });
      const again = await client.operate(processId, 'cancel', null, commandId);
      expect(again).toMatchObject({ processId, resource: { id, revision: first.resource.revision } });
      await expect(client.operate(processId, 'cancel')).rejects.toMatchObject({ code: 'ActionNotAvailable' });
    });

    it('pre-empts it like anybody', async () => {
      const { client } = cluster;
      const { id, processId, type } = await parked();
      await client.start(`${type}.fail`, id);
      await client.until(id, { state: 'broken' });
      expect(await client.process(processId)).toMatchObject({ exitReason: 'CANCELED' });
    });

    it('cancels a process whose handler is at work: the handler is told, and what it has made is kept', async () => {
      const { client } = cluster;
      await client.define(failing('busy'));
      const handler = await cluster.handler('busy-runner', { processes: 'busy.run', answer: never });
      const id = await cluster.client.rested('busy');
      const { processId } = await client.start('busy.run', id);
      const [event] = await handler.sent(1);
      await expect(client.operate(processId!, 'retry')).rejects.toMatchObject({ code: 'ActionNotAvailable' });
      await client.operate(processId!, 'cancel');
      await client.operate(processId!, 'cancel');
      expect(await client.process(processId!)).toMatchObject({ live: true, status: 'canceling' });
      await expect.poll(() => handler.cancels).toMatchObject([{ id: event!.id, key: event!.key }]);
      handler.deliveries[0]!.reply({ data: { size: 9 } });
      await client.until(id, { state: 'inactive', transitioning: 'no' });
      expect((await client.read(id)).data['size']).toBe(9);
      expect(await client.process(processId!)).toMatchObject({ live: false, exitReason: 'CANCELED' });
    });

    it('cancels; a handler that does not answer holds it until its deadline, force does not wait', async () => {
      const { client } = cluster;
      await client.define(failing('deaf', 'timeoutMillis: 1500'));
      const handler = await cluster.handler('deaf-runner', { processes: 'deaf.run', answer: never });
      const [first, second] = [await cluster.client.rested('deaf'), await cluster.client.rested('deaf')];
      const one = await client.start('deaf.run', first);
      const two = await client.start('deaf.run', second);
      await handler.sent(2);
      await client.operate(one.processId!, 'cancel');
      await client.operate(two.processId!, 'cancel');
      await client.operate(two.processId!, 'force', 'broken');
      expect(await client.read(second)).toMatchObject({ state: 'broken' });
      await client.until(first, { state: 'inactive', transitioning: 'no' });
      expect((await client.process(one.processId!)).progress['steps']).toMatchObject([
        { outcome: 'canceled', error: { code: 'Operator.cancel', message: 'by ada' } },
        { outcome: 'timeout' },
      ]);
    });

    it('replays a process that has ended: a new one with the same data, where it may start; a repeat starts no second', async () => {
      const { client } = cluster;
      await client.define(
        failing('again').replace('final: [ran, broken]', 'final: [broken]').replace('done: ran', 'done: inactive'),
      );
      const handler = await cluster.handler('again-runner', { processes: 'again.run', answer: () => ({}) });
      const id = await client.rested('again');
      const { processId } = await client.start('again.run', id, { how: 'gently' });
      expect(await client.ended(processId!)).toBe('DONE');
      await expect(client.operate(processId!, 'retry')).rejects.toMatchObject({ code: 'ActionNotAvailable' });
      const commandId = uuidv7();
      const replayed = await client.operate(processId!, 'replay', null, commandId);
      expect(replayed.processId).not.toBe(processId);
      expect(await client.ended(replayed.processId!)).toBe('DONE');
      expect((await client.operate(processId!, 'replay', null, commandId)).processId).toBe(replayed.processId);
      expect(handler.events.map(({ data }) => data)).toEqual([{ how: 'gently' }, { how: 'gently' }]);
      expect((await client.process(replayed.processId!)).progress['steps']).toMatchObject([
        { error: { code: 'Operator.replay', message: expect.stringMatching(/^by ada: 1pi\d+ anew$/) as unknown } },
        { outcome: 'done' },
      ]);
      await client.start('again.fail', id);
      await client.until(id, { state: 'broken' });
      await expect(client.operate(processId!, 'replay')).rejects.toMatchObject({
        code: 'ActionNotAvailable',
        message: expect.stringContaining('cannot start in state broken') as unknown,
      });
    });

    it('is refused where there is nothing to operate', async () => {
      await expect(cluster.client.operate(999_999, 'retry')).rejects.toMatchObject({ code: 'NotFound' });
    });
  });
});
