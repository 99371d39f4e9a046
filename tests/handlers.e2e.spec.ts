import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startStack, type Stack, waitFor } from '@drover/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toolchains } from '../tools/lib/toolchains.mjs';

const HANDLERS = fileURLToPath(new URL('../examples/handlers/', import.meta.url));

interface Program {
  command: string[];
  env: Record<string, string>;
}

interface Handler {
  name: string;
  child: ChildProcess;
  folder: string;
  output: () => string;
}

interface Instance {
  id: string;
  state: string;
  containerId: string | null;
}

/** The four drivers are active together, as four handlers of the same processes: each is asked, one after the other. */
describe('the example handlers, each a program of its own', () => {
  let stack: Stack;
  let folder: string;
  const handlers = new Map<string, Handler>();
  const leftOut = new Map<string, string>();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drover-handlers-'));
    stack = await startStack();
    for (const [name, program] of await programs()) {
      if (typeof program === 'string') {
        leftOut.set(name, program);
        console.warn(`\n*** ${name} IS NOT TESTED: ${program}\n`);
      } else {
        handlers.set(name, start(name, program));
      }
    }
    for (const handler of handlers.values()) {
      await waitFor(() => handler.output().includes('is registered'), { what: `${handler.name}: ${handler.output()}` });
    }
  });

  afterAll(async () => {
    await Promise.all([...handlers.values()].map(stop));
    await stack?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  it.for(['demo', 'py-demo', 'micro-demo', 'go-demo'])(
    '%s starts the container of an instance once, and stops it',
    async (name, { skip }) => {
      const handler = handlers.get(name);
      if (handler === undefined) return skip(leftOut.get(name));
      const startsBefore = await starts(handler);

      const { id } = await call('POST', '/v1/instances', { name: name, imageUuid: 'docker:nginx' });
      await reaches(id, 'stopped');
      expect(existsSync(join(handler.folder, id))).toBe(false);

      await call('POST', `/v1/instances/${id}?action=start`);
      const running = await reaches(id, 'running');
      expect(running.containerId).toMatch(new RegExp(`-demo-${id}$|^demo-${id}$`));
      expect(existsSync(join(handler.folder, id))).toBe(true);

      await call('POST', `/v1/instances/${id}?action=stop`);
      const stopped = await reaches(id, 'stopped');
      expect(stopped.containerId).toBeNull();
      expect(existsSync(join(handler.folder, id))).toBe(false);

      await call('DELETE', `/v1/instances/${id}`);
      await reaches(id, 'removed');
      const startsAfter = await starts(handler);
      expect(startsAfter.length - startsBefore.length).toBe(1);
      expect(new Set(startsAfter).size).toBe(startsAfter.length);
    },
  );

  it('a handler that is told to stop ends by itself', async () => {
    const demo = handlers.get('demo')!;
    await stop(demo);
    expect(demo.child.exitCode).toBe(0);
  });

  /** What starts each handler here, or why it cannot be started. */
  async function programs(): Promise<[string, Program | string][]> {
    const { python, pythonReason, go, goReason } = await toolchains();
    const script = (file: string): Program | string =>
      python === null ? pythonReason! : { command: [python.path, join(HANDLERS, file)], env: python.env };
    return [
      ['demo', { command: [process.execPath, join(HANDLERS, 'typescript/dist/main.js')], env: {} }],
      ['py-demo', script('python/container_driver.py')],
      ['micro-demo', script('micro/container_service.py')],
      ['go-demo', go === null ? goReason! : { command: [go], env: {} }],
    ];
  }

  function start(name: string, { command, env }: Program): Handler {
    const own = join(folder, name);
    const child = spawn(command[0]!, command.slice(1), {
      env: { ...process.env, ...env, DROVER_NATS_URL: stack.natsUrl, DROVER_CONTAINERS_DIR: own },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
    return { name, child, folder: own, output: () => output };
  }

  async function call(method: string, path: string, body?: object): Promise<Instance> {
    const response = await fetch(stack.url + path, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(method === 'POST' ? { body: JSON.stringify(body ?? {}) } : {}),
    });
    const answer = (await response.json()) as Instance;
    expect(response.status, JSON.stringify(answer)).toBeLessThan(300);
    return answer;
  }

  function reaches(id: string, state: string): Promise<Instance> {
    return waitFor(
      async () => {
        const instance = await call('GET', `/v1/instances/${id}`);
        if (instance.state !== state) throw new Error(`${id} is ${instance.state}`);
        return instance;
      },
      { what: `${id} in state ${state}` },
    );
  }
});

/** The keys of the events that really started a container. */
async function starts(handler: Handler): Promise<string[]> {
  const log = await readFile(join(handler.folder, 'starts.log'), 'utf8').catch(() => '');
  return log.split('\n').filter((line) => line !== '');
}

async function stop({ child }: Handler): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}
