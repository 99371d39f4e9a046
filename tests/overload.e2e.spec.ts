import { createResource, listProcesses } from '@drover/contracts';
import { DroverError, parseId } from '@drover/kernel';
import { connectNats, MessageBus } from '@drover/messaging';
import { waitFor } from '@drover/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster } from './support/index.js';

const QUEUE = 60;

describe('overload', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({
      only: ['resource-store', 'process-engine', 'gateway'],
      env: { DROVER_INTAKE_QUEUE: String(QUEUE), DROVER_INTAKE_DRIVEN: '4', DROVER_INTAKE_MAX_WAIT_MILLIS: '250' },
    });
    await cluster.client.define('name: parcel\nfields: { n: { type: int, nullable: true } }');
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  const post = (account?: string): Promise<Response> =>
    fetch(`${cluster.stack.url}/v1/parcels`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(account === undefined ? {} : { 'x-api-project-id': account }),
      },
      body: '{"n":1}',
    });

  const create = (account: number | null, bus = cluster.bus) =>
    bus.request(createResource, {
      commandId: null,
      commandHash: null,
      notify: null,
      account,
      type: 'parcel',
      body: {},
      accountId: null,
    });

  it('is refused with Retry-After, within bounds; what was accepted is done, and then all is as before', async () => {
    // The first requests of a program are slow, and would be late instead of refused.
    for (let i = 0; i < 20; i++) await post();
    let most = 0;
    let over = false;
    const sampling = (async () => {
      while (!over) most = Math.max(most, await cluster.metric('drover_engine_intake_waiting').catch(() => 0));
    })();
    const answers = await Promise.all(Array.from({ length: 800 }, () => post()));
    over = true;
    await sampling;
    const accepted = answers.filter(({ status }) => status === 201);
    const refused = answers.filter(({ status }) => status !== 201);
    expect(accepted.length).toBeGreaterThan(QUEUE / 2);
    expect(refused.length).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(QUEUE);
    for (const answer of refused) {
      expect(answer.status).toBe(503);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(30);
    }
    // On a machine that does something else as well, a few may be late: their outcome is unknown.
    const codes = await Promise.all(refused.map(async (answer) => ((await answer.json()) as { code: string }).code));
    expect(codes.filter((code) => code === 'Overloaded').length).toBeGreaterThan(codes.length / 2);
    expect(codes.filter((code) => code !== 'Overloaded' && code !== 'Unavailable')).toEqual([]);
    const waits = new Set(refused.map(({ headers }) => headers.get('retry-after')));
    expect(waits.size).toBeGreaterThan(1);
    for (const answer of accepted) {
      const { id } = (await answer.json()) as { id: string };
      await cluster.client.until(parseId(id)!.number, { state: 'inactive' });
    }
    await waitFor(async () => (await post()).status === 201, { what: 'a start that is accepted again' });
    expect(await cluster.metric('drover_engine_intake_waiting')).toBe(0);
    expect(await cluster.metric('drover_gateway_commands_refused_total', 'gateway')).toBeGreaterThan(0);
    await cluster.client.checkInvariants();
  });

  it('is told on NATS by the same code, with the time to come again', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 400 }, () => create(null)));
    const errors = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as DroverError] : [],
    );
    expect(errors.length).toBeGreaterThan(0);
    for (const error of errors) {
      expect(error).toMatchObject({ code: 'Overloaded', retryable: true });
      expect((error.extra.detail as { retryAfterMillis: number }).retryAfterMillis).toBeGreaterThanOrEqual(1_000);
    }
    const ids = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value.processId!] : []));
    await waitFor(
      async () => {
        const page = { ids, resourceId: null, filters: [], limit: 500, beforeId: null };
        return (await cluster.bus.request(listProcesses, page)).processes.every(({ live }) => !live);
      },
      { what: 'the end of all that was accepted' },
    );
  });

  it('of one account keeps another one waiting for a few of its starts, not for all, and is its own', async () => {
    const flood = new MessageBus(await connectNats(cluster.stack.natsUrl, 'flood'));
    let answered = 0;
    const refused = new Set<string>();
    let over = false;
    const lanes = Array.from({ length: 100 }, async () => {
      while (!over)
        await create(1, flood).then(
          () => void answered++,
          (error: DroverError) => void refused.add(error.code),
        );
    });
    try {
      await waitFor(() => answered > 100, { what: 'a flood' });
      let overtaken = 0;
      for (let i = 0; i < 20; i++) {
        const before = answered;
        const { resource } = await create(2);
        expect(resource.accountId).toBe(2);
        overtaken += answered - before;
      }
      // Without turns, each would wait for a whole queue.
      expect(overtaken / 20).toBeLessThan(QUEUE / 2);
      expect([...refused].filter((code) => code !== 'Overloaded' && code !== 'TooManyRequests')).toEqual([]);
      expect(refused.size).toBeGreaterThan(0);
    } finally {
      over = true;
      await Promise.all(lanes);
      await flood.connection.close();
    }
  });

  it('keeps no handler from being registered', async () => {
    let over = false;
    const lanes = Array.from({ length: 100 }, async () => {
      while (!over) await create(null).catch(() => undefined);
    });
    try {
      const handler = await cluster.handler('rescue', { processes: 'parcel.activate' });
      expect(handler.name).toBe('rescue');
    } finally {
      over = true;
      await Promise.all(lanes);
    }
  });
});
