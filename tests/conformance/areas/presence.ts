import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { SILENCE } from '../../support/index.js';
import { area, scenario } from '../scenario.js';
import { failed } from '../world.js';

export const presence = area(
  'Presence and delivery',
  'A handler may be away. With plain delivery its processes wait, and say so; with durable delivery its events wait for it.',
  scenario(
    'without a subscriber, the resource says which handler it waits for, and no attempt is spent',
    {
      given: 'a registered handler that nobody runs',
      when: 'its process is started, and a program comes two seconds later',
      then: 'the resource said "waiting for handler <name>", and the event is attempt 1 with one id',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('away', 'run', [{}], { attends: false });
      const { thing, process } = await world.running();
      await thing.until({ transitioningMessage: `waiting for handler ${world.handlerName('away')}` });
      await sleep(1_500);
      await handler.program.attend();
      expect(await process.ended()).toBe('DONE');
      expect(new Set(handler.events.map(({ id }) => id)).size).toBe(1);
      expect(handler.events[0]!.attempt).toBe(1);
      expect((await thing.read())['transitioningMessage']).toBeNull();
    },
  ),
  scenario(
    'when the handler returns, all that waited for it goes on, each event once',
    {
      given: 'twenty processes that wait for an absent handler',
      when: 'it comes',
      then: 'all are done, with one key each',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('away', 'run', [{}], { attends: false });
      const things = await Promise.all(Array.from({ length: 20 }, () => world.create()));
      const processes = await Promise.all(things.map((thing) => thing.act('run')));
      await Promise.all(processes.map((process) => process.until({ status: 'waitingHandler' })));
      await handler.program.attend();
      await Promise.all(processes.map((process) => process.ended()));
      expect(new Set(handler.events.map(({ key }) => key)).size).toBe(20);
      expect(handler.events.every(({ attempt }) => attempt === 1)).toBe(true);
    },
  ),
  scenario(
    'replicas of a handler share its events',
    {
      given: 'two programs of one handler',
      when: 'twenty processes run',
      then: 'each event goes to one of them, and both get some',
    },
    async (world) => {
      await world.declare();
      const first = await world.handler('twin', 'run', [{}]);
      const second = await world.replica('twin', [{}]);
      await Promise.all(Array.from({ length: 20 }, async () => (await world.running()).process.ended()));
      expect(first.events.length + second.events.length).toBe(20);
      expect(Math.min(first.events.length, second.events.length)).toBeGreaterThan(0);
    },
  ),
  scenario(
    'a handler deactivated while it is waited for is passed over',
    {
      given: 'a process that waits for an absent handler',
      when: 'the handler is deactivated',
      then: 'the process goes on without it and is done',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('away', 'run', [{}], { attends: false });
      const { process } = await world.running();
      await process.until({ status: 'waitingHandler' });
      await handler.act('deactivate');
      expect(await process.ended()).toBe('DONE');
      expect(handler.events).toHaveLength(0);
    },
  ),
  scenario(
    'a deactivated handler gets no more events; activated again, it does',
    {
      given: 'an active handler',
      when: 'it is deactivated, `run` runs, it is activated, and `run` runs again',
      then: 'it was asked by the second run only',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('a', 'run', [{}]);
      await handler.act('deactivate');
      await (await world.running()).process.ended();
      expect(handler.events).toHaveLength(0);
      await handler.act('activate');
      await (await world.running()).process.ended();
      expect(handler.events).toHaveLength(1);
    },
  ),
  scenario(
    'a second active handler of one name is refused',
    {
      given: 'an active handler',
      when: 'another one of its name, with another uuid, is registered over HTTP',
      then: '409 NotUnique',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('a', 'run', [{}]);
      const registration = { name: handler.program.name, processConfigs: [{ name: world.processes('run') }] };
      expect(await world.refused(world.suite.api.post('/externalhandlers', registration))).toMatchObject({
        status: 409,
        code: 'NotUnique',
      });
    },
  ),
  scenario(
    'programs of one handler may register at the same moment, and again',
    {
      given: 'eight programs of one handler, each of which registers it with the same uuid',
      when: 'all of them ask at once over NATS, and one asks once more',
      then: 'all nine are answered with the same handler, which is active',
    },
    async (world) => {
      await world.declare();
      const register = () => world.handler('many', 'run', [{}]);
      const handlers = await Promise.all(Array.from({ length: 8 }, register));
      handlers.push(await register());
      expect(new Set(handlers.map(({ resourceId }) => resourceId)).size).toBe(1);
      const read = await world.suite.api.get(`/externalhandlers/${handlers[0]!.resourceId}`);
      expect(read).toMatchObject({ state: 'active', transitioning: 'no' });
      await (await world.running()).process.ended();
      expect(handlers.reduce((sum, { events }) => sum + events.length, 0)).toBe(1);
    },
  ),
  scenario(
    'durable: the event waits for its handler, and the attempt clock with it',
    {
      given: 'a durable handler that is away, with attempts of 600 ms and one attempt in all',
      when: 'it comes two seconds later',
      then: 'the process is done by attempt 1; meanwhile the resource said whom it waits for, and why that it is not connected and 1 event waits',
    },
    async (world) => {
      await world.declare('processes: { run: { retry: { maxAttempts: 1 }, timeoutMillis: 600 } }');
      const handler = await world.durable('away', 'run', () => ({ data: { size: 1 } }), { attends: false });
      const { thing, process } = await world.running();
      await thing.until({ transitioningMessage: `waiting for handler ${world.handlerName('away')}` });
      await sleep(1_500);
      expect(await thing.why()).toMatchObject({
        message: expect.stringContaining('which is not connected; 1 event waits for it') as string,
        processes: [{ handlerConnected: 'no', durable: { waitingPulls: 0, pending: 1, unacknowledged: 0 } }],
      });
      await handler.attend();
      expect(await process.ended()).toBe('DONE');
      expect(handler.events).toMatchObject([{ attempt: 1 }]);
      expect((await thing.read())['size']).toBe(1);
    },
  ),
  scenario(
    'durable: the attempt clock runs once the event was taken',
    {
      given:
        'a durable handler with attempts of 500 ms, which takes its first event, acknowledges it and never answers',
      when: 'the time is up',
      then: 'the first attempt ended as TIMEOUT, and the second one is done',
    },
    async (world) => {
      await world.declare('processes: { run: { timeoutMillis: 500 } }');
      await world.durable('forgetful', 'run', ({ attempt }, message) => {
        if (attempt > 1) return {};
        message.ack();
        return SILENCE;
      });
      const { process } = await world.running();
      expect(await process.ended()).toBe('DONE');
      expect((await process.steps()).map(({ outcome }) => outcome)).toEqual(['timeout', 'done']);
    },
  ),
  scenario(
    'durable: an error is tried again like any other',
    {
      given: 'a durable handler that fails once',
      when: 'its process runs',
      then: 'the process is done by the second attempt, with the same key',
    },
    async (world) => {
      await world.declare();
      const handler = await world.durable('flaky', 'run', ({ attempt }) => (attempt === 1 ? failed('no') : {}));
      const { process } = await world.running();
      expect(await process.ended()).toBe('DONE');
      expect(handler.events.map(({ attempt }) => attempt)).toEqual([1, 2]);
      expect(new Set(handler.events.map(({ key }) => key)).size).toBe(1);
    },
  ),
  scenario(
    'durable: the event of a cancelled process that nobody took is taken back',
    {
      given: 'a process whose durable handler is away',
      when: 'it is cancelled, and the handler comes then',
      then: 'the process ended CANCELED, and the handler gets nothing',
    },
    async (world) => {
      await world.declare();
      const handler = await world.durable('away', 'run', () => ({}), { attends: false });
      const { thing, process } = await world.running();
      await process.until({ status: 'waitingHandler' });
      await process.operate('cancel');
      expect(await process.ended()).toBe('CANCELED');
      expect((await thing.read())['state']).toBe('inactive');
      await handler.attend();
      await (await world.running()).process.ended();
      expect(new Set(handler.events.map(({ processId }) => processId))).not.toContain(process.id);
    },
  ),
);
