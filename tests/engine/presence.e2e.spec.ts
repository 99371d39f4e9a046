import { readFeed, type TransitionEvent } from '@drover/contracts';
import { waitFor } from '@drover/testing';
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
    expect((await client.process(processId!)).progress).toMatchObject({
      steps: [{ handler: 'orphan-runner', outcome: 'skipped', error: { code: 'HandlerInactive' } }],
    });
  });

  it.for(['core', 'durable'] as const)(
    '500 that wait for a handler (%s) say so, and all go on when it is back',
    { timeout: 240_000 },
    async (delivery) => {
      const { client } = cluster;
      const type = `mass${delivery}`;
      await client.define(runnable(type));
      const options = { processes: `${type}.run`, attends: false };
      const handler =
        delivery === 'core'
          ? await cluster.handler(`${type}-runner`, options)
          : (await cluster.durable(`${type}-runner`, options)).handler;
      const ids = await Promise.all(Array.from({ length: 500 }, () => client.rested(type)));
      const { published } = await cluster.bus.request(readFeed, { after: 0, limit: 1 });
      await Promise.all(ids.map((id) => client.start(`${type}.run`, id)));
      const guard = { timeoutMillis: 60_000 };
      for (const id of ids) await client.until(id, { message: `waiting for handler ${type}-runner` }, guard);
      const back = Date.now();
      await handler.attend();
      for (const id of ids) await client.until(id, { state: 'ran', transitioning: 'no', message: null }, guard);
      const feed = await feedSince(cluster, published, type);
      expect(feed.size).toBe(500);
      const resumed: number[] = [];
      const shown: number[] = [];
      for (const moves of feed.values()) {
        expect(moves[0]).toMatchObject({ from: 'inactive', to: 'running' });
        expect(moves[1]).toMatchObject({ from: 'running', to: 'running' });
        expect(moves.at(-1)).toMatchObject({ from: 'running', to: 'ran' });
        shown.push(moves[1]!.time - moves[0]!.time);
        resumed.push(moves.at(-1)!.time - back);
      }
      const at = (list: number[], share: number): number =>
        list.toSorted((a, b) => a - b)[Math.ceil(list.length * share) - 1]!;
      console.log(
        `${delivery}: 500 started at once; "waiting" shown after ${at(shown, 0.5)} ms (median), ${at(shown, 1)} ms (longest); ` +
          `after the handler's return the first ended after ${Math.min(...resumed)} ms, the last after ${at(resumed, 1)} ms`,
      );
      expect(new Set(handler.events.map(({ key }) => key)).size).toBe(500);
      expect(new Set(handler.events.map(({ id }) => id)).size).toBe(500);
      expect(handler.events.every(({ attempt }) => attempt === 1)).toBe(true);
      if (delivery === 'durable') expect(handler.events).toHaveLength(500);
    },
  );

  it('what was said about waiting goes when the event is heard, not when it is answered', async () => {
    const { client } = cluster;
    await client.define(runnable('mute'));
    let finish = (): void => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const handler = await cluster.handler('mute-runner', {
      processes: 'mute.run',
      attends: false,
      answer: async () => {
        await finished;
        return {};
      },
    });
    const ids = await Promise.all(Array.from({ length: 3 }, () => client.rested('mute')));
    for (const id of ids) await client.start('mute.run', id);
    for (const id of ids) await client.until(id, { message: 'waiting for handler mute-runner' });
    await handler.attend();
    for (const id of ids) await client.until(id, { transitioning: 'yes', message: null, state: 'running' });
    finish();
    for (const id of ids) await client.until(id, { state: 'ran' });
  });

  it('many that wait for a handler that is deactivated go on at once', async () => {
    const { client } = cluster;
    await client.define(runnable('stranded'));
    const { resourceId } = await cluster.register('stranded-runner', { processes: 'stranded.run', attends: false });
    const ids = await Promise.all(Array.from({ length: 100 }, () => client.rested('stranded')));
    await Promise.all(ids.map((id) => client.start('stranded.run', id)));
    await Promise.all(ids.map((id) => client.until(id, { message: 'waiting for handler stranded-runner' })));
    await client.start('externalhandler.deactivate', resourceId);
    // One a second would take 100 s.
    await Promise.all(ids.map((id) => client.until(id, { state: 'ran', message: null }, { timeoutMillis: 40_000 })));
  });

  it('a removed handler gives its uuid and its name back', async () => {
    const { client } = cluster;
    await client.define(runnable('phoenix'));
    const body = { name: 'phoenix-runner', uuid: 'phoenix-1', processConfigs: [{ name: 'phoenix.run' }] };
    const { resource } = await client.create('externalHandler', body);
    await client.until(resource.id, { state: 'active' });
    await expect(client.create('externalHandler', { ...body, name: 'other' })).rejects.toMatchObject({
      code: 'NotUnique',
    });
    await client.start('externalhandler.deactivate', resource.id);
    await client.until(resource.id, { state: 'inactive' });
    await client.start('externalhandler.remove', resource.id);
    await client.until(resource.id, { state: 'removed' });
    const again = await client.create('externalHandler', body);
    expect(again.resource).toMatchObject({ uuid: 'phoenix-1', name: 'phoenix-runner' });
    expect(again.resource.id).not.toBe(resource.id);
    await client.until(again.resource.id, { state: 'active' });
  });

  it.for(['core', 'durable'] as const)(
    'who works on another region (%s) of a resource that is removed hears of the cancel',
    async (delivery) => {
      const { client } = cluster;
      const type = `swept${delivery}`;
      await client.define(`
  name: ${type}
  stateFields: { disk: { initial: detached } }
  defaultProcesses: { exclude: [activate, deactivate] }
  final: [attached]
  processes:
    attach: { stateField: disk, start: [detached], transitioning: attaching, done: attached }`);
      const silent = () => new Promise<never>(() => undefined);
      const options = { processes: `${type}.attach`, answer: silent };
      const handler =
        delivery === 'core'
          ? await cluster.handler(`${type}-attacher`, options)
          : (await cluster.durable(`${type}-attacher`, options)).handler;
      const id = await client.rested(type);
      const { processId } = await client.start(`${type}.attach`, id);
      await handler.sent(1);
      const removal = await client.start(`${type}.remove`, id);
      expect(await client.ended(removal.processId!)).toBe('DONE');
      expect(await client.ended(processId!)).toBe('CANCELED');
      await waitFor(() => handler.cancels.length === 1, { what: 'the cancel notice' });
      expect(handler.cancels[0]).toEqual({
        id: `1pi${processId}.1`,
        key: `1pi${processId}.handle.${type}-attacher`,
        reason: 'the resource was removed',
      });
    },
  );

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

/** What the feed says about the resources of a type, oldest first, by resource; waits until the relay has caught up. */
async function feedSince(cluster: Cluster, after: number, type: string): Promise<Map<string, TransitionEvent[]>> {
  return waitFor(
    async () => {
      const byResource = new Map<string, TransitionEvent[]>();
      for (let from = after, more = true; more;) {
        const page = await cluster.bus.request(readFeed, { after: from, limit: 200 });
        for (const event of page.events) {
          from = event.sequence;
          if (event.process !== `${type}.run`) continue;
          byResource.set(event.resourceId, [...(byResource.get(event.resourceId) ?? []), event]);
        }
        more = page.more;
      }
      return [...byResource.values()].every((events) => events.at(-1)!.to === 'ran') && byResource;
    },
    { what: 'the whole feed', everyMillis: 250 },
  );
}
