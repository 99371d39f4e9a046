import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '@drover/testing';
import { Cluster } from '../support/index.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A plug-in folder, helpers below it, and a package that is for `import` alone. */
const FILES = {
  'plugins/order.mjs': `
    import { note } from './lib/note.mjs';
    export class Second { name = 'second'; processes = 'plugged.run'; priority = 1100; handle(context) { return note('second')(context); } }
    export const last = { name: 'last', processes: 'plugged.run', priority: 2000, handle: note('last') };`,
  'plugins/lib/note.mjs': `export const note = (name) => ({ resource }) => ({ data: { seen: [...(resource.seen ?? []), name] } });`,
  'plugins/work.mjs': `
    import { setTimeout as sleep } from 'node:timers/promises';
    import { appendFileSync } from 'node:fs';
    const told = (text) => appendFileSync(new URL('../told.txt', import.meta.url), text + '\\n');
    export const reporting = { name: 'reporting', processes: 'reported.run', timeoutMillis: 1200,
      async handle({ progress }) {
        for (let percent = 0; percent < 100; percent += 10) { progress('at it', percent); await sleep(250); }
        return { data: { size: 1 } };
      } };
    export const overrunning = { name: 'overrunning', processes: 'overrun.run', timeoutMillis: 600,
      async handle({ attempt, signal }) {
        signal.addEventListener('abort', () => told('overrun ' + signal.reason.name));
        if (attempt === 1) { await sleep(1500); return { data: { size: 99 } }; }
        await sleep(100);
        return { data: { size: attempt } };
      } };
    export const cancelled = { name: 'cancelled', processes: 'cancelled.run',
      handle({ signal }) {
        told('cancelled begun');
        return new Promise((_, reject) => signal.addEventListener('abort', () => { told('cancelled ' + signal.reason.name); reject(signal.reason); }));
      } };
    export const beating = { name: 'beating', processes: 'beaten.run', timeoutMillis: 30000, heartbeatMillis: 800,
      async handle({ attempt, heartbeat }) {
        for (let i = 0; i < 15; i++) { heartbeat(); await sleep(200); }
        return { data: { size: attempt } };
      } };
    export const silent = { name: 'silent', processes: 'silenced.run', timeoutMillis: 30000, heartbeatMillis: 500,
      async handle({ attempt, heartbeatMillis, signal }) {
        if (attempt === 1) await new Promise((resolve) => signal.addEventListener('abort', resolve));
        told('silent ' + attempt + ' ' + heartbeatMillis);
        return { data: { size: attempt } };
      } };
    export const straying = { name: 'straying', processes: 'strayed.run',
      handle() {
        setTimeout(() => { throw new Error('in a timer'); }, 1);
        void Promise.reject(new Error('forgotten'));
        return { data: { size: 1 } };
      } };
    export const meddling = { name: 'meddling', processes: 'meddled.run',
      handle({ resource, data }) { resource.seen.push('mine'); data.asked.length = 0; throw new Error('after meddling'); } };
    export const looking = { name: 'looking', processes: 'meddled.run', priority: 900, 
      handle({ resource, data, attempt }) { return { data: { size: resource.seen.length * 10 + data.asked.length } }; } };
    export const refusing = { name: 'refusing', processes: 'refused.run',
      handle: () => ({ transitioning: 'error', code: 'NoSpace', transitioningMessage: 'full', retryable: false }) };
    let delays = 0;
    export const delaying = { name: 'delaying', processes: 'delayed.run',
      handle: () => (delays++ === 0 ? { delayMillis: 100 } : { data: { size: delays }, chainProcess: 'delayed.halt' }) };
    export const odd = [
      { name: 'odd-function', processes: 'odd1.run', handle: () => () => 1 },
      { name: 'odd-circle', processes: 'odd2.run', handle: () => { const o = {}; o.o = o; return o; } },
      { name: 'odd-throw', processes: 'odd3.run', handle: () => { throw Object.create(null); } },
      { name: 'odd-yes', processes: 'odd4.run', handle: () => ({ transitioning: 'yes' }) },
    ];`,
  'node_modules/@acme/handlers/package.json':
    '{"name":"@acme/handlers","type":"module","exports":{"import":"./main.js"}}',
  'node_modules/@acme/handlers/main.js': `
    export default class First {
      name = 'first';
      processes = 'plugged.run';
      handle({ resource }) { return { data: { seen: [...(resource.seen ?? []), 'first'] } }; }
    }`,
};

const CHECKED = {
  'plugins/checked.mjs': `
    export const steady = { name: 'steady', processes: 'steady.run', handle: ({ key }) => ({ data: { seen: [key] } }) };
    let calls = 0;
    export const moody = { name: 'moody', processes: 'moody.run', handle: () => ({ data: { size: ++calls } }) };
    export const failing = { name: 'failing', processes: 'failing.run', retries: 2, handle: () => { throw new Error('always'); } };`,
};

const type = (name: string): string => `
  name: ${name}
  fields: { seen: { type: array, nullable: true }, size: { type: int, nullable: true } }
  defaultProcesses: { exclude: [activate, deactivate] }
  final: [ran]
  processes:
    run: { start: [inactive], transitioning: running, done: ran, retry: { maxAttempts: 2, initialMillis: 50, maxMillis: 100, jitter: 0 } }
    halt: { start: [running], transitioning: halting, done: inactive }`;

async function write(folder: string, files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
}

async function run(cluster: Cluster, name: string, data: object = {}): Promise<{ id: number; processId: number }> {
  const { client } = cluster;
  await client.define(type(name));
  const created = await client.create(name);
  await client.ended(created.processId!);
  const { processId } = await client.start(`${name}.run`, created.resource.id, data as never);
  return { id: created.resource.id, processId: processId! };
}

describe('plug-ins of an engine', () => {
  let cwd: string;
  let cluster: Cluster;
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'drover-plugins-'));
    await write(cwd, FILES);
    cluster = await Cluster.start({ cwd, env: { DROVER_HANDLERS: './plugins, @acme/handlers' } });
  });
  afterEach(() => cluster.client.checkInvariants());
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await rm(cwd, { recursive: true, force: true });
  });

  const told = async (): Promise<string> => readFile(join(cwd, 'told.txt'), 'utf8').catch(() => '');

  it('come from a folder and from a package, and run in one order', async () => {
    const { id, processId } = await run(cluster, 'plugged');
    expect(await cluster.client.ended(processId)).toBe('DONE');
    expect((await cluster.client.read(id)).data['seen']).toEqual(['first', 'second', 'last']);
  });

  it('live on with a heartbeat shorter than a second for as long as they beat', async () => {
    const { id, processId } = await run(cluster, 'beaten');
    expect(await cluster.client.ended(processId)).toBe('DONE');
    expect((await cluster.client.read(id)).data['size']).toBe(1);
  });

  it('are told when their silence ended an attempt', async () => {
    const { id, processId } = await run(cluster, 'silenced');
    expect(await cluster.client.ended(processId)).toBe('DONE');
    expect((await cluster.client.read(id)).data['size']).toBe(2);
    await waitFor(async () => (await told()).includes('silent 1 500'), { what: 'the end of the silent attempt' });
  });

  it('report progress, which shows on the resource and extends the deadline', async () => {
    const { id, processId } = await run(cluster, 'reported');
    await cluster.client.until(id, (resource) => resource.message === 'at it' && (resource.progress ?? 0) > 0);
    expect(await cluster.client.ended(processId)).toBe('DONE');
    const { progress } = await cluster.client.process(processId);
    expect(progress['steps']).toMatchObject([{ outcome: 'done', attempt: 1 }]);
  });

  it('that overrun are told so; what they return later is ignored', async () => {
    const { id, processId } = await run(cluster, 'overrun');
    expect(await cluster.client.ended(processId)).toBe('DONE');
    expect((await cluster.client.process(processId)).progress['steps']).toMatchObject([
      { outcome: 'timeout', attempt: 1 },
      { outcome: 'done', attempt: 2 },
    ]);
    await waitFor(async () => (await cluster.metric('drover_engine_in_process_late')) === 1, {
      what: 'the late result',
    });
    expect((await cluster.client.read(id)).data['size']).toBe(2);
    expect(await told()).toContain('overrun ');
  });

  it('have their signal aborted when an operator cancels', async () => {
    const { processId } = await run(cluster, 'cancelled');
    await waitFor(async () => (await told()).includes('cancelled begun'), { what: 'the attempt under way' });
    await cluster.client.operate(processId, 'cancel');
    await waitFor(async () => (await told()).includes('cancelled AbortError'), { what: 'the abort' });
    expect(await cluster.client.ended(processId)).toBe('CANCELED');
  });

  it('that throw where nobody can catch it do not end the engine', async () => {
    const { pid } = cluster.stack.service('process-engine');
    const { processId } = await run(cluster, 'strayed');
    expect(await cluster.client.ended(processId)).toBe('DONE');
    await waitFor(async () => (await cluster.metric('drover_engine_in_process_stray_errors')) === 2, { what: 'both' });
    expect(cluster.stack.service('process-engine')).toMatchObject({ pid, running: true });
  });

  it('get copies: what they do to them changes nothing', async () => {
    const { client } = cluster;
    await client.define(type('meddled'));
    const { resource, processId } = await client.create('meddled', { seen: ['a', 'b'] });
    await client.ended(processId!);
    const started = await client.start('meddled.run', resource.id, { asked: [1, 2, 3] });
    expect(await client.ended(started.processId!)).toBe('PARKED');
    await client.operate(started.processId!, 'replay');
    await client.until(resource.id, { transitioning: 'error' });
    expect((await client.read(resource.id)).data).toMatchObject({ seen: ['a', 'b'], size: 23 });
  });

  it('fail with their own code, for good when they say so', async () => {
    const { processId } = await run(cluster, 'refused');
    expect(await cluster.client.ended(processId)).toBe('PARKED');
    const { progress, ...process } = await cluster.client.process(processId);
    expect(process).toMatchObject({ errorCode: 'NoSpace', errorMessage: 'full' });
    expect(progress['steps']).toHaveLength(1);
  });

  it('are called again after a delay, and chain', async () => {
    const { id } = await run(cluster, 'delayed');
    await cluster.client.until(id, { state: 'inactive', transitioning: 'no' });
    expect((await cluster.client.read(id)).data['size']).toBe(2);
    expect((await cluster.client.processesOf(id)).map(({ name }) => name)).toEqual([
      'delayed.create',
      'delayed.run',
      'delayed.halt',
    ]);
  });

  it.each([
    ['odd1', 'no JSON'],
    ['odd2', 'circular'],
    ['odd3', 'cannot be shown'],
    ['odd4', 'context.progress()'],
  ])('that answer garbage fail with a reason: %s', async (name, reason) => {
    const { processId } = await run(cluster, name);
    expect(await cluster.client.ended(processId)).toBe('PARKED');
    expect(await cluster.client.process(processId)).toMatchObject({ errorMessage: expect.stringContaining(reason) });
  });
});

describe('check mode', () => {
  let cwd: string;
  let cluster: Cluster;
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'drover-checked-'));
    await write(cwd, CHECKED);
    const env = { DROVER_HANDLERS: './plugins', DROVER_HANDLERS_CHECK: 'on' };
    cluster = await Cluster.start({ cwd, env });
  });
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await rm(cwd, { recursive: true, force: true });
  });

  it('lets a handler pass that does the same twice', async () => {
    const { id, processId } = await run(cluster, 'steady');
    expect(await cluster.client.ended(processId)).toBe('DONE');
    expect((await cluster.client.read(id)).data['seen']).toEqual([expect.stringMatching(/^1pi\d+\.handle\.steady$/)]);
  });

  it('fails one that does not, at once, says what differed, and counts it', async () => {
    const { id, processId } = await run(cluster, 'moody');
    expect(await cluster.client.ended(processId)).toBe('PARKED');
    const process = await cluster.client.process(processId);
    expect(process).toMatchObject({
      errorCode: 'HandlerNotRepeatable',
      errorMessage: expect.stringContaining('data.size differs: 1, then 2'),
    });
    expect(process.progress['steps']).toHaveLength(1);
    expect((await cluster.client.read(id)).data['size'] ?? null).toBe(null);
    expect(await cluster.metric('drover_engine_in_process_not_repeatable')).toBe(1);
  });

  it('leaves a handler that always fails to its retries', async () => {
    const { processId } = await run(cluster, 'failing');
    expect(await cluster.client.ended(processId)).toBe('PARKED');
    expect(await cluster.client.process(processId)).toMatchObject({
      errorCode: 'UNKNOWN_EXCEPTION',
      errorMessage: 'always',
    });
  });
});

describe('the example folder', () => {
  it('runs with the example definitions', async () => {
    await using cluster = await Cluster.start({
      definitions: join(ROOT, 'examples/definitions'),
      env: { DROVER_HANDLERS: './examples/handlers/in-process', DROVER_HANDLERS_CHECK: 'on' },
    });
    const { client } = cluster;
    const { resource } = await client.create('volume', { sizeMb: 10 });
    await client.until(resource.id, { state: 'inactive' });
    const { processId } = await client.start('volume.activate', resource.id);
    expect(await client.ended(processId!)).toBe('DONE');
    expect((await client.read(resource.id)).data['device']).toBe(`/dev/pool/1pi${processId}.handle.place-volume`);
  });
});

it('an engine whose plug-ins are not whole does not start, and says why', async () => {
  const main = join(ROOT, 'apps/process-engine/dist/main.js');
  const env = { PATH: process.env['PATH'], DROVER_HANDLERS: './nowhere,@acme/none' };
  const ended = await new Promise<{ code: unknown; text: string }>((resolve) =>
    execFile(process.execPath, [main], { env, cwd: tmpdir() }, (error, out, err) =>
      resolve({ code: error?.code, text: out + err }),
    ),
  );
  expect(ended.code).toBe(1);
  expect(ended.text).toMatch(/there is no folder or file .*nowhere[^]*no package @acme\/none/);
});
