import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, late, never } from '../support/index.js';

/** A thing with one process besides create: `run`, from inactive to ran. */
const runnable = (name: string): string => `
  name: ${name}
  fields:
    seen: { type: array, nullable: true }
    notes: { type: map, nullable: true }
    size: { type: int, min: 1, nullable: true }
  defaultProcesses: { exclude: [activate, deactivate] }
  final: [ran]
  processes:
    run: { start: [inactive], transitioning: running, done: ran }`;

describe('the steps of a process', () => {
  let cluster: Cluster;
  beforeAll(async () => void (cluster = await Cluster.start()));
  afterEach(() => cluster.client.checkInvariants());
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('a process without a handler moves the resource to done, with a revision and a row for each state', async () => {
    const { client } = cluster;
    await client.define(runnable('bare'));
    const created = await client.create('bare', { name: 'first' });
    expect(created.resource).toMatchObject({ state: 'registering', transitioning: 'yes', name: 'first', revision: 1 });
    expect(await client.ended(created.processId!)).toBe('DONE');
    expect(await client.read(created.resource.id)).toMatchObject({
      state: 'inactive',
      transitioning: 'no',
      message: null,
      revision: 2,
    });
    expect(await client.moves(created.resource.id)).toEqual(['requested>registering', 'registering>inactive']);
    expect(await client.process(created.processId!)).toMatchObject({
      live: false,
      exitReason: 'DONE',
      name: 'bare.create',
    });
  });

  it('an external handler is asked once, sees the resource, and its data is on the resource when it is done', async () => {
    const { client } = cluster;
    await client.define(runnable('single'));
    const handler = await cluster.handler('single-runner', {
      processes: 'single.run',
      answer: () => ({ data: { size: 7, '+notes': { by: 'single-runner' }, name: 'renamed' } }),
    });
    const id = await cluster.client.rested('single');
    const { processId, resource } = await client.start('single.run', id, { how: 'fast' });
    expect(resource).toMatchObject({ state: 'running', transitioning: 'yes' });
    expect(await client.ended(processId!)).toBe('DONE');
    expect(await client.read(id)).toMatchObject({
      state: 'ran',
      transitioning: 'no',
      name: 'renamed',
      data: { size: 7, notes: { by: 'single-runner' } },
    });
    expect(handler.events).toEqual([
      {
        id: `1pi${processId}.1`,
        key: `1pi${processId}.handle.single-runner`,
        name: 'single.run;handler=single-runner',
        replyTo: expect.stringMatching(/^drover\.reply\./),
        time: expect.any(Number),
        timeoutMillis: expect.any(Number),
        resourceType: 'single',
        resourceId: `1s${id}`,
        process: 'single.run',
        phase: 'handle',
        processId: `1pi${processId}`,
        step: 1,
        attempt: 1,
        resource: expect.objectContaining({ id: `1s${id}`, state: 'running', type: 'single' }),
        data: { how: 'fast' },
        context: expect.any(Object),
      },
    ]);
    expect(handler.deliveries[0]!.message.reply).toBe(handler.events[0]!.replyTo);
  });

  it('handlers are asked one after the other: by phase, then priority, then name; each sees what came before', async () => {
    const { client } = cluster;
    await client.define(runnable('queue'));
    const order: string[] = [];
    const asked = (name: string, processes: string, priority: number) =>
      cluster.handler(name, {
        processes,
        priority,
        answer: (event) => {
          order.push(name);
          const seen = (event.resource['seen'] as string[] | null) ?? [];
          return { data: { seen: [...seen, name] } };
        },
      });
    await asked('q-post', 'post.queue.run', 1);
    await asked('q-default', 'queue.*', 2000);
    await asked('q-b', 'queue.run', 1000);
    await asked('q-a', '*.run', 1000);
    await asked('q-early', 'queue.run', 500);
    await asked('q-pre', 'pre.queue.run', 9000);
    const id = await cluster.client.rested('queue');
    order.length = 0;
    const { processId } = await client.start('queue.run', id);
    expect(await client.ended(processId!)).toBe('DONE');
    const expected = ['q-pre', 'q-early', 'q-a', 'q-b', 'q-default', 'q-post'];
    expect(order).toEqual(expected);
    expect((await client.read(id)).data['seen']).toEqual(['q-default', ...expected]);
    const { progress } = await client.process(processId!);
    expect(progress['steps']).toMatchObject(expected.map((handler) => ({ handler, outcome: 'done', attempt: 1 })));
  });

  it('shouldContinue false ends the handlers of that phase, and of that phase only', async () => {
    const { client } = cluster;
    await client.define(runnable('ending'));
    const first = await cluster.handler('e-1', { processes: 'ending.run', answer: () => ({ shouldContinue: false }) });
    const second = await cluster.handler('e-2', { processes: 'ending.run', priority: 2000 });
    const after = await cluster.handler('e-3', { processes: 'post.ending.run' });
    const { processId } = await client.start('ending.run', await cluster.client.rested('ending'));
    expect(await client.ended(processId!)).toBe('DONE');
    expect([first, second, after].map((handler) => handler.events.length)).toEqual([1, 0, 1]);
  });

  it('progress shows on the resource and keeps the deadline away', async () => {
    const { client } = cluster;
    await client.define(runnable('slow'));
    const handler = await cluster.handler('slow-runner', {
      processes: 'slow.run',
      timeoutMillis: 1_500,
      answer: async (event, delivery) => {
        for (const percent of [20, 40, 60, 80]) {
          delivery.reply({
            transitioning: 'yes',
            transitioningMessage: `at ${percent}`,
            transitioningProgress: percent,
            data: { '+notes': { [`p${percent}`]: true } },
          });
          await late(700)(event, delivery);
        }
        return { data: { size: 1 } };
      },
    });
    const id = await cluster.client.rested('slow');
    const { processId } = await client.start('slow.run', id);
    const shown = await client.until(id, (resource) => (resource.progress ?? 0) >= 40);
    expect(shown).toMatchObject({ state: 'running', transitioning: 'yes', message: `at ${shown.progress}` });
    expect(await client.ended(processId!)).toBe('DONE');
    expect(handler.events.map(({ attempt }) => attempt)).toEqual([1]);
    expect(await client.read(id)).toMatchObject({ state: 'ran', progress: null, message: null });
  });

  it('delayMillis asks the same handler again later, without spending an attempt', async () => {
    const { client } = cluster;
    await client.define(runnable('later'));
    const handler = await cluster.handler('later-runner', {
      processes: 'later.run',
      retries: 1,
      answer: () => (handler.events.length < 3 ? { delayMillis: 300, data: { size: handler.events.length } } : {}),
    });
    const id = await cluster.client.rested('later');
    const started = Date.now();
    const { processId } = await client.start('later.run', id);
    expect(await client.ended(processId!)).toBe('DONE');
    expect(Date.now() - started).toBeGreaterThanOrEqual(600);
    expect(handler.events.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
    expect(new Set(handler.events.map(({ key }) => key)).size).toBe(1);
    expect(new Set(handler.events.map((event) => event.id)).size).toBe(3);
    expect((await client.read(id)).data['size']).toBe(2);
  });

  it('an engine that restarts while a handler works asks it nothing anew and takes its answer', async () => {
    const { client, stack } = cluster;
    await client.define(runnable('steady'));
    const handler = await cluster.handler('steady-runner', { processes: 'steady.run', answer: never });
    const id = await cluster.client.rested('steady');
    const { processId } = await client.start('steady.run', id);
    await handler.sent(1);
    await stack.restart('process-engine');
    handler.deliveries[0]!.reply({ data: { size: 3 } });
    await client.until(id, { state: 'ran' });
    expect((await client.read(id)).data['size']).toBe(3);
    expect(new Set(handler.events.map((event) => event.id)).size).toBe(1);
    expect(await client.process(processId!)).toMatchObject({ exitReason: 'DONE' });
  });
});
