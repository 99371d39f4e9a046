import { setTimeout as sleep } from 'node:timers/promises';
import { readGate } from '@drover/contracts';
import { waitFor } from '@drover/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, Cluster, inTurn, never, SILENCE } from '../support/index.js';

const machine = (name: string, run = ''): string => `
  name: ${name}
  fields: { size: { type: int, nullable: true } }
  defaultProcesses: { exclude: [activate, deactivate] }
  final: [ran]
  processes:
    run: { start: [inactive], transitioning: running, done: ran ${run} }
    again: { start: [ran], transitioning: rerunning, done: inactive }`;

/** Retries at once, so that a test need not wait. */
const EAGER = ', retry: { maxAttempts: 50, initialMillis: 20, maxMillis: 20, jitter: 0 }';

/** Counts how many attempts are at work at once, each for a moment. */
class Counted {
  now = 0;
  most = 0;

  constructor(private readonly millis: number) {}

  readonly answer: Answer = async (_event, delivery) => {
    this.most = Math.max(this.most, ++this.now);
    await sleep(this.millis);
    this.now--;
    delivery.reply({});
    return SILENCE;
  };
}

describe('gates', () => {
  let cluster: Cluster;
  beforeAll(async () => void (cluster = await Cluster.start({ engines: 2, stores: 2 })));
  afterEach(() => cluster.client.checkInvariants());
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  const rested = (type: string, count: number): Promise<number[]> =>
    Promise.all(Array.from({ length: count }, () => cluster.client.rested(type)));

  it('a handler that works on three at most never sees more, and all of 200 starts finish', async () => {
    const { client } = cluster;
    await client.define(machine('narrow'));
    const counted = new Counted(5);
    const handler = await cluster.handler('narrow-runner', {
      processes: 'narrow.run',
      answer: counted.answer,
      maxInFlight: 3,
    });
    const ids = await rested('narrow', 200);
    const starts = await Promise.all(ids.map((id) => client.start('narrow.run', id)));
    await Promise.all(starts.map(({ processId }) => client.ended(processId!, { timeoutMillis: 60_000 })));
    expect(counted.most).toBeLessThanOrEqual(3);
    expect(handler.events).toHaveLength(200);
    expect(new Set(handler.events.map(({ key }) => key)).size).toBe(200);
    expect(await client.bus.request(readGate, { handler: 'narrow-runner' })).toMatchObject({ inFlight: 0, held: 0 });
  });

  it('who waits for a place says so, and an operator may cancel it', async () => {
    const { client } = cluster;
    await client.define(machine('full'));
    const handler = await cluster.handler('full-runner', { processes: 'full.run', answer: never, maxInFlight: 1 });
    const [first, second, third] = (await rested('full', 3)) as [number, number, number];
    await client.start('full.run', first);
    await handler.sent(1);
    const { processId } = await client.start('full.run', second);
    await client.start('full.run', third);
    await client.until(second, { message: 'waiting: handler full-runner works on its maximum of 1' });
    expect(await client.process(processId!)).toMatchObject({ status: 'held', heldBy: 'limit/full-runner' });
    await client.operate(processId!, 'cancel');
    expect(await client.read(second)).toMatchObject({ state: 'inactive', message: null });
    handler.deliveries[0]!.reply({});
    await handler.sent(2);
    expect(handler.eventsOf(third)).toHaveLength(1);
    expect(handler.events).toHaveLength(2);
  });

  it('a limit that is raised, or taken away, lets go who waited for it', async () => {
    const { client } = cluster;
    await client.define(machine('widened'));
    const { handler, resourceId } = await cluster.register('widened-runner', {
      processes: 'widened.run',
      answer: never,
      maxInFlight: 1,
    });
    const ids = await rested('widened', 30);
    await Promise.all(ids.map((id) => client.start('widened.run', id)));
    await handler.sent(1);
    await client.update('externalHandler', resourceId, { maxInFlight: 5 });
    await handler.sent(5);
    await client.update('externalHandler', resourceId, { maxInFlight: null });
    for (const delivery of handler.deliveries) delivery.reply({});
    handler.answer = () => ({});
    await Promise.all(ids.map((id) => client.until(id, { state: 'ran' })));
  });

  it('a circuit opens after failures in a row, tries one attempt when its time is over, and closes when that succeeds', async () => {
    const { client } = cluster;
    await client.define(machine('broken', EAGER));
    let works = false;
    const handler = await cluster.handler('broken-runner', {
      processes: 'broken.run',
      answer: () => (works ? {} : { transitioning: 'error', transitioningMessage: 'no disk' }),
      circuitBreaker: { failures: 5, openMillis: 1_500 },
    });
    const [first, ...others] = (await rested('broken', 10)) as [number, ...number[]];
    await client.start('broken.run', first);
    await handler.sent(5);
    const gate = () => client.bus.request(readGate, { handler: 'broken-runner' });
    await waitFor(async () => (await gate()).circuit === 'open', { what: 'an open circuit' });
    await Promise.all(others.map((id) => client.start('broken.run', id)));
    const said = 'handler broken-runner: circuit open after 5 failures';
    await Promise.all([first, ...others].map((id) => client.until(id, { message: said })));
    const before = handler.events.length;
    expect(before).toBe(5);
    // Half open: one attempt, which fails, and it is open again.
    await handler.sent(6);
    await waitFor(async () => (await gate()).failures === 6, { what: 'the sixth failure' });
    expect(await gate()).toMatchObject({ circuit: 'open', inFlight: 0 });
    expect(handler.events).toHaveLength(6);
    works = true;
    await Promise.all([first, ...others].map((id) => client.until(id, { state: 'ran' })));
    expect(await gate()).toMatchObject({ circuit: 'closed', failures: 0 });
    expect(handler.events).toHaveLength(6 + 10);
  });

  it('a paused handler gets nothing, whatever comes due, and goes on where it was', async () => {
    const { client } = cluster;
    await client.define(machine('stopped', EAGER));
    const handler = await cluster.handler('stopped-runner', {
      processes: 'stopped.run',
      answer: inTurn(
        () => ({ transitioning: 'error', transitioningMessage: 'once' }),
        () => ({}),
      ),
    });
    const id = await client.rested('stopped');
    await client.pause('handler/stopped-runner', 'maintenance');
    const { processId } = await client.start('stopped.run', id);
    const message = 'held: handler stopped-runner is paused by ada: maintenance';
    expect(await client.read(id)).toMatchObject({ state: 'running', transitioning: 'yes', message });
    await sleep(700);
    expect(handler.events).toEqual([]);
    await client.lift('handler/stopped-runner');
    expect(await client.ended(processId!)).toBe('DONE');
    expect(handler.events.map(({ attempt }) => attempt)).toEqual([1, 2]);
  });

  it('a paused resource and a paused type hold only what is theirs', async () => {
    const { client } = cluster;
    await client.define(machine('some'));
    await client.define(machine('other'));
    const [one, two] = (await rested('some', 2)) as [number, number];
    const [else_] = (await rested('other', 1)) as [number];
    await client.pause(`resource/${one}`);
    for (const id of [one, two]) await client.start('some.run', id);
    await client.until(two, { state: 'ran' });
    expect(await client.read(one)).toMatchObject({ state: 'running', message: `held: some 1s${one} is paused by ada` });
    await client.pause('type/some');
    await client.start('some.again', two);
    await client.start('other.run', else_);
    await client.until(else_, { state: 'ran' });
    await client.lift(`resource/${one}`);
    // The wider pause takes over.
    await client.until(one, { message: 'held: type some is paused by ada' });
    await client.lift('type/some');
    await client.until(one, { state: 'ran' });
    await client.until(two, { state: 'inactive' });
  });

  it('a cluster pause under load: nothing begins while it is set, answers are taken, and all finish after it', async () => {
    const { client } = cluster;
    await client.define(machine('loaded'));
    const handler = await cluster.handler('loaded-runner', {
      processes: 'loaded.run',
      answer: async (_event, delivery) => {
        await sleep(30);
        delivery.reply({ data: { size: 1 } });
        return SILENCE;
      },
    });
    const ids = await rested('loaded', 100);
    const starting = Promise.all(
      ids.map(async (id, i) => {
        await sleep(3 * i);
        return client.start('loaded.run', id);
      }),
    );
    await handler.sent(20);
    await client.pause('cluster', 'load');
    // What was committed before the pause is on its way to the handler.
    await sleep(100);
    const sent = handler.events.length;
    const starts = await starting;
    await sleep(600);
    expect(handler.events).toHaveLength(sent);
    const held = await Promise.all(ids.map((id) => client.read(id)));
    expect(held.filter(({ state }) => state === 'ran').length).toBeLessThan(100);
    const waiting = held.filter(({ message }) => message === 'held: the cluster is paused by ada: load');
    expect(waiting.length).toBe(100 - held.filter(({ state }) => state === 'ran').length);
    // Those whose answer came under the pause have its data, and are held before their end.
    expect(waiting.some(({ data }) => data['size'] === 1)).toBe(true);
    // The product's own work goes on: a handler can be registered.
    await cluster.handler('late-runner', { processes: 'other.again' });
    await client.lift('cluster');
    await Promise.all(starts.map(({ processId }) => client.ended(processId!, { timeoutMillis: 30_000 })));
    expect(new Set(handler.events.map(({ id }) => id)).size).toBe(100);
    expect(handler.events).toHaveLength(100);
  });

  it('a pause and the places of a limit survive engines that are killed', async () => {
    const { client, stack } = cluster;
    await client.define(machine('durable', ', timeoutMillis: 60000'));
    const counted = new Counted(20);
    const handler = await cluster.handler('durable-runner', {
      processes: 'durable.run',
      answer: counted.answer,
      maxInFlight: 2,
    });
    const ids = await rested('durable', 40);
    await client.pause('type/durable', 'crash');
    const starts = await Promise.all(ids.map((id) => client.start('durable.run', id)));
    const kill = () => Promise.all([stack.kill('process-engine'), stack.kill('process-engine-2')]);
    const restart = () => Promise.all([stack.restart('process-engine'), stack.restart('process-engine-2')]);
    await kill();
    await restart();
    await sleep(500);
    expect(handler.events).toEqual([]);
    expect(await client.read(ids[0]!)).toMatchObject({ message: 'held: type durable is paused by ada: crash' });
    await client.lift('type/durable');
    await handler.sent(6);
    await kill();
    await restart();
    await Promise.all(ids.map((id) => client.until(id, { state: 'ran' }, { timeoutMillis: 60_000 })));
    expect(starts).toHaveLength(40);
    // An attempt that was under way is sent again with its id: the handler may see it twice, but no further one.
    expect(new Set(handler.events.map(({ key }) => key)).size).toBe(40);
    expect(new Set(handler.events.map(({ id }) => id)).size).toBe(40);
    await waitFor(async () => (await client.bus.request(readGate, { handler: 'durable-runner' })).inFlight === 0, {
      what: 'no place taken',
    });
  });
});
