import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '@drover/testing';
import { Cluster } from '../support/index.js';

const type = (name: string, more: string): string => `
  name: ${name}
  defaultProcesses: { exclude: [activate, deactivate] }
  ${more}`;

describe('removed resources', () => {
  let cluster: Cluster;
  beforeAll(
    async () => void (cluster = await Cluster.start({ engines: 2, env: { DROVER_PURGE_EVERY_MILLIS: '200' } })),
  );
  afterEach(() => cluster.client.checkInvariants());
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  /** Some resources of the type, removed. */
  async function removed(name: string, more: string, count = 1): Promise<number[]> {
    const { client } = cluster;
    await client.define(type(name, more));
    return Promise.all(
      Array.from({ length: count }, async () => {
        const id = await client.rested(name);
        const { processId } = await client.start(`${name}.remove`, id);
        await client.ended(processId!);
        return id;
      }),
    );
  }

  it('are purged after the declared time, each once, whoever sweeps', async () => {
    const { client } = cluster;
    const ids = await removed('shortlived', 'purgeAfterMillis: 100', 30);
    for (const id of ids) await client.until(id, { state: 'purged' });
    for (const id of ids)
      expect((await client.processesOf(id)).filter(({ name }) => name === 'shortlived.purge')).toHaveLength(1);
  });

  it('stay when their type says never, says later, or has no such process', async () => {
    const { client } = cluster;
    const [never] = await removed('evergreen', 'purgeAfterMillis: null');
    const [later] = await removed('oneday', '');
    await client.define(`{ name: unpurged, defaultProcesses: { exclude: [purge, activate, deactivate] } }`);
    const [witness] = await removed('witness', 'purgeAfterMillis: 0');
    await client.until(witness!, { state: 'purged' });
    expect(await client.read(never!)).toMatchObject({
      state: 'removed',
      revision: (await client.read(later!)).revision,
    });
    expect(await client.read(later!)).toMatchObject({ state: 'removed' });
  });

  it('whose purge is cancelled are left alone until the command is forgotten', async () => {
    const { client } = cluster;
    await cluster.handler('stuck-purger', { processes: 'stuck.purge', attends: false });
    const [id] = await removed('stuck', 'purgeAfterMillis: 100');
    await client.until(id!, { state: 'purging' });
    const live = (await client.processesOf(id!)).find((process) => process.live);
    await client.operate(live!.id, 'cancel');
    await client.until(id!, { state: 'removed' });
    // Another one that is due later has been purged: sweeps have gone past the cancelled one.
    const [other] = await removed('passing', 'purgeAfterMillis: 100');
    await client.until(other!, { state: 'purged' });
    expect(await client.read(id!)).toMatchObject({ state: 'removed' });
    await waitFor(
      async () =>
        (await cluster.metric('drover_engine_purges_started')) +
          (await cluster.metric('drover_engine_purges_started', 'process-engine-2')) >
        30,
      { what: 'the count of purges' },
    );
  });
});
