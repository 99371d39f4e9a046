import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Cluster } from '../support/index.js';

const runnable = (name: string, run = ''): string => `
  name: ${name}
  defaultProcesses: { exclude: [activate, deactivate] }
  final: [ran]
  processes:
    run: { start: [inactive], transitioning: running, done: ran ${run} }`;

describe('handlers that come and go', () => {
  let cluster: Cluster;
  beforeAll(async () => void (cluster = await Cluster.start({ engines: 2 })));
  afterEach(() => cluster.client.checkInvariants());
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('without a subscriber the process says so within a second, and goes on within two of its return', async () => {
    const { client } = cluster;
    await client.define(runnable('patient'));
    const handler = await cluster.handler('patient-runner', { processes: 'patient.run', attends: false });
    const id = await cluster.client.rested('patient');
    const { processId } = await client.start('patient.run', id);
    const waiting = { transitioning: 'yes', message: 'waiting for handler patient-runner' } as const;
    await client.until(id, waiting, { timeoutMillis: 1_000 });
    expect(await client.process(processId!)).toMatchObject({
      status: 'waitingHandler',
      waitingHandler: 'patient-runner',
    });
    // Long enough for several probes: absence spends no attempt.
    await new Promise((done) => setTimeout(done, 2_500));
    expect(await client.read(id)).toMatchObject(waiting);
    await handler.attend();
    await client.until(id, { state: 'ran', transitioning: 'no', message: null }, { timeoutMillis: 2_000 });
    expect(new Set(handler.events.map((event) => event.id))).toEqual(new Set([`1pi${processId}.1`]));
    expect(handler.events[0]).toMatchObject({ attempt: 1 });
  });

  it('fifty that wait go on together, each asked for once', async () => {
    const { client } = cluster;
    await client.define(runnable('crowd'));
    const handler = await cluster.handler('crowd-runner', { processes: 'crowd.run', attends: false });
    const ids = await Promise.all(Array.from({ length: 50 }, () => cluster.client.rested('crowd')));
    await Promise.all(ids.map((id) => client.start('crowd.run', id)));
    await Promise.all(ids.map((id) => client.until(id, { message: 'waiting for handler crowd-runner' })));
    await handler.attend();
    const back = Date.now();
    await Promise.all(ids.map((id) => client.until(id, { state: 'ran' })));
    expect(Date.now() - back).toBeLessThan(3_000);
    expect(new Set(handler.events.map(({ key }) => key)).size).toBe(50);
    expect(handler.events.every(({ attempt }) => attempt === 1)).toBe(true);
  });

  it('the longest wait is bounded: then the process is parked, naming the handler', async () => {
    const { client } = cluster;
    await client.define(runnable('brief', ', waitMillis: 1500'));
    await cluster.handler('brief-runner', { processes: 'brief.run', attends: false });
    const { processId } = await client.start('brief.run', await cluster.client.rested('brief'));
    expect(await client.ended(processId!)).toBe('PARKED');
    expect(await client.process(processId!)).toMatchObject({
      errorCode: 'HandlerAbsent',
      errorMessage: expect.stringContaining('brief-runner'),
    });
  });

  it('once a handler shows active, every process scheduled later uses it, on any engine', async () => {
    const { client } = cluster;
    await client.define(runnable('joined'));
    const ids = await Promise.all(Array.from({ length: 20 }, () => cluster.client.rested('joined')));
    const handler = await cluster.handler('joined-runner', { processes: 'joined.run' });
    const starts = await Promise.all(ids.map((id) => client.start('joined.run', id)));
    await Promise.all(starts.map(({ processId }) => client.ended(processId!)));
    expect(new Set(handler.events.map(({ key }) => key)).size).toBe(20);
  });

  it('a deactivated handler gets no more events; activated again, it does', async () => {
    const { client } = cluster;
    await client.define(runnable('dropped'));
    const { handler, resourceId } = await cluster.register('dropped-runner', { processes: 'dropped.run' });
    const ids = await Promise.all(Array.from({ length: 20 }, () => cluster.client.rested('dropped')));
    const runAll = async (some: number[]): Promise<void> => {
      const starts = await Promise.all(some.map((id) => client.start('dropped.run', id)));
      await Promise.all(starts.map(({ processId }) => client.ended(processId!)));
    };
    await client.start('externalhandler.deactivate', resourceId);
    await client.until(resourceId, { state: 'inactive' });
    await runAll(ids.slice(0, 10));
    expect(handler.events).toHaveLength(0);
    await client.start('externalhandler.activate', resourceId);
    await client.until(resourceId, { state: 'active' });
    await runAll(ids.slice(10));
    expect(handler.events).toHaveLength(10);
  });

  it('a handler deactivated while it is waited for is passed over', async () => {
    const { client } = cluster;
    await client.define(runnable('orphan'));
    const { resourceId } = await cluster.register('orphan-runner', { processes: 'orphan.run', attends: false });
    const id = await cluster.client.rested('orphan');
    const { processId } = await client.start('orphan.run', id);
    await client.until(id, { message: 'waiting for handler orphan-runner' });
    await client.start('externalhandler.deactivate', resourceId);
    expect(await client.ended(processId!)).toBe('DONE');
    expect(await client.read(id)).toMatchObject({ state: 'ran', message: null });
  });

  it('two replicas of one handler share its events', async () => {
    const { client } = cluster;
    await client.define(runnable('twin'));
    const first = await cluster.handler('twin-runner', { processes: 'twin.run' });
    const second = await cluster.replica('twin-runner');
    const ids = await Promise.all(Array.from({ length: 30 }, () => cluster.client.rested('twin')));
    const starts = await Promise.all(ids.map((id) => client.start('twin.run', id)));
    await Promise.all(starts.map(({ processId }) => client.ended(processId!)));
    expect(first.events.length + second.events.length).toBe(30);
    expect(Math.min(first.events.length, second.events.length)).toBeGreaterThan(0);
  });
});
