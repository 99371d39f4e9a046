import { listBuiltinHandlers } from '@drover/contracts';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Cluster } from '../support/index.js';

const MODULE = fileURLToPath(new URL('fixtures/handlers.mjs', import.meta.url));

/** The fixture module binds `in-*` handlers to these types. */
const inner = (name: string): string => `
  name: ${name}
  fields: { seen: { type: array, nullable: true }, size: { type: int, nullable: true } }
  defaultProcesses: { exclude: [activate, deactivate] }
  final: [ran]
  processes:
    run: { start: [inactive], transitioning: running, done: ran, retry: { maxAttempts: 3, initialMillis: 50, maxMillis: 100, jitter: 0 } }`;

describe('handlers inside the engine', () => {
  let cluster: Cluster;
  beforeAll(async () => void (cluster = await Cluster.start({ env: { DROVER_HANDLERS: MODULE } })));
  afterEach(() => cluster.client.checkInvariants());
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  async function run(type: string): Promise<{ id: number; processId: number }> {
    const { client } = cluster;
    await client.define(inner(type));
    const created = await client.create(type);
    await client.ended(created.processId!);
    const { processId } = await client.start(`${type}.run`, created.resource.id);
    return { id: created.resource.id, processId: processId! };
  }

  it('run in one order with external ones, and each sees what came before', async () => {
    const { client } = cluster;
    await cluster.handler('ex-1200', {
      processes: 'inmixed.run',
      priority: 1200,
      answer: ({ resource }) => ({ data: { seen: [...((resource['seen'] as string[] | null) ?? []), 'ex-1200'] } }),
    });
    const { id, processId } = await run('inmixed');
    expect(await client.ended(processId)).toBe('DONE');
    expect((await client.read(id)).data['seen']).toEqual(['in-pre', 'in-1000', 'ex-1200', 'in-1500']);
  });

  it('are told with all that they declare', async () => {
    const { handlers } = await cluster.bus.request(listBuiltinHandlers, {});
    expect(handlers.find(({ name }) => name === 'in-slow')).toEqual({
      name: 'in-slow',
      priority: 1_000,
      processes: [{ phase: 'handle', glob: 'inslow.run' }],
      retries: null,
      timeoutMillis: null,
      heartbeatMillis: 30_000,
      totalMillis: null,
      retry: null,
      limits: { maxInFlight: 7, circuitBreaker: null },
    });
  });

  it('a thrown error fails the attempt, which is made again', async () => {
    const { client } = cluster;
    const { id, processId } = await run('inflaky');
    expect(await client.ended(processId)).toBe('DONE');
    expect((await client.read(id)).data['size']).toBe(2);
    expect((await client.process(processId)).progress['steps']).toMatchObject([
      { outcome: 'failed', error: { code: 'UNKNOWN_EXCEPTION', message: 'not yet' } },
      { outcome: 'done', attempt: 2 },
    ]);
  });

  it('a time-out ends the attempt of one that hangs', async () => {
    const { client } = cluster;
    const { id, processId } = await run('inhanging');
    expect(await client.ended(processId)).toBe('PARKED');
    expect(await client.read(id)).toMatchObject({ state: 'running', transitioning: 'error' });
    expect(await client.process(processId)).toMatchObject({ errorCode: 'TIMEOUT' });
  });

  it('a result that no reply could be is a failure with a reason', async () => {
    const { client } = cluster;
    const { processId } = await run('inodd');
    expect(await client.ended(processId)).toBe('PARKED');
    expect(await client.process(processId)).toMatchObject({ errorMessage: expect.stringContaining('colour') });
  });
});
