import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { handlerConsumer, REPLY_TO_HEADER, STREAMS } from '@drover/contracts';
import { waitFor } from '@drover/testing';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, SILENCE } from '../support/index.js';

const runnable = (name: string, run = ''): string => `
  name: ${name}
  defaultProcesses: { exclude: [activate, deactivate] }
  final: [ran]
  processes:
    run: { start: [inactive], transitioning: running, done: ran ${run} }
    stop: { start: [running], transitioning: stopping, done: inactive }`;

describe('durable delivery', () => {
  let cluster: Cluster;
  let manager: JetStreamManager;
  beforeAll(async () => {
    cluster = await Cluster.start({ engines: 2 });
    manager = await jetstreamManager(cluster.bus.connection);
  });
  afterEach(async () => {
    await cluster.client.checkInvariants();
    await waitFor(async () => (await held()) === 0, { what: 'an empty work stream' });
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  const held = async (): Promise<number> => (await manager.streams.info(STREAMS.work)).state.messages;

  it('the event waits for a handler that is away, the resource says so, and the answer comes by replyTo', async () => {
    const { client } = cluster;
    await client.define(runnable('parcel'));
    const { handler } = await cluster.durable('parcel-runner', { processes: 'parcel.run', attends: false });
    const id = await client.rested('parcel');
    const { processId } = await client.start('parcel.run', id);
    await client.until(id, { transitioning: 'yes', message: 'waiting for handler parcel-runner' });
    expect(await client.process(processId!)).toMatchObject({
      status: 'waitingHandler',
      waitingHandler: 'parcel-runner',
      deadlineInMillis: null,
    });
    await sleep(2_500);
    expect(await held()).toBe(1);
    await handler.attend();
    await client.until(id, { state: 'ran', transitioning: 'no', message: null });
    const [delivery] = handler.deliveries;
    expect(handler.deliveries).toHaveLength(1);
    expect(delivery!.event).toMatchObject({ id: `1pi${processId}.1`, attempt: 1, phase: 'handle' });
    expect(delivery!.message.subject).toBe('drover.work.parcel-runner.parcel.run.handle');
    expect(delivery!.message.headers?.get(REPLY_TO_HEADER)).toBe(delivery!.event.replyTo);
    expect(delivery!.message.info.deliveryCount).toBe(1);
  });

  it('a hundred events come once each, half of them before their handler', async () => {
    const { client } = cluster;
    await client.define(runnable('batch'));
    const { handler } = await cluster.durable('batch-runner', { processes: 'batch.run', attends: false });
    const ids = await Promise.all(Array.from({ length: 100 }, () => client.rested('batch')));
    const first = await Promise.all(ids.slice(0, 50).map((id) => client.start('batch.run', id)));
    await Promise.all(ids.slice(0, 50).map((id) => client.until(id, { message: 'waiting for handler batch-runner' })));
    await handler.attend();
    const second = await Promise.all(ids.slice(50).map((id) => client.start('batch.run', id)));
    await Promise.all([...first, ...second].map(({ processId }) => client.ended(processId!)));
    await Promise.all(ids.map((id) => client.until(id, { state: 'ran', message: null })));
    expect(handler.deliveries).toHaveLength(100);
    expect(new Set(handler.events.map(({ id }) => id)).size).toBe(100);
  });

  it('while an event is worked on the attempt clock stands still', async () => {
    const { client } = cluster;
    // The other process makes the acknowledgement time long: nothing is delivered again while the test works.
    await client.define(runnable('slow', ', timeoutMillis: 300'));
    const { handler } = await cluster.durable('slow-runner', {
      processes: 'slow.run,slow.create',
      answer: async ({ process }) => {
        if (process === 'slow.run') await sleep(2_000);
        return {};
      },
    });
    const id = await client.rested('slow');
    const { processId } = await client.start('slow.run', id);
    expect(await client.ended(processId!)).toBe('DONE');
    expect(handler.events.filter(({ process }) => process === 'slow.run')).toHaveLength(1);
    expect(handler.deliveries.every(({ message }) => message.info.deliveryCount === 1)).toBe(true);
  });

  it('progress shows, and an acknowledged event without an answer starts the attempt clock, once', async () => {
    const { client } = cluster;
    await client.define(runnable('quiet', ', timeoutMillis: 700, retry: { maxAttempts: 3, initialMillis: 50 }'));
    const { handler } = await cluster.durable('quiet-runner', {
      processes: 'quiet.run',
      answer: ({ attempt, replyTo }, message) => {
        if (attempt > 1) return { data: {} };
        const progress = { transitioning: 'yes', transitioningMessage: 'on it', transitioningProgress: 10 };
        handler.connection.publish(replyTo, JSON.stringify(progress));
        message.ack();
        return SILENCE;
      },
    });
    const id = await client.rested('quiet');
    const { processId } = await client.start('quiet.run', id);
    await client.until(id, { message: 'on it', progress: 10 });
    expect(await client.ended(processId!)).toBe('DONE');
    expect(handler.events.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(new Set(handler.events.map((event) => event.id)).size).toBe(2);
    expect(new Set(handler.events.map((event) => event.key)).size).toBe(1);
  });

  it('heartbeat: a handler that took the event and falls silent is a time-out; one that beats works on, to the end of its attempt', async () => {
    const { client } = cluster;
    await client.define(
      runnable('pulse', ', timeoutMillis: 20000, heartbeatMillis: 1500, retry: { maxAttempts: 2, initialMillis: 50 }'),
    );
    const { handler } = await cluster.durable('pulse-runner', {
      processes: 'pulse.run',
      answer: async ({ attempt, replyTo }) => {
        if (attempt === 1) return SILENCE;
        for (let beat = 0; beat < 6; beat++) {
          handler.connection.publish(replyTo, '{"transitioning":"yes"}');
          await sleep(500);
        }
        return {};
      },
    });
    const { processId } = await client.start('pulse.run', await client.rested('pulse'));
    expect(await client.ended(processId!)).toBe('DONE');
    const { progress } = await client.process(processId!);
    expect(progress['steps']).toMatchObject([
      { outcome: 'timeout', error: { message: expect.stringContaining('heartbeat of 1500 ms') } },
      { outcome: 'done', attempt: 2 },
    ]);
    expect(handler.cancels).toMatchObject([{ id: handler.events[0]!.id, reason: expect.stringContaining('silent') }]);
    expect(handler.events.map(({ attempt, heartbeatMillis }) => [attempt, heartbeatMillis])).toEqual([
      [1, 1_500],
      [2, 1_500],
    ]);
  });

  it("a handler's total begins when its event is taken, and ends the step however much it says", async () => {
    const { client } = cluster;
    await client.define(runnable('long', ', timeoutMillis: 20000'));
    const { handler } = await cluster.durable('long-runner', {
      processes: 'long.run',
      totalMillis: 1_500,
      attends: false,
      answer: () => SILENCE,
    });
    const id = await client.rested('long');
    const { processId } = await client.start('long.run', id);
    await client.until(id, { message: 'waiting for handler long-runner' });
    await sleep(1_600);
    await handler.attend();
    const [event] = await handler.sent(1);
    const beats = setInterval(() => handler.connection.publish(event!.replyTo, '{"transitioning":"yes"}'), 300);
    expect(await client.ended(processId!)).toBe('PARKED');
    clearInterval(beats);
    expect(await client.process(processId!)).toMatchObject({ errorCode: 'HandlerTotalTimeout' });
    await client.operate(processId!, 'cancel');
    await client.until(id, { state: 'inactive', transitioning: 'no' });
  });

  it('an event that was answered and never acknowledged is not delivered again', async () => {
    const { client } = cluster;
    await client.define(runnable('careless', ', timeoutMillis: 2000'));
    const { handler } = await cluster.durable('careless-runner', {
      processes: 'careless.run',
      timeoutMillis: 2_000,
      answer: ({ replyTo }) => {
        handler.connection.publish(replyTo, '{}');
        return SILENCE;
      },
    });
    const { processId } = await client.start('careless.run', await client.rested('careless'));
    expect(await client.ended(processId!)).toBe('DONE');
    await waitFor(async () => (await held()) === 0, { what: 'the event withdrawn' });
    await sleep(2_500);
    expect(handler.deliveries).toHaveLength(1);
  });

  it.for(['cancel', 'skip', 'force'] as const)('%s withdraws the event that nobody took', async (action) => {
    const { client } = cluster;
    const type = `void${action}`;
    await client.define(runnable(type));
    const { handler } = await cluster.durable(`${type}-runner`, { processes: `${type}.run`, attends: false });
    const id = await client.rested(type);
    const { processId } = await client.start(`${type}.run`, id);
    await client.until(id, { message: `waiting for handler ${type}-runner` });
    expect(await held()).toBe(1);
    await client.operate(processId!, action, action === 'force' ? 'inactive' : null);
    await client.until(id, { transitioning: 'no' });
    await waitFor(async () => (await held()) === 0, { what: 'the event withdrawn' });
    await handler.attend();
    await sleep(500);
    expect(handler.deliveries).toHaveLength(0);
  });

  it('a process that pre-empts one whose event nobody took does not wait for an answer; the handler hears of the cancel', async () => {
    const { client } = cluster;
    await client.define(runnable('yield'));
    const { handler } = await cluster.durable('yield-runner', { processes: 'yield.run', attends: false });
    const stopper = await cluster.handler('yield-stopper', { processes: 'yield.stop' });
    const id = await client.rested('yield');
    const { processId } = await client.start('yield.run', id);
    await client.until(id, { message: 'waiting for handler yield-runner' });
    const stop = await client.start('yield.stop', id);
    // An attempt may take 45 s: whoever waits for that runs into the hang guard.
    expect(await client.ended(stop.processId!, { timeoutMillis: 20_000 })).toBe('DONE');
    expect(stopper.events).toHaveLength(1);
    await waitFor(() => handler.cancels.length === 1, { what: 'the cancel notice' });
    expect(handler.cancels[0]).toMatchObject({ id: `1pi${processId}.1` });
  });

  it('a process that pre-empts one whose event is worked on waits for the answer', async () => {
    const { client } = cluster;
    await client.define(runnable('taken'));
    let finished = false;
    const { handler } = await cluster.durable('taken-runner', {
      processes: 'taken.run',
      answer: async () => {
        await waitFor(() => handler.cancels.length === 1, { what: 'the cancel notice' });
        await sleep(500);
        finished = true;
        return {};
      },
    });
    let before = true;
    await cluster.handler('taken-stopper', {
      processes: 'taken.stop',
      answer: () => {
        before = finished;
        return {};
      },
    });
    const id = await client.rested('taken');
    await client.start('taken.run', id);
    await handler.sent(1);
    const stop = await client.start('taken.stop', id);
    expect(await client.ended(stop.processId!)).toBe('DONE');
    expect(before).toBe(true);
  });

  it('a deactivated handler gets no more events: those that wait go on without it, and say so; activated again, it works', async () => {
    const { client } = cluster;
    await client.define(runnable('retired'));
    const { handler, resourceId } = await cluster.durable('retired-runner', {
      processes: 'retired.run',
      attends: false,
    });
    const ids = await Promise.all(Array.from({ length: 20 }, () => client.rested('retired')));
    const starts = await Promise.all(ids.map((id) => client.start('retired.run', id)));
    await Promise.all(ids.map((id) => client.until(id, { message: 'waiting for handler retired-runner' })));
    await client.start('externalhandler.deactivate', resourceId);
    for (const { processId } of starts) expect(await client.ended(processId!)).toBe('DONE');
    expect((await client.process(starts[0]!.processId!)).progress).toMatchObject({
      steps: [{ handler: 'retired-runner', outcome: 'skipped', error: { code: 'HandlerInactive' } }],
    });
    const gone = () =>
      manager.consumers.info(STREAMS.work, handlerConsumer('retired-runner')).then(
        () => false,
        () => true,
      );
    await waitFor(gone, { what: 'the consumer removed' });
    await client.start('externalhandler.activate', resourceId);
    await handler.attend();
    const { processId } = await client.start('retired.run', await client.rested('retired'));
    expect(await client.ended(processId!)).toBe('DONE');
    expect(handler.deliveries).toHaveLength(1);
  });

  it('what waits longer than waitMillis is parked, naming the handler', async () => {
    const { client } = cluster;
    await client.define(runnable('vain', ', waitMillis: 1500'));
    await cluster.durable('vain-runner', { processes: 'vain.run', attends: false });
    const { processId } = await client.start('vain.run', await client.rested('vain'));
    expect(await client.ended(processId!)).toBe('PARKED');
    expect(await client.process(processId!)).toMatchObject({
      errorCode: 'HandlerAbsent',
      errorMessage: expect.stringContaining('vain-runner'),
    });
  });
});
