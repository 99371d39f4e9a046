import { jetstreamManager, type JetStreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { STREAMS, SUBJECTS } from '@drover/contracts';
import { connectNats } from '@drover/messaging';
import { type NatsServer, startNats, waitFor } from '@drover/testing';
import { nanos } from 'nats';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, SILENCE, type DurableHandler } from '../support/index.js';

/** The least that the setting takes. */
const WORK_BYTES = 1024 ** 2;
const REPLY_BYTES = 8 * 1024 ** 2;
/** So many events of this size fill the stream more than once. */
const LARGE = { note: 'x'.repeat(60_000) };

const runnable = (name: string): string => `
  name: ${name}
  defaultProcesses: { exclude: [activate, deactivate] }
  final: [ran]
  processes:
    run: { start: [inactive], transitioning: running, done: ran }`;

/** Shorter than an attempt's deadline (45 s): whoever waits for one after a fault runs into it. */
const SOON = { timeoutMillis: 30_000 };

describe('durable delivery, when something breaks', () => {
  let nats: NatsServer;
  let cluster: Cluster;
  let manager: JetStreamManager;

  /** The streams were made by another version, or a hand: smaller, shorter, and one of a kind that cannot be changed. */
  beforeAll(async () => {
    nats = await startNats();
    const connection = await connectNats(nats.url, 'earlier-version');
    const earlier = await jetstreamManager(connection);
    const retention = RetentionPolicy.Workqueue;
    const subjects = ['drover.work.one'];
    await earlier.streams.add({ name: STREAMS.work, retention, subjects, max_bytes: 2 * WORK_BYTES });
    await earlier.streams.add({
      retention,
      name: STREAMS.replies,
      subjects: [SUBJECTS.repliesOf(0)],
      storage: StorageType.Memory,
      max_bytes: WORK_BYTES,
      max_age: nanos(3_600_000),
    });
    await connection.close();
    cluster = await Cluster.start({
      nats,
      engines: 2,
      env: { DROVER_WORK_STREAM_MAX_BYTES: String(WORK_BYTES), DROVER_REPLY_STREAM_MAX_BYTES: String(REPLY_BYTES) },
    });
    manager = await jetstreamManager(cluster.bus.connection, { checkAPI: false });
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') console.error(await cluster.stack.keepLogs(`durable-faults-${Date.now()}`));
    await cluster.client.checkInvariants();
    await waitFor(async () => (await manager.streams.info(STREAMS.work)).state.messages === 0, {
      what: 'an empty work stream',
    });
  });
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await nats?.[Symbol.asyncDispose]();
  });

  /** Processes with an event out for each handler: one that took its events and has not answered, one that is away. */
  async function out(type: string, each: number) {
    const { client } = cluster;
    let answers = false;
    const start = async (name: string, attends: boolean) => {
      await client.define(runnable(name));
      const { handler } = await cluster.durable(`${name}-runner`, {
        processes: `${name}.run`,
        attends,
        answer: () => (answers ? {} : SILENCE),
      });
      const ids = await Promise.all(Array.from({ length: each }, () => client.rested(name)));
      const started = await Promise.all(ids.map((id) => client.start(`${name}.run`, id)));
      return { handler, processIds: started.map(({ processId }) => processId!) };
    };
    const taken = await start(`${type}taken`, true);
    const away = await start(`${type}away`, false);
    return {
      taken,
      away,
      processIds: [...taken.processIds, ...away.processIds],
      /** from now on events are answered, those in hand too */
      answer: () => {
        answers = true;
        for (const { event, message } of taken.handler.deliveries) {
          taken.handler.connection.publish(event.replyTo, '{}');
          message.ack();
        }
      },
    };
  }

  async function expectDoneAtOnce(processIds: number[]): Promise<void> {
    const { client } = cluster;
    for (const id of processIds) expect(await client.ended(id, SOON)).toBe('DONE');
    for (const id of processIds)
      expect((await client.process(id)).progress).toMatchObject({ steps: [{ outcome: 'done', attempt: 1 }] });
  }

  const idsOf = ({ events }: DurableHandler): string[] => events.map(({ id }) => id).toSorted();
  const firstAttempts = (processIds: number[]): string[] => processIds.map((id) => `1pi${id}.1`).toSorted();
  /** Where the process's event is, as the engine knows. */
  const sequenceOf = async (id: number): Promise<number> =>
    ((await cluster.client.process(id)).progress as { work?: { sequence: number } }).work?.sequence ?? 0;

  async function engineLogs(): Promise<string> {
    const engines = cluster.stack.services.filter(({ name }) => name.startsWith('process-engine'));
    return (await Promise.all(engines.map(({ logFile }) => readFile(logFile, 'utf8')))).join('');
  }

  it('streams of an earlier version are brought to this one; what the broker refuses to change is logged', async () => {
    await cluster.client.define(runnable('config'));
    await cluster.durable('config-runner', { processes: 'config.run' });
    const work = async () => (await manager.streams.info(STREAMS.work)).config;
    await waitFor(async () => (await work()).max_bytes === WORK_BYTES, { what: 'the work stream changed' });
    expect(await work()).toMatchObject({ subjects: [SUBJECTS.works], discard: 'new' });
    const replies = (await manager.streams.info(STREAMS.replies)).config;
    expect(replies).toMatchObject({ max_bytes: REPLY_BYTES, discard: 'new', storage: 'memory' });
    expect(replies.max_age).toBe(nanos(24 * 3_600_000));
    const log = await engineLogs();
    expect(log).toContain('a stream was brought to what this version wants');
    expect(log).toMatch(/the broker refuses to change [^\n]*storage/);
  });

  it('a full work stream refuses: processes say why, and go on when there is room, in the same attempt', async () => {
    const { client } = cluster;
    await client.define(runnable('full'));
    const { handler } = await cluster.durable('full-runner', { processes: 'full.run', attends: false });
    const ids = await Promise.all(Array.from({ length: 24 }, () => client.rested('full')));
    const started = await Promise.all(ids.map((id) => client.start('full.run', id, LARGE)));
    const refused = async (): Promise<number> => {
      const messages = await Promise.all(ids.map(async (id) => (await client.read(id)).message ?? ''));
      expect(messages.every((message) => /^waiting for|is not stored yet: maximum bytes exceeded/.test(message))).toBe(
        true,
      );
      return messages.filter((message) => message.startsWith('the event for handler full-runner')).length;
    };
    const waiting = await waitFor(refused, { what: 'refused events shown' });
    expect(waiting).toBeGreaterThan(4);
    expect(waiting).toBeLessThan(20);
    await handler.attend();
    const processIds = started.map(({ processId }) => processId!);
    await expectDoneAtOnce(processIds);
    expect(idsOf(handler)).toEqual(firstAttempts(processIds));
    for (const id of ids) expect(await client.read(id)).toMatchObject({ state: 'ran', message: null });
  });

  it('all engines are killed with events out: each event was delivered once when every process has ended', async () => {
    const work = await out('kill', 12);
    const { stack } = cluster;
    await work.taken.handler.sent(12);
    for (const id of work.processIds) await waitFor(() => sequenceOf(id), { what: 'a stored event' });
    await Promise.all([stack.kill('process-engine'), stack.kill('process-engine-2')]);
    // Nobody hears the answers, nor sees that the other handler is back.
    work.answer();
    await work.away.handler.attend();
    await work.away.handler.sent(6);
    await Promise.all([stack.restart('process-engine'), stack.restart('process-engine-2')]);
    await expectDoneAtOnce(work.processIds);
    expect(idsOf(work.taken.handler)).toEqual(firstAttempts(work.taken.processIds));
    expect(idsOf(work.away.handler)).toEqual(firstAttempts(work.away.processIds));
  });

  it('one of two engines is killed while it sends: the other ends its processes, each event delivered once', async () => {
    const { client, stack } = cluster;
    await client.define(runnable('burst'));
    const { handler } = await cluster.durable('burst-runner', { processes: 'burst.run' });
    const ids = await Promise.all(Array.from({ length: 60 }, () => client.rested('burst')));
    const commands = ids.map((id) => ({ id, commandId: crypto.randomUUID() }));
    const begin = ({ id, commandId }: { id: number; commandId: string }) =>
      client.start('burst.run', id, {}, commandId);
    const first = commands.map((command) => begin(command).catch(() => null));
    await handler.sent(5);
    await stack.kill('process-engine');
    await Promise.all(first);
    const processIds = (await Promise.all(commands.map(begin))).map(({ processId }) => processId!);
    for (const id of ids) await client.until(id, { state: 'ran' }, SOON);
    await stack.restart('process-engine');
    expect(idsOf(handler)).toEqual(firstAttempts(processIds));
  });

  it("the broker's disk is lost with events out: they are sent again with the same ids, and every process ends", async () => {
    const work = await out('wipe', 12);
    await work.taken.handler.sent(12);
    for (const id of work.processIds) await waitFor(() => sequenceOf(id), { what: 'a stored event' });
    await nats.kill();
    for (const entry of await readdir(join(nats.storeDir, 'store')))
      await rm(join(nats.storeDir, 'store', entry), { recursive: true });
    await nats.restart();
    await work.taken.handler.sent(24);
    work.answer();
    await work.away.handler.attend();
    await expectDoneAtOnce(work.processIds);
    const twice = firstAttempts(work.taken.processIds).flatMap((id) => [id, id]);
    expect(idsOf(work.taken.handler)).toEqual(twice);
    expect(idsOf(work.away.handler)).toEqual(firstAttempts(work.away.processIds));
  });
});
