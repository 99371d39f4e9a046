import { expect } from 'vitest';
import { area, scenario } from '../scenario.js';
import { atWork } from '../situations.js';
import { failed, SILENT } from '../world.js';

export const gates = area(
  'Pauses, limits and circuit breakers',
  'A gate keeps attempts from beginning: a pause of a type, a resource, a handler or the cluster, the in-flight limit of a handler, or its circuit breaker.',
  scenario(
    'a start under a pause is accepted, and held before its first attempt',
    {
      given: 'a paused type',
      when: '`run` is started, and the pause is lifted later',
      then: 'the resource is in running and says who paused it; its handler is asked only after the pause',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('a', 'run', [{}]);
      const thing = await world.create();
      const pause = await world.pause(`type/${world.type()}`, 'new disks');
      const process = await thing.act('run');
      await process.until({ status: 'held' });
      const { state, transitioning, transitioningMessage } = await thing.read();
      expect({ state, transitioning }).toEqual({ state: 'running', transitioning: 'yes' });
      expect(transitioningMessage).toMatch(/is paused by ada: new disks$/);
      expect(handler.events).toHaveLength(0);
      await pause.lift();
      expect(await process.ended()).toBe('DONE');
    },
  ),
  scenario(
    'an attempt under way may answer under a pause; the process is held before the next one',
    {
      given: 'a process whose first of two handlers works',
      when: 'the resource is paused, and the handler answers with size 5',
      then: 'the size is written, and the second handler is asked only after the pause',
    },
    async (world) => {
      await world.declare();
      const first = await world.handler('a', 'run');
      const second = await world.handler('b', 'run', [{}]);
      const { thing, process } = await world.running();
      const delivery = await first.asked();
      const pause = await world.pause(`resource/${thing.number}`);
      delivery.reply({ data: { size: 5 } });
      await process.until({ status: 'held' });
      expect(await thing.read()).toMatchObject({ state: 'running', size: 5 });
      expect(second.events).toHaveLength(0);
      await pause.lift();
      expect(await process.ended()).toBe('DONE');
    },
  ),
  scenario(
    'a process is held also before its end',
    {
      given: 'a process whose last handler works',
      when: 'its type is paused, and the handler answers',
      then: 'the resource stays in running until the pause is lifted',
    },
    async (world) => {
      const { thing, process, delivery } = await atWork(world);
      const pause = await world.pause(`type/${world.type()}`);
      delivery.reply({});
      await process.until({ status: 'held' });
      expect((await thing.read())['state']).toBe('running');
      await pause.lift();
      expect(await process.ended()).toBe('DONE');
    },
  ),
  scenario(
    'a pause of one handler holds only its attempts',
    {
      given: 'handlers a and b of one process, of which b is paused',
      when: 'the process runs',
      then: 'a is asked, b only after the pause',
    },
    async (world) => {
      await world.declare();
      const [a, b] = [await world.handler('a', 'run', [{}]), await world.handler('b', 'run', [{}])];
      const pause = await world.pause(`handler/${world.handlerName('b')}`);
      const { process } = await world.running();
      await process.until({ status: 'held' });
      expect([a.events.length, b.events.length]).toEqual([1, 0]);
      await pause.lift();
      expect(await process.ended()).toBe('DONE');
    },
  ),
  scenario(
    'a retry that comes due under a pause is held, and spends no attempt',
    {
      given: 'a process in backoff',
      when: 'its type is paused before the next attempt is due',
      then: 'the handler is asked after the pause only, as attempt 2',
    },
    async (world) => {
      await world.declare('processes: { run: { retry: { initialMillis: 1500, maxMillis: 1500 } } }');
      const handler = await world.handler('a', 'run', [failed('no'), {}]);
      const { process } = await world.running();
      await process.until({ status: 'backoff' });
      const pause = await world.pause(`type/${world.type()}`);
      await process.until({ status: 'held' });
      expect(handler.events).toHaveLength(1);
      await pause.lift();
      expect(await process.ended()).toBe('DONE');
      expect(handler.events.map(({ attempt }) => attempt)).toEqual([1, 2]);
    },
  ),
  scenario(
    'the total clock stands still under a pause',
    {
      given: 'a process with a totalMillis of 1.5 s that is held by a pause',
      when: 'the pause is lifted after two seconds',
      then: 'the process is done: the pause was no part of its life',
    },
    async (world) => {
      await world.declare('processes: { run: { totalMillis: 1500 } }');
      await world.handler('a', 'run', [{}]);
      const thing = await world.create();
      const pause = await world.pause(`type/${world.type()}`);
      const process = await thing.act('run');
      await process.until({ status: 'held' });
      await new Promise((done) => setTimeout(done, 2_000));
      await pause.lift();
      expect(await process.ended()).toBe('DONE');
    },
  ),
  scenario(
    'who is held can be cancelled, and why names the pause',
    {
      given: 'a process held by a pause of its type, set by ada with a reason',
      when: 'somebody asks why, and cancels it',
      then: 'why names scope, operator and reason, and no clock; the resource is back in inactive',
    },
    async (world) => {
      await world.declare();
      await world.handler('a', 'run', [{}]);
      const thing = await world.create();
      const pause = await world.pause(`type/${world.type()}`, 'new disks');
      const process = await thing.act('run');
      await process.until({ status: 'held' });
      expect(await thing.whyProcess()).toMatchObject({
        status: 'held',
        nextWake: null,
        gate: { kind: 'pause', scope: `type/${world.type()}`, operator: 'ada', reason: 'new disks' },
      });
      expect((await thing.why())['message']).toMatch(
        /is held by the pause of type .*, set by ada .* ago: new disks; lift it/,
      );
      await process.operate('cancel');
      expect(await process.ended()).toBe('CANCELED');
      expect((await thing.read())['state']).toBe('inactive');
      await pause.lift();
    },
  ),
  scenario(
    'a handler never has more attempts at once than its maxInFlight',
    {
      given: 'a handler registered with `maxInFlight: 2`',
      when: 'eight processes need it at once',
      then: 'it never works on more than two, and all are done',
    },
    async (world) => {
      await world.declare();
      let [now, most] = [0, 0];
      const busy = async () => {
        most = Math.max(most, ++now);
        await new Promise((done) => setTimeout(done, 30));
        now--;
        return {};
      };
      await world.handler('narrow', 'run', [busy], { maxInFlight: 2 });
      const things = await Promise.all(Array.from({ length: 8 }, () => world.create()));
      const processes = await Promise.all(things.map((thing) => thing.act('run')));
      for (const process of processes) expect(await process.ended()).toBe('DONE');
      expect(most).toBeLessThanOrEqual(2);
    },
  ),
  scenario(
    'who waits for a place says so, and why names handler and queue',
    {
      given: 'a handler with `maxInFlight: 1` at work on another resource',
      when: '`run` is started',
      then: 'the process is held, why names the limit, and it goes on when the other one has ended',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('narrow', 'run', [SILENT], { maxInFlight: 1 });
      const first = await world.running();
      const delivery = await handler.asked();
      const second = await world.running();
      await second.process.until({ status: 'held' });
      expect(await second.thing.whyProcess()).toMatchObject({
        gate: { kind: 'limit', handler: world.handlerName('narrow'), maxInFlight: 1, inFlight: 1, ahead: 0 },
      });
      const name = world.handlerName('narrow');
      await second.thing.until(({ transitioningMessage }) => String(transitioningMessage).includes(name));
      delivery.reply({});
      expect(await first.process.ended()).toBe('DONE');
      (await handler.asked(2)).reply({});
      expect(await second.process.ended()).toBe('DONE');
    },
  ),
  scenario(
    'failures in a row open the circuit: further attempts wait, and why says how long',
    {
      given: 'a handler with `circuitBreaker: {failures: 2, openMillis: 3000}` that fails twice',
      when: 'its next attempt is due',
      then: 'the process is held, and why tells the open circuit and for how long; then one attempt is let through, and it is done',
    },
    async (world) => {
      await world.declare('processes: { run: { retry: { maxAttempts: 50 } } }');
      await world.handler('shaky', 'run', [failed('no'), failed('no'), {}], {
        circuitBreaker: { failures: 2, openMillis: 3_000 },
      });
      const { thing, process } = await world.running();
      await thing.until(({ transitioningMessage }) => /circuit open/.test(String(transitioningMessage)));
      expect(await thing.whyProcess()).toMatchObject({ gate: { kind: 'circuit', failures: 2 } });
      expect((await thing.why())['message']).toMatch(/failed 2 times in a row: its circuit is open for \d+ s more/);
      expect(await process.ended()).toBe('DONE');
    },
  ),
  scenario(
    'who waits for a place can be skipped; a retry does not get past the queue',
    {
      given: 'a handler with `maxInFlight: 1` at work on another resource, and a second handler behind it',
      when: 'the held process is retried, and then its step is skipped',
      then: 'after the retry it is held still; after the skip the second handler is asked, and the first one never',
    },
    async (world) => {
      await world.declare();
      const narrow = await world.handler('a', 'run', [SILENT], { maxInFlight: 1 });
      const next = await world.handler('b', 'run', [{}]);
      const first = await world.running();
      const delivery = await narrow.asked();
      const { process } = await world.running();
      await process.until({ status: 'held' });
      await process.operate('retry');
      expect((await process.read())['status']).toBe('held');
      await process.operate('skip');
      expect(await process.ended()).toBe('DONE');
      expect(narrow.events).toHaveLength(1);
      delivery.reply({});
      expect(await first.process.ended()).toBe('DONE');
      expect(next.events).toHaveLength(2);
    },
  ),
  scenario(
    'who is held by an open circuit can be skipped; a retry waits for the circuit',
    {
      given: 'a handler with `circuitBreaker: {failures: 1, openMillis: 3600000}` that failed once',
      when: 'the held process is retried, and then its step is skipped',
      then: 'after the retry it is held still, and the handler was asked once; after the skip it is done',
    },
    async (world) => {
      await world.declare();
      const handler = await world.handler('shaky', 'run', [failed('no')], {
        circuitBreaker: { failures: 1, openMillis: 3_600_000 },
      });
      const { thing, process } = await world.running();
      await thing.until(({ transitioningMessage }) => /circuit open/.test(String(transitioningMessage)));
      await process.operate('retry');
      await process.until({ status: 'held' });
      expect(await thing.whyProcess()).toMatchObject({ gate: { kind: 'circuit' } });
      await process.operate('skip');
      expect(await process.ended()).toBe('DONE');
      expect(handler.events).toHaveLength(1);
    },
  ),
  scenario(
    'an operator does not get past a pause by a retry or a skip',
    {
      given: 'a process held by a pause of its type, with two handlers',
      when: 'it is retried, the first step is skipped, and the pause is lifted then',
      then: 'it is held after each act; after the pause only the second handler is asked',
    },
    async (world) => {
      await world.declare();
      const [a, b] = [await world.handler('a', 'run', [{}]), await world.handler('b', 'run', [{}])];
      const thing = await world.create();
      const pause = await world.pause(`type/${world.type()}`);
      const process = await thing.act('run');
      for (const act of ['retry', 'skip'] as const) {
        await process.operate(act);
        expect((await process.read())['status']).toBe('held');
      }
      await pause.lift();
      expect(await process.ended()).toBe('DONE');
      expect([a.events.length, b.events.length]).toEqual([0, 1]);
    },
  ),
  scenario(
    'the waiting clock bounds the wait for a place',
    {
      given: 'a handler with `maxInFlight: 1` at work on another resource, and a waitMillis of 1 s',
      when: 'a held process has waited that long',
      then: 'it is parked with HandlerBusy, which names the handler, and no attempt was spent',
    },
    async (world) => {
      await world.declare('processes: { run: { waitMillis: 1000 } }');
      const handler = await world.handler('narrow', 'run', [SILENT], { maxInFlight: 1 });
      const first = await world.running();
      const delivery = await handler.asked();
      const { process } = await world.running();
      expect(await process.ended()).toBe('PARKED');
      const message = expect.stringContaining(world.handlerName('narrow')) as unknown;
      expect(await process.read()).toMatchObject({ error: { code: 'HandlerBusy', message } });
      expect(handler.events).toHaveLength(1);
      delivery.reply({});
      expect(await first.process.ended()).toBe('DONE');
    },
  ),
);
