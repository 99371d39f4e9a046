import { readFeed, STREAMS, SUBJECTS, type TransitionEvent } from '@drover/contracts';
import { connectNats } from '@drover/messaging';
import { createDatabase, startNats, waitFor, type NatsServer, type TestDatabase } from '@drover/testing';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from 'nats';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startStore, type TestStore } from '../testing/start-store.js';
import { blank, change, create } from '../testing/transitions.js';

let nats: NatsServer;
let database: TestDatabase;
let connection: NatsConnection;
beforeEach(async () => {
  nats = await startNats();
  database = await createDatabase();
  connection = await connectNats(nats.url, 'test-reader');
});
afterEach(async () => {
  await connection.close();
  await database[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

const start = (): Promise<TestStore> => startStore({ databaseUrl: database.url, nats, background: 'on' });
const write = (resourceId: number, n: number) =>
  blank({ resourceId, change: change(null, { data: { n }, feedKind: 'changed', process: null, transitioning: 'no' }) });

interface Published {
  event: TransitionEvent;
  subject: string;
}

/** Everything in the stream, once it holds `count` messages. */
async function published(count: number): Promise<Published[]> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  await waitFor(async () => (await manager.streams.info(STREAMS.transitions)).state.messages >= count, {
    timeoutMillis: 20_000,
    what: `${count} events in the stream`,
  });
  const { messages } = (await manager.streams.info(STREAMS.transitions)).state;
  const consumer = await jetstream(connection).consumers.get(STREAMS.transitions);
  const read: Published[] = [];
  for await (const message of await consumer.fetch({ max_messages: messages, expires: 5_000 }))
    read.push({ event: message.json<TransitionEvent>(), subject: message.subject });
  return read;
}

/** Rising sequences that name each other, and per resource the revisions without a gap. */
function expectComplete(read: Published[], from = 0): void {
  let last = from;
  const revisions = new Map<string, number>();
  for (const { event } of read) {
    expect(event.previousSequence).toBe(last);
    expect(event.sequence).toBeGreaterThan(last);
    last = event.sequence;
    const before = revisions.get(event.resourceId);
    if (before !== undefined || from === 0) expect(event.revision).toBe((before ?? 0) + 1);
    revisions.set(event.resourceId, event.revision);
  }
}

describe('the relay', () => {
  it('publishes each revision once, in order, as the protocol says', async () => {
    await using store = await start();
    const { resourceId, processId } = await store.applied(create('creating'));
    for (let n = 0; n < 20; n++) await store.applied(write(resourceId, n));
    const read = await published(21);
    expectComplete(read);
    expect(read).toHaveLength(21);
    expect(read[0]!.subject).toBe(SUBJECTS.transition('volume', 'create', 'transitioning'));
    expect(read[1]!.subject).toBe(SUBJECTS.transition('volume', '-', 'changed'));
    expect(read[0]!.event).toMatchObject({
      resourceType: 'volume',
      resourceId: `1v${resourceId}`,
      process: 'volume.create',
      processId: `1pi${processId}`,
      from: 'requested',
      to: 'creating',
      stateField: 'state',
      revision: 1,
      resource: { id: `1v${resourceId}`, type: 'volume' },
    });
  });

  it('does not pass a change that commits late, nor the ones after it on another resource', async () => {
    await using store = await start();
    const [a, b] = [(await store.applied(create())).resourceId, (await store.applied(create())).resourceId];
    await published(2);
    // A transaction of its own draws a number, and commits after a later one has.
    const late = new pg.Client({ connectionString: database.url });
    await late.connect();
    await late.query('begin');
    await late.query('update resource set revision = revision + 1 where id = $1', [a]);
    await late.query(
      `insert into feed (resource_id, time, revision, kind, from_state, to_state)
       values ($1, now(), 2, 'changed', 'requested', 'requested')`,
      [a],
    );
    for (let n = 0; n < 5; n++) await store.applied(write(b, n));
    // Longer than the relay trusts snapshots: then it asks who writes the feed.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect((await published(2)).length).toBe(2);
    await late.query('commit');
    await late.end();
    const read = await published(8);
    expectComplete(read);
    expect(read[2]!.event).toMatchObject({ resourceId: `1v${a}`, revision: 2 });
  });

  it('is not held by a transaction that writes elsewhere, in this database or in another one of the server', async () => {
    await using store = await start();
    await using other = await createDatabase();
    const { resourceId } = await store.applied(create());
    await published(1);
    const clients = [database, other].map(({ url }) => new pg.Client({ connectionString: url }));
    for (const client of clients) {
      await client.connect();
      await client.query('begin; create table elsewhere (id int)');
    }
    for (let n = 0; n < 5; n++) await store.applied(write(resourceId, n));
    expectComplete(await published(6));
    // Also what comes later: each waits for its own moment.
    await store.applied(write(resourceId, 5));
    expectComplete(await published(7));
    for (const client of clients) {
      await client.query('rollback');
      await client.end();
    }
    await store.applied(write(resourceId, 6));
    expectComplete(await published(8));
  });

  it('goes on after a stop without a gap or a duplicate, also when its place was not saved', async () => {
    let resourceId: number;
    {
      await using store = await start();
      resourceId = (await store.applied(create())).resourceId;
      for (let n = 0; n < 9; n++) await store.applied(write(resourceId, n));
      await published(10);
    }
    await using store = await start();
    // As a kill -9 between the publication and the saving of the place leaves it.
    await store.sql('update relay set published = 0');
    for (let n = 0; n < 10; n++) await store.applied(write(resourceId, n));
    const read = await published(20);
    expectComplete(read);
    expect(read).toHaveLength(20);
  });

  it('makes the stream again when the broker lost it, and goes on; the table has the rest', async () => {
    await using store = await start();
    const { resourceId } = await store.applied(create());
    for (let n = 0; n < 9; n++) await store.applied(write(resourceId, n));
    const before = await published(10);
    await (await jetstreamManager(connection)).streams.delete(STREAMS.transitions);
    for (let n = 0; n < 5; n++) await store.applied(write(resourceId, n));
    const read = await published(5);
    const [first] = read;
    expectComplete(read, first!.event.previousSequence);
    expect(read.at(-1)!.event.revision).toBe(15);
    // Its place is written a moment after the events.
    let feed = await store.bus.request(readFeed, { after: 0, limit: 100 });
    await waitFor(
      async () => {
        feed = await store.bus.request(readFeed, { after: 0, limit: 100 });
        return feed.events.length >= 15;
      },
      { what: 'the table says what was published' },
    );
    expect(feed).toMatchObject({ gone: false, more: false });
    expect(feed.events.map(({ revision }) => revision)).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
    expect(before[0]!.event.sequence).toBe(feed.events[0]!.sequence);
  });

  it('is fenced by the stream: two that publish at once leave no duplicate', async () => {
    await using store = await start();
    const { resourceId } = await store.applied(create());
    await published(1);
    // A second relay that believes it leads: the lease is taken from the first one behind its back.
    await store.sql(`update lease set holder = 'nobody', expires_at = now()`);
    await using second = await start();
    for (let n = 0; n < 50; n++) await Promise.all([store.applied(write(resourceId, n)), second.applied(create())]);
    const read = await published(101);
    expectComplete(read);
    expect(read).toHaveLength(101);
  });

  it('the stream is bounded by age and by size, also one that an older version made without bounds', async () => {
    const manager = await jetstreamManager(connection, { checkAPI: false });
    await manager.streams.add({ name: STREAMS.transitions, subjects: [SUBJECTS.transitions] });
    await using store = await start();
    const { resourceId } = await store.applied(create());
    await store.applied(write(resourceId, 1));
    expectComplete(await published(2));
    const { config } = await manager.streams.info(STREAMS.transitions);
    expect(config.max_bytes).toBe(64 * 1024 ** 2);
    expect(config.max_age / 1e6).toBe(7 * 24 * 3_600_000);
  });
});
