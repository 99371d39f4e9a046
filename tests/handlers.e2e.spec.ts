import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectNats } from '@drover/messaging';
import { startNats, startStack, type Stack, waitFor } from '@drover/testing';
import { headers } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toolchains } from '../tools/lib/toolchains.mjs';

const HANDLERS = fileURLToPath(new URL('../examples/handlers/', import.meta.url));
const NAMES = ['demo', 'py-demo', 'micro-demo', 'go-demo', 'durable-demo', 'py-durable-demo'];

interface Program {
  command: string[];
  env: Record<string, string>;
}

interface Handler {
  child: ChildProcess;
  /** where it keeps its containers */
  folder: string;
  output: () => string;
}

interface Instance {
  id: string;
  state: string;
  containerId: string | null;
}

interface Step {
  phase: string;
  handler: string;
  outcome: string;
}

let folder: string;
/** What starts each handler here, or why it cannot be started. */
const programs = new Map<string, Program | string>();
const running: Handler[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drover-handlers-'));
  const { python, pythonReason, go, goReason } = await toolchains();
  const script = (file: string): Program | string =>
    python === null ? pythonReason! : { command: [python.path, join(HANDLERS, file)], env: python.env };
  programs.set('demo', { command: [process.execPath, join(HANDLERS, 'typescript/dist/main.js')], env: {} });
  programs.set('durable-demo', { command: [process.execPath, join(HANDLERS, 'typescript/dist/durable.js')], env: {} });
  programs.set('py-durable-demo', script('python/durable_driver.py'));
  programs.set('py-demo', script('python/container_driver.py'));
  programs.set('micro-demo', script('micro/container_service.py'));
  programs.set('go-demo', go === null ? goReason! : { command: [go], env: {} });
  for (const [name, program] of programs) {
    if (typeof program === 'string') console.warn(`\n*** ${name} IS NOT TESTED: ${program}\n`);
  }
});

afterAll(async () => {
  await Promise.all(running.map(stop));
  await rm(folder, { recursive: true, force: true });
});

/** The four drivers are active together, as four handlers of the same processes: each is asked, one after the other. */
describe('the example handlers, each a program of its own', () => {
  let stack: Stack;
  const handlers = new Map<string, Handler>();

  beforeAll(async () => {
    stack = await startStack();
    for (const [name, program] of programs) {
      if (typeof program !== 'string') handlers.set(name, start(name, program, stack.natsUrl));
    }
    for (const [name, { output }] of handlers) {
      await waitFor(() => output().includes('is registered: {'), { what: `${name}: ${output()}` });
    }
  });

  afterAll(async () => {
    await Promise.all([...handlers.values()].map(stop));
    await stack?.[Symbol.asyncDispose]();
  });

  it.for(NAMES)('%s starts the container of an instance once, and stops it', async (name, { skip }) => {
    const handler = handlers.get(name);
    if (handler === undefined) return skip(programs.get(name) as string);

    const { id } = await call<Instance>('POST', '/v1/instances', { name, imageUuid: 'docker:nginx' });
    const container = join(handler.folder, id);
    await reaches(id, 'stopped');
    expect(existsSync(container)).toBe(false);

    await call('POST', `/v1/instances/${id}?action=start`);
    const instance = await reaches(id, 'running');
    expect(instance.containerId).toMatch(new RegExp(`-demo-${id}$|^demo-${id}$`));
    const { processId, steps } = await startOf(id);
    expect(steps.filter((step) => step.handler === name)).toMatchObject([{ phase: 'handle', outcome: 'done' }]);
    expect(await readFile(container, 'utf8'), 'the key of the start that made it').toBe(
      `${processId}.handle.${name}\n`,
    );

    await call('POST', `/v1/instances/${id}?action=stop`);
    const stopped = await reaches(id, 'stopped');
    expect(stopped.containerId).toBeNull();
    expect(existsSync(container)).toBe(false);

    await call('DELETE', `/v1/instances/${id}`);
    await reaches(id, 'removed');
  });

  it('a handler that is told to stop ends by itself', async () => {
    const demo = handlers.get('demo')!;
    await stop(demo);
    expect(demo.child.exitCode).toBe(0);
  });

  async function call<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(stack.url + path, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(method === 'POST' ? { body: JSON.stringify(body ?? {}) } : {}),
    });
    const answer = (await response.json()) as T;
    expect(response.status, JSON.stringify(answer)).toBeLessThan(300);
    return answer;
  }

  function reaches(id: string, state: string): Promise<Instance> {
    return waitFor(
      async () => {
        const instance = await call<Instance>('GET', `/v1/instances/${id}`);
        if (instance.state !== state) throw new Error(`${id} is ${instance.state}`);
        return instance;
      },
      { what: `${id} in state ${state}` },
    );
  }

  /** The resource's only start, with the steps of all its attempts. */
  async function startOf(id: string): Promise<{ processId: string; steps: Step[] }> {
    const starts = `/v1/processinstances?resourceId=${id}&processName=instance.start`;
    const { data } = await call<{ data: { id: string }[] }>('GET', starts);
    expect(data).toHaveLength(1);
    const processId = data[0]!.id;
    const executions = `/v1/processexecutions?processInstanceId=${processId}`;
    const attempts = await call<{ data: { steps: Step[] }[] }>('GET', executions);
    return { processId, steps: attempts.data.flatMap(({ steps }) => steps) };
  }
});

describe('an example handler that cannot register', () => {
  it.for(NAMES)('%s says why and ends with an error, for its supervisor to start it again', async (name, { skip }) => {
    const program = programs.get(name)!;
    if (typeof program === 'string') return skip(program);
    await using nats = await startNats();

    const unheard = start(name, program, nats.url);
    await ends(unheard);
    expect([unheard.child.exitCode, unheard.output()]).toEqual([1, expect.stringMatching(/no.?responders/i)]);

    const gateway = await connectNats(nats.url, 'gateway');
    const refusal = headers();
    refusal.set('Drover-Error', 'InvalidFormat');
    gateway.subscribe('drover.handler.register', {
      callback: (_error, message) => void message.respond('{"code":"InvalidFormat"}', { headers: refusal }),
    });
    await gateway.flush();
    const refused = start(name, program, nats.url);
    await ends(refused);
    await gateway.close();
    expect(refused.child.exitCode).toBe(1);
    expect(refused.output()).toContain(`${name} is not registered: {"code":"InvalidFormat"}`);
  });
});

describe('an example handler is short', () => {
  const sources = ['typescript/src/main.ts', 'python/container_driver.py', 'micro/container_service.py', 'go/main.go'];

  it.for(sources)('%s has fewer than 40 lines of its own', async (file) => {
    const text = await readFile(join(HANDLERS, file), 'utf8');
    expect(ownLines(text).length).toBeLessThan(40);
  });

  // They answer and acknowledge by hand, where the others return what the library sends.
  it.for(['typescript/src/durable.ts', 'python/durable_driver.py'])(
    '%s, with durable delivery, has fewer than 45 lines of its own',
    async (file) => {
      const text = await readFile(join(HANDLERS, file), 'utf8');
      expect(ownLines(text).length).toBeLessThan(45);
    },
  );
});

function start(name: string, { command, env }: Program, natsUrl: string): Handler {
  const own = join(folder, name);
  const child = spawn(command[0]!, command.slice(1), {
    env: { ...process.env, ...env, DROVER_NATS_URL: natsUrl, DROVER_CONTAINERS_DIR: own },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const handler = { child, folder: own, output: () => output };
  running.push(handler);
  return handler;
}

async function stop({ child }: Handler): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

/** Its end, with all that it printed. */
async function ends({ child }: Handler): Promise<void> {
  await once(child, 'close');
}

/** Neither blank nor a comment; in Go, neither the import block, which only repeats what the code names. */
function ownLines(text: string): string[] {
  const code = text.replace(/^import \(\n[^)]*\n\)$/m, '').split('\n');
  return code.filter((line) => !/^\s*($|\/\/|#|\/\*|\*)/.test(line));
}
