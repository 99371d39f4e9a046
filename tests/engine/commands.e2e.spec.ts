import { uuidv7 } from '@drover/kernel';
import { randomUUID } from 'node:crypto';
import {
  createResource,
  listBuiltinHandlers,
  operateProcess,
  readSummary,
  startProcess,
  updateResource,
} from '@drover/contracts';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Cluster, never } from '../support/index.js';

const thing = (name: string): string => `
  name: ${name}
  fields:
    size: { type: int, min: 1, nullable: true, update: true }
    must: { type: string, nullable: true, update: true }`;

describe('commands to the engine', () => {
  let cluster: Cluster;
  beforeAll(async () => void (cluster = await Cluster.start({ engines: 2 })));
  afterEach(() => cluster.client.checkInvariants());
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('a create repeated with its command id answers as the first time and makes nothing new', async () => {
    const { client } = cluster;
    await client.define(thing('repeated'));
    const commandId = randomUUID();
    const answers = await Promise.all([1, 2, 3, 4].map(() => client.create('repeated', { size: 1 }, commandId)));
    const [first] = answers;
    for (const { resource, processId } of answers) {
      expect([resource.id, processId]).toEqual([first!.resource.id, first!.processId]);
    }
    await client.ended(first!.processId!);
    const later = await client.create('repeated', { size: 1 }, commandId);
    expect([later.resource.id, later.processId]).toEqual([first!.resource.id, first!.processId]);
    expect(await client.processesOf(first!.resource.id)).toHaveLength(1);
  });

  it('a start repeated with its command id runs once, even after its end', async () => {
    const { client } = cluster;
    await client.define(thing('rerun'));
    const handler = await cluster.handler('rerun-driver', { processes: 'rerun.activate' });
    const id = await cluster.client.rested('rerun');
    const commandId = randomUUID();
    const answers = await Promise.all([1, 2, 3].map(() => client.start('rerun.activate', id, {}, commandId)));
    expect(new Set(answers.map(({ processId }) => processId)).size).toBe(1);
    await client.until(id, { state: 'active' });
    expect((await client.start('rerun.activate', id, {}, commandId)).processId).toBe(answers[0]!.processId);
    expect(handler.events).toHaveLength(1);
  });

  it('a start that is answered at its end gets one answer; what is refused or repeated is answered at once', async () => {
    const { client, bus } = cluster;
    await client.define(thing('awaited'));
    const handler = await cluster.handler('awaited-driver', { processes: 'awaited.activate' });
    const id = await client.rested('awaited');
    const heard: Record<string, unknown>[] = [];
    const notify = `drover.notify.awaited.${randomUUID()}`;
    const subscription = bus.connection.subscribe(notify, {
      callback: (_error, message) => void heard.push(message.json()),
    });
    const commandId = randomUUID();
    const ask = (over: object = {}): void => {
      const body = { commandId, commandHash: null, notify, process: 'awaited.activate', resourceId: id, data: {} };
      bus.connection.publish(startProcess.subject, JSON.stringify({ ...body, answer: 'atEnd', ...over }), {
        reply: notify,
      });
    };
    const nth = (n: number) => vi.waitUntil(() => heard[n - 1], 10_000);

    ask();
    expect(await nth(1)).toMatchObject({ resourceId: id, exitReason: 'DONE', resource: { state: 'active' } });
    const { processId } = heard[0]!;
    ask();
    expect(await nth(2)).toMatchObject({ processId, resource: { id, state: 'active' } });
    ask({ commandId: null });
    expect(await nth(3)).toMatchObject({ code: 'ActionNotAvailable' });
    ask({ notify: null });
    expect(await nth(4)).toMatchObject({ code: 'InvalidBodyContent', fieldName: 'notify' });
    ask({ answer: 'soon' });
    expect(await nth(5)).toMatchObject({ code: 'InvalidBodyContent', fieldName: 'answer' });
    expect(heard).toHaveLength(5);
    expect(handler.events).toHaveLength(1);
    subscription.unsubscribe();
  });

  it('a command id with another body is refused', async () => {
    const { client, bus } = cluster;
    await client.define(thing('mixed'));
    const commandId = randomUUID();
    const request = { commandId, notify: null, type: 'mixed', body: {}, accountId: null };
    await bus.request(createResource, { ...request, commandHash: 'one' });
    await expect(bus.request(createResource, { ...request, commandHash: 'two' })).rejects.toMatchObject({
      code: 'IdempotencyKeyReused',
    });
  });

  it('a process from the wrong state is refused, naming the state and what is legal', async () => {
    const { client } = cluster;
    await client.define(thing('settled'));
    const id = await cluster.client.rested('settled');
    const before = await client.read(id);
    await expect(client.start('settled.deactivate', id)).rejects.toMatchObject({
      code: 'ActionNotAvailable',
      message: expect.stringMatching(/inactive.*activate/s),
      extra: { detail: { state: 'inactive', actions: expect.arrayContaining(['activate', 'remove', 'update']) } },
    });
    expect(await client.read(id)).toEqual(before);
  });

  it('a process that runs already is refused, and so is one in its done state', async () => {
    const { client } = cluster;
    await client.define(thing('running'));
    await cluster.handler('running-driver', { processes: 'running.activate', answer: never });
    const id = await cluster.client.rested('running');
    const { processId } = await client.start('running.activate', id);
    await expect(client.start('running.activate', id)).rejects.toMatchObject({ code: 'ActionNotAvailable' });
    await client.operate(processId!, 'force', 'active');
    await expect(client.start('running.activate', id)).rejects.toMatchObject({ code: 'ActionNotAvailable' });
  });

  it('of twenty starts at the same moment one wins', async () => {
    const { client } = cluster;
    await client.define(thing('contested'));
    const handler = await cluster.handler('contested-driver', { processes: 'contested.activate' });
    const id = await cluster.client.rested('contested');
    const answers = await Promise.allSettled(Array.from({ length: 20 }, () => client.start('contested.activate', id)));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const answer of answers)
      if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'ActionNotAvailable' });
    await client.until(id, { state: 'active' });
    expect(handler.events).toHaveLength(1);
  });

  it('an update writes what changed and runs update; an unchanged one starts nothing; an old revision is refused', async () => {
    const { client } = cluster;
    await client.define(thing('edited'));
    const id = await cluster.client.rested('edited');
    const changed = await client.update('edited', id, { size: 3 });
    expect(changed.resource).toMatchObject({ state: 'updating-inactive', data: { size: 3 } });
    expect(await client.ended(changed.processId!)).toBe('DONE');
    const { revision } = await client.until(id, { state: 'inactive' });
    expect(await client.update('edited', id, { size: 3 })).toMatchObject({ processId: null, resource: { revision } });
    await expect(client.update('edited', id, { size: 4 }, revision - 1)).rejects.toMatchObject({
      code: 'RevisionMismatch',
    });
    // Its own success moves the revision on: a repeat of the same command is answered as the first time.
    const commandId = uuidv7();
    const guarded = await client.update('edited', id, { size: 5 }, revision, commandId);
    await client.ended(guarded.processId!);
    const repeated = await client.update('edited', id, { size: 5 }, revision, commandId);
    expect(repeated).toMatchObject({ processId: guarded.processId, resource: { data: { size: 5 } } });
  });

  it('what does not exist is NotFound, TypeUnknown or ProcessUnknown', async () => {
    const { client } = cluster;
    await client.define(thing('known'));
    const id = await cluster.client.rested('known');
    await expect(client.create('unheard')).rejects.toMatchObject({ code: 'TypeUnknown' });
    await expect(client.start('known.fly', id)).rejects.toMatchObject({ code: 'ProcessUnknown' });
    await expect(client.start('known.activate', 987_654_321)).rejects.toMatchObject({ code: 'NotFound' });
    await expect(client.update('known', 987_654_321, { size: 1 })).rejects.toMatchObject({ code: 'NotFound' });
    // A process of another type does not run on this resource.
    await client.define(thing('other'));
    await expect(client.start('other.activate', id)).rejects.toMatchObject({ code: 'NotFound' });
  });

  describe('garbage', () => {
    const ours = { commandId: null, commandHash: null, notify: null };
    const nested = `${'['.repeat(5_000)}${']'.repeat(5_000)}`;
    const unreadable = ['', 'garbage', '{"a":', nested, '\u0000\u0001'];
    const senseless: unknown[] = [
      null,
      42,
      'text',
      [],
      {},
      { ...ours, type: 5, body: {}, accountId: null },
      { ...ours, type: 'refuse', body: [], accountId: null },
      { ...ours, type: 'refuse', body: { state: 'active' }, accountId: null },
      { ...ours, type: 'refuse', body: { size: 'x' }, accountId: null },
      { ...ours, type: 'refuse', body: { uuid: 7 }, accountId: null },
      { ...ours, type: 'refuse', body: {}, accountId: 'me' },
      { ...ours, type: 'refuse', body: { name: 'x' }, accountId: null, commandId: 'not a uuid' },
      { ...ours, type: 'refuse', body: { name: 'x' }, accountId: null, commandId: 5 },
      { ...ours, type: 'refuse', body: { name: 'x' }, accountId: null, commandHash: { a: 1 } },
      { ...ours, type: 'refuse', body: { name: 'x' }, accountId: null, notify: { a: 1 } },
      { ...ours, type: 'refuse', body: { name: 'x' }, accountId: null, notify: 'drover.engine.process.start' },
      { ...ours, process: 'refuse.activate', resourceId: 'one', data: {} },
      { ...ours, process: 'refuse.activate', resourceId: -1, data: {} },
      { ...ours, process: 'refuse.activate', resourceId: 1e300, data: {} },
      { ...ours, process: 'refuse.activate', resourceId: 1, data: 'x' },
      { ...ours, process: { toString: 1 }, resourceId: 1, data: {} },
      { ...ours, process: '__proto__', resourceId: 1, data: {} },
      { ...ours, process: 'refuse.__proto__', resourceId: 1, data: {} },
      { ...ours, process: 'refuse.constructor', resourceId: 1, data: {} },
      { ...ours, processId: 'x', action: 'cancel', state: null, operator: null },
      { ...ours, processId: 1, action: 'explode', state: null, operator: null },
      { ...ours, type: 'refuse', resourceId: 1, body: null, expectRevision: 'x' },
      { ...ours, type: 'constructor', body: {}, accountId: null },
      { ...ours, type: '__proto__', resourceId: 1, body: {}, expectRevision: null },
    ];
    const contracts = [createResource, updateResource, startProcess, operateProcess];

    async function codeOf(subject: string, body: string): Promise<string> {
      const answer = await cluster.bus.connection.request(subject, body, { timeout: 5_000 });
      return answer.headers?.get('Drover-Error') || `none: ${answer.string().slice(0, 200)}`;
    }

    it.for(contracts.map(({ subject }) => subject))('on %s changes nothing and gets a clear error', async (subject) => {
      const { client, bus } = cluster;
      await client.define(thing('refuse'));
      const before = await bus.request(readSummary, {});
      const codes = await Promise.all([
        ...unreadable.map(async (body) => ({ body: body.slice(0, 40), code: await codeOf(subject, body) })),
        ...senseless.map(async (body) => ({ body, code: await codeOf(subject, JSON.stringify(body)) })),
      ]);
      expect(codes.filter(({ code }) => code.startsWith('none') || code === 'Internal')).toEqual([]);
      expect(await bus.request(readSummary, {})).toEqual(before);
    });

    it('that is no command is counted', async () => {
      const counts = async (): Promise<number> =>
        (await cluster.metric('drover_engine_requests_garbage')) +
        (await cluster.metric('drover_engine_requests_garbage', 'process-engine-2'));
      const before = await counts();
      for (let i = 0; i < 6; i++) await codeOf(startProcess.subject, i % 2 === 0 ? 'garbage' : '[]');
      expect(await counts()).toBe(before + 6);
    });

    it('on a subject that takes no arguments is not minded', async () => {
      await expect(cluster.bus.request(listBuiltinHandlers, { any: 'thing' } as never)).resolves.toEqual({
        handlers: [],
      });
    });
  });
});
