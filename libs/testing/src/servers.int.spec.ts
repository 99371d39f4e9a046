import { connect } from 'nats';
import { jetstreamManager } from '@nats-io/jetstream';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { createDatabase, startNats, startPostgres } from './index.js';

describe('startNats', () => {
  it('gives a server with JetStream whose store and port survive a SIGKILL', async () => {
    await using nats = await startNats();
    const before = await connect({ servers: nats.url, reconnect: false });
    await (await jetstreamManager(before)).streams.add({ name: 'KEPT', subjects: ['kept'] });
    await nats.kill();
    await before.closed();
    await nats.restart();
    const after = await connect({ servers: nats.url });
    expect((await (await jetstreamManager(after)).streams.info('KEPT')).config.subjects).toEqual(['kept']);
    await after.close();
  });

  it('gives the oldest supported version when asked', async () => {
    await using nats = await startNats({ version: '2.9' });
    const connection = await connect({ servers: nats.url });
    expect(connection.info?.version).toMatch(/^2\.9\./);
    await connection.close();
  });
});

describe('PostgreSQL', () => {
  it('keeps committed rows through a SIGKILL and returns on the same port', async () => {
    await using postgres = await startPostgres();
    await query(postgres.url, 'CREATE TABLE kept AS SELECT 1 AS n');
    await postgres.kill();
    await postgres.restart();
    expect(await query(postgres.url, 'SELECT n FROM kept')).toEqual([{ n: 1 }]);
  });

  it('two databases of one run do not see each other', async () => {
    await using one = await createDatabase();
    await using two = await createDatabase();
    await query(one.url, 'CREATE TABLE mine AS SELECT 1 AS n');
    await expect(query(two.url, 'SELECT n FROM mine')).rejects.toThrow('does not exist');
  });
});

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
