import { setTimeout as sleep } from 'node:timers/promises';
import { listLimits, removeLimit, setLimit } from '@drover/contracts';
import { parseId } from '@drover/kernel';
import { waitFor } from '@drover/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, Cluster, never, SILENCE } from '../support/index.js';

const machine = (name: string, run = '', type = ''): string => `
  name: ${name}
  ${type}
  defaultProcesses: { exclude: [activate, deactivate] }
  final: [ran]
  processes:
    run: { start: [inactive], transitioning: running, done: ran ${run} }`;

/** Counts how many attempts are at work at once, each for a moment. */
class Counted {
  now = 0;
  most = 0;

  readonly answer: Answer = async (_event, delivery) => {
    this.most = Math.max(this.most, ++this.now);
    await sleep(5);
    this.now--;
    delivery.reply({});
    return SILENCE;
  };
}

describe('limits of concurrency', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ only: ['resource-store', 'process-engine', 'gateway'], engines: 2, stores: 2 });
  });
  afterEach(() => cluster.client.checkInvariants());
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  const rested = (type: string, count: number, account: number | null = null): Promise<number[]> =>
    Promise.all(Array.from({ length: count }, () => cluster.client.rested(type, {}, account)));

  const run = (type: string, resourceId: number) => cluster.client.start(`${type}.run`, resourceId);

  it.each([
    ['process', 'tight', ', maxConcurrent: 3', ''],
    ['type', 'narrowType', '', 'maxConcurrent: 3'],
  ])(
    'of a %s that a definition declares are never exceeded, and everything finishes',
    async (_kind, name, process, type) => {
      await cluster.client.define(machine(name, process, type));
      const counted = new Counted();
      const handler = await cluster.handler(`${name}-runner`, {
        processes: `${name}.run`.toLowerCase(),
        answer: counted.answer,
      });
      const ids = await rested(name, 60);
      await Promise.all(ids.map((id) => run(name.toLowerCase(), id)));
      await Promise.all(ids.map((id) => cluster.client.until(id, { state: 'ran' }, { timeoutMillis: 60_000 })));
      expect(counted.most).toBeLessThanOrEqual(3);
      expect(handler.events).toHaveLength(60);
    },
  );

  it('of an account hold its own processes, whatever other accounts do, and let go when they are lifted', async () => {
    const { client, bus } = cluster;
    await client.define(machine('owned'));
    const handler = await cluster.handler('owned-runner', { processes: 'owned.run', answer: never });
    const mine = await rested('owned', 6, 71);
    const others = await rested('owned', 4, 72);
    await bus.request(setLimit, { scope: 'account/71', maxConcurrent: 2, weight: 1 });
    await Promise.all(mine.map((id) => run('owned', id)));
    await Promise.all(others.map((id) => run('owned', id)));
    await handler.sent(6);
    const held = await waitFor(
      async () => (await bus.request(listLimits, { scope: 'account/71' })).limits.find(({ held }) => held === 4),
      { what: 'four that are held' },
    );
    expect(held).toMatchObject({ maxConcurrent: 2, running: 2, held: 4 });
    expect(others.every((id) => handler.eventsOf(id).length === 1)).toBe(true);
    const waiting = mine.find((id) => handler.eventsOf(id).length === 0)!;
    await client.until(waiting, { message: 'waiting: account 1a71 has its maximum of 2 at work' });
    handler.answer = () => ({});
    await bus.request(removeLimit, { scope: 'account/71' });
    for (const delivery of handler.deliveries) delivery.reply({});
    await Promise.all([...mine, ...others].map((id) => client.until(id, { state: 'ran' })));
  });

  it('let one account of two that wait for one place take no more than its turns', async () => {
    await cluster.client.define(machine('shared', ', maxConcurrent: 1'));
    const handler = await cluster.handler('shared-runner', { processes: 'shared.run' });
    const many = await rested('shared', 60, 81);
    const few = await rested('shared', 3, 82);
    await cluster.client.pause('handler/shared-runner');
    await Promise.all(many.map((id) => run('shared', id)));
    await Promise.all(few.map((id) => run('shared', id)));
    await cluster.client.lift('handler/shared-runner');
    await Promise.all(
      [...many, ...few].map((id) => cluster.client.until(id, { state: 'ran' }, { timeoutMillis: 60_000 })),
    );
    const order = handler.events.map(({ resourceId }) => parseId(resourceId)!.number);
    expect(Math.max(...few.map((id) => order.indexOf(id)))).toBeLessThan(20);
  });

  it('are set, read and removed over HTTP', async () => {
    const call = async (method: string, path: string, body?: object) => {
      const init =
        body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
      const response = await fetch(`${cluster.stack.url}${path}`, { method, ...init });
      return { status: response.status, json: (await response.json()) as Record<string, unknown> };
    };
    await cluster.client.define(machine('listed'));
    const limit = { id: 'type/listed', type: 'limit', scope: 'type/listed', maxConcurrent: 5, weight: 1 };
    const body = { scope: 'type/Listeds', maxConcurrent: 5 };
    expect(await call('POST', '/v1/limits', body)).toMatchObject({ status: 201, json: limit });
    expect(await call('POST', '/v1/limits', body)).toMatchObject({ status: 200, json: limit });
    const account = { scope: 'account/1a5', weight: 3 };
    expect(await call('POST', '/v1/limits', account)).toMatchObject({
      status: 201,
      json: { maxConcurrent: null, weight: 3 },
    });
    expect(await call('GET', '/v1/limits/type/listed')).toMatchObject({ json: { ...limit, running: 0, held: 0 } });
    expect((await call('GET', '/v1/limits')).json['data']).toMatchObject([
      { scope: 'account/1a5' },
      { scope: 'type/listed' },
    ]);
    expect(await call('DELETE', '/v1/limits/type/listed')).toMatchObject({ status: 200, json: { removed: true } });
    expect(await call('DELETE', '/v1/limits/account/1a5')).toMatchObject({ status: 200 });
    expect(await call('GET', '/v1/limits/type/listed')).toMatchObject({ status: 404, json: { code: 'NotFound' } });
    for (const [wrong, code] of [
      [{ scope: 'cluster' }, 'InvalidFormat'],
      [{ scope: 'account/5' }, 'InvalidFormat'],
      [{ scope: 'type/nothing' }, 'InvalidReference'],
      [{ scope: 'process/nothing.run' }, 'InvalidReference'],
      [{ scope: 'type/listed', weight: 2 }, 'InvalidField'],
      [{ scope: 'type/listed', maxConcurrent: 0 }, 'MinLimitExceeded'],
    ] as const)
      expect(await call('POST', '/v1/limits', wrong)).toMatchObject({ status: 422, json: { code } });
  });
});
