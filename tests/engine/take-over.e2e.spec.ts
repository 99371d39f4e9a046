import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, inTurn, never } from '../support/index.js';

const MODULE = fileURLToPath(new URL('fixtures/handlers.mjs', import.meta.url));

const machine = (name: string, run = ''): string => `
  name: ${name}
  fields: { size: { type: int, nullable: true } }
  defaultProcesses: { exclude: [activate, deactivate] }
  final: [ran]
  processes:
    run: { start: [inactive], transitioning: running, done: ran ${run} }
    halt: { start: [running], transitioning: halting, done: inactive }`;

/** What one engine had begun when it was killed, the next one ends. */
describe('an engine that is killed', () => {
  let cluster: Cluster;
  beforeAll(async () => void (cluster = await Cluster.start({ env: { DROVER_HANDLERS: MODULE } })));
  afterEach(() => cluster.client.checkInvariants());
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  async function killAndRestart(): Promise<void> {
    await cluster.stack.kill('process-engine');
    await cluster.stack.restart('process-engine');
  }

  it('while a handler inside it works: the next runs the same attempt again', async () => {
    const { client } = cluster;
    await client.define(machine('inslow'));
    const id = await cluster.client.rested('inslow');
    const { processId } = await client.start('inslow.run', id);
    await killAndRestart();
    await client.until(id, { state: 'ran' });
    expect((await client.read(id)).data['size']).toBe(1);
    expect((await client.process(processId!)).progress['steps']).toMatchObject([{ outcome: 'done', attempt: 1 }]);
  });

  it('while a process waits for a cancelled attempt: the answer still reaches it', async () => {
    const { client } = cluster;
    await client.define(machine('relayed', ', timeoutMillis: 60000'));
    const runner = await cluster.handler('relayed-runner', { processes: 'relayed.run', answer: never });
    const halter = await cluster.handler('relayed-halter', { processes: 'relayed.halt' });
    const id = await cluster.client.rested('relayed');
    await client.start('relayed.run', id);
    await runner.sent(1);
    await client.start('relayed.halt', id);
    await cluster.stack.kill('process-engine');
    // Nobody hears it now: the stream keeps it.
    runner.deliveries[0]!.reply({ data: { size: 8 } });
    await cluster.stack.restart('process-engine');
    await client.until(id, { state: 'inactive', transitioning: 'no' });
    expect(halter.events).toMatchObject([{ resource: { size: 8 } }]);
  });

  it('while a handler is awaited: the process goes on when it comes', async () => {
    const { client } = cluster;
    await client.define(machine('awaited'));
    const runner = await cluster.handler('awaited-runner', { processes: 'awaited.run', attends: false });
    const id = await cluster.client.rested('awaited');
    await client.start('awaited.run', id);
    await client.until(id, { message: 'waiting for handler awaited-runner' });
    await killAndRestart();
    await runner.attend();
    await client.until(id, { state: 'ran' }, { timeoutMillis: 3_000 });
    expect(runner.events[0]).toMatchObject({ attempt: 1 });
  });

  it('between two attempts: the next one is made, and counted', async () => {
    const { client } = cluster;
    await client.define(
      machine('pausing', ', retry: { maxAttempts: 3, initialMillis: 2000, maxMillis: 2000, jitter: 0 }'),
    );
    const runner = await cluster.handler('pausing-runner', {
      processes: 'pausing.run',
      answer: inTurn(
        () => ({ transitioning: 'error', transitioningMessage: 'once' }),
        () => ({}),
      ),
    });
    const id = await cluster.client.rested('pausing');
    await client.start('pausing.run', id);
    await client.until(id, ({ message }) => message?.includes('once') ?? false);
    await killAndRestart();
    await client.until(id, { state: 'ran' });
    expect(runner.events.map(({ attempt }) => attempt)).toEqual([1, 2]);
  });

  it('before it answered a command: the repeat with the same id starts nothing twice', async () => {
    const { client } = cluster;
    await client.define(machine('asked'));
    const runner = await cluster.handler('asked-runner', { processes: 'asked.run' });
    const id = await cluster.client.rested('asked');
    const commandId = crypto.randomUUID();
    const unheard = client.start('asked.run', id, {}, commandId).catch(() => undefined);
    await killAndRestart();
    const { processId } = await client.start('asked.run', id, {}, commandId);
    await unheard;
    await client.until(id, { state: 'ran' });
    expect((await client.processesOf(id)).filter(({ name }) => name === 'asked.run')).toMatchObject([
      { id: processId },
    ]);
    expect(new Set(runner.events.map((event) => event.id)).size).toBe(1);
  });
});
