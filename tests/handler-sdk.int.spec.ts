import { jetstreamManager } from '@nats-io/jetstream';
import { type ExternalHandler, type HandlerContext, serveHandlers } from '@drover/handler-sdk';
import { connectNats } from '@drover/messaging';
import { type NatsServer, startNats, waitFor } from '@drover/testing';
import type { NatsConnection } from 'nats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/** The engine's side of the protocol, played by the test: the reply stream and the answer to a registration. */
describe('serveHandlers', () => {
  let nats: NatsServer;
  let engine: NatsConnection;
  let program: NatsConnection;
  let replies: Record<string, unknown>[];
  let registrations: Record<string, unknown>[];
  let dispatched = 0;

  beforeEach(async () => {
    nats = await startNats();
    engine = await connectNats(nats.url, 'engine');
    program = await connectNats(nats.url, 'program');
    const manager = await jetstreamManager(engine);
    await manager.streams.add({ name: 'REPLY', subjects: ['drover.reply.>'] });
    replies = [];
    registrations = [];
    engine.subscribe('drover.reply.>', { callback: (_error, message) => void replies.push(message.json()) });
    engine.subscribe('drover.handler.register', {
      callback: (_error, message) => {
        registrations.push(message.json());
        message.respond('{}');
      },
    });
    await engine.flush();
  });

  afterEach(async () => {
    await program.close();
    await engine.close();
    await nats[Symbol.asyncDispose]();
  });

  const serve = (handle: ExternalHandler['handle'], onProblem: (problem: string) => void = () => undefined) =>
    serveHandlers(program, [{ name: 'mine', processes: 'instance.start', retries: 2, handle }], { onProblem });

  function ask(
    key: string,
    id = `${key}.${++dispatched}`,
    more: Record<string, unknown> = {},
    handler = 'mine',
  ): string {
    const replyTo = `drover.reply.1.${dispatched}.1.abc`;
    const event = {
      id,
      key,
      replyTo,
      timeoutMillis: 10_000,
      process: 'instance.start',
      phase: 'handle',
      attempt: 1,
      ...more,
    };
    engine.publish(
      `drover.process.instance.start.handle.${handler}`,
      JSON.stringify({ ...event, resource: {}, data: {} }),
      {
        reply: replyTo,
      },
    );
    return id;
  }

  it('a handler registers with its own name as uuid, and what it returns is the reply', async () => {
    await serve(({ key }) => ({ data: { key } }));
    expect(registrations).toEqual([
      { name: 'mine', uuid: 'mine', retries: 2, processConfigs: [{ name: 'instance.start' }] },
    ]);
    ask('a');
    await waitFor(() => replies.length === 1);
    expect(replies).toEqual([{ data: { key: 'a' } }]);
  });

  it('with durable delivery events are taken from the stream, kept while they are worked on, and acknowledged behind the reply', async () => {
    const manager = await jetstreamManager(engine);
    await manager.streams.add({ name: 'WORK', subjects: ['drover.work.>'], retention: 'workqueue' });
    const ack_wait = 300_000_000;
    await manager.consumers.add('WORK', { durable_name: 'HANDLER_kept', ack_policy: 'explicit', ack_wait });
    let runs = 0;
    const handle = async ({ key }: { key: string }) => {
      runs++;
      await new Promise((done) => setTimeout(done, 1_000));
      return { data: { key } };
    };
    const kept = { name: 'kept', processes: 'instance.start', delivery: 'durable', handle } as const;
    const served = await serveHandlers(program, [kept], { onProblem: () => undefined });
    expect(registrations).toMatchObject([{ name: 'kept', delivery: 'durable' }]);
    const replyTo = 'drover.reply.1.1.1.abc';
    const event = { id: 'a.1', key: 'a', replyTo, timeoutMillis: 100, process: 'instance.start', phase: 'handle' };
    engine.publish('drover.work.kept.instance.start.handle', JSON.stringify({ ...event, resource: {}, data: {} }));
    await waitFor(() => replies.length === 1);
    await waitFor(async () => (await manager.streams.info('WORK')).state.messages === 0);
    expect([replies, runs]).toEqual([[{ data: { key: 'a' } }], 1]);
    await served.stop();
  });

  it('progress goes before the reply, and a thrown error fails the attempt', async () => {
    await serve(({ progress }) => {
      progress('pulling', 40);
      throw new Error('no such image');
    });
    ask('a');
    await waitFor(() => replies.length === 2);
    expect(replies).toEqual([
      { transitioning: 'yes', transitioningMessage: 'pulling', transitioningProgress: 40 },
      { transitioning: 'error', transitioningMessage: 'no such image' },
    ]);
  });

  it('where a heartbeat is declared, it beats by itself while the handler works', async () => {
    const release = deferred();
    await serve(() => release.promise);
    ask('a', 'beating', { heartbeatMillis: 150 });
    await waitFor(() => replies.length >= 3);
    release.resolve(undefined);
    await waitFor(() => replies.some((reply) => Object.keys(reply).length === 0));
    const beats = replies.slice(0, -1);
    expect(beats.every((reply) => reply['transitioning'] === 'yes')).toBe(true);
    expect(replies.at(-1)).toEqual({});
  });

  it('with heartbeats of its own a handler is silent unless it beats, and knows how often it must', async () => {
    const release = deferred();
    let beat: () => void = () => undefined;
    let millis: number | undefined;
    const own = {
      name: 'own',
      processes: 'instance.start',
      heartbeats: 'own',
      handle: ({ heartbeat, heartbeatMillis }: HandlerContext) => {
        [beat, millis] = [heartbeat, heartbeatMillis];
        return release.promise;
      },
    } as const;
    const served = await serveHandlers(program, [own], { onProblem: () => undefined });
    expect(registrations.at(-1)).toEqual({ name: 'own', uuid: 'own', processConfigs: [{ name: 'instance.start' }] });
    ask('a', 'silent', { heartbeatMillis: 60 }, 'own');
    await waitFor(() => millis === 60);
    await new Promise((done) => setTimeout(done, 200));
    expect(replies).toEqual([]);
    beat();
    await waitFor(() => replies.length === 1);
    expect(replies).toEqual([{ transitioning: 'yes' }]);
    release.resolve(undefined);
    await waitFor(() => replies.length === 2);
    beat();
    await program.flush();
    await engine.flush();
    expect(replies.at(-1)).toEqual({});
    await served.stop();
  });

  it('an attempt that is delivered twice is worked on once', async () => {
    const release = deferred();
    let runs = 0;
    await serve(() => {
      runs++;
      return release.promise;
    });
    ask('a', 'same');
    ask('a', 'same');
    await waitFor(() => runs > 0);
    release.resolve(undefined);
    await waitFor(() => replies.length > 0);
    await engine.flush();
    expect([runs, replies]).toEqual([1, [{}]]);
  });

  it('a cancel notice aborts its attempt and no other', async () => {
    const aborted: string[] = [];
    await serve(
      ({ id, signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            aborted.push(`${id}: ${(signal.reason as Error).message}`);
            resolve(undefined);
          });
        }),
    );
    const first = ask('a');
    const other = ask('b');
    await engine.flush();
    engine.publish('drover.cancel.mine', JSON.stringify({ id: first, key: 'a', reason: 'pre-empted' }));
    await waitFor(() => aborted.length > 0);
    expect(aborted).toEqual([`${first}: pre-empted`]);
    engine.publish('drover.cancel.mine', JSON.stringify({ id: other, key: 'b', reason: 'end of test' }));
    await waitFor(() => aborted.length === 2);
  });

  it('a reply given while the broker is down arrives when it is back', async () => {
    const release = deferred();
    let working = false;
    await serve(() => {
      working = true;
      return release.promise;
    });
    ask('a');
    await waitFor(() => working);
    await nats.kill();
    release.resolve(undefined);
    await nats.restart();
    const manager = await waitFor(() => jetstreamManager(engine));
    await waitFor(async () => (await manager.streams.info('REPLY')).state.messages === 1);
  });

  it('a program that stops lets the work in hand answer', async () => {
    const served = await serve(async ({ signal }) => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      return { data: { aborted: signal.aborted } };
    });
    ask('a');
    await engine.flush();
    await program.flush();
    await served.stop();
    await waitFor(() => replies.length === 1);
    expect(replies).toEqual([{ data: { aborted: false } }]);
  });
});

/** Promise.withResolvers, which Node 20 does not have. */
function deferred(): { promise: Promise<undefined>; resolve: (value: undefined) => void } {
  let resolve!: (value: undefined) => void;
  const promise = new Promise<undefined>((done) => (resolve = done));
  return { promise, resolve };
}
