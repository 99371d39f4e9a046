import { execFile } from 'node:child_process';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startNats, type NatsServer } from './nats.js';
import { createDatabase } from './postgres.js';
import { removeFolder, scratchFolder } from './scratch.js';
import { freePort, startChild, type Child } from './servers.js';
import { waitFor } from './wait-for.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** One Nest application boots in 1–4 s; six at once on two loaded cores take longer. */
const READY_MILLIS = 60_000;

/** `process-engine` when there is one, `process-engine-2` for the second replica, and so on. */
export type ServiceName =
  'gateway' | 'process-engine' | 'resource-store' | `${'process-engine' | 'resource-store'}-${number}`;

type App = 'gateway' | 'process-engine' | 'resource-store';

export interface StackOptions {
  /** Apps to start; all three unless given. */
  only?: App[];
  /** Replicas; 1 unless given. */
  engines?: number;
  stores?: number;
  /** Added to every service's environment; wins over the harness's own values. */
  env?: Record<string, string>;
  /** Working directory of the services; the repository unless given. */
  cwd?: string;
  /** Folder of definitions the store loads; `examples/definitions` unless given, none when null. */
  definitions?: string | null;
  /** Servers to use instead of own ones. They are not stopped with the stack. */
  nats?: Pick<NatsServer, 'url'>;
  databaseUrl?: string;
}

/** One service program. */
export interface RunningService {
  readonly name: ServiceName;
  readonly pid: number;
  readonly adminUrl: string;
  readonly logFile: string;
  readonly running: boolean;
}

/** The real services, built, as programs of their own, on servers of their own. Ends with its scope. */
export interface Stack extends AsyncDisposable {
  /** The gateway's public address, without a slash at the end. */
  readonly url: string;
  readonly natsUrl: string;
  readonly databaseUrl: string;
  /** The stack's own server; undefined when `nats` was given. */
  readonly nats: NatsServer | undefined;
  readonly services: readonly RunningService[];
  service(name: ServiceName): RunningService;
  /** SIGKILL. */
  kill(name: ServiceName): Promise<void>;
  /** SIGTERM, then again with the same ports; resolves when ready. Also starts a killed one. */
  restart(name: ServiceName): Promise<void>;
  /** SIGSTOP and SIGCONT: a program that hangs and one that comes back. */
  pause(name: ServiceName): void;
  resume(name: ServiceName): void;
  /** Copies all logs to test-artifacts/<label>; `vitest`'s onTestFailed is the place to call it from. */
  keepLogs(label: string): Promise<string>;
}

interface Service {
  name: ServiceName;
  app: App;
  adminPort: number;
  env: Record<string, string>;
  cwd: string;
  child: Child;
}

/**
 * Builds if needed, starts NATS and the services, and waits until each says it is ready.
 * @throws Error that names the log when a service does not get ready; logs are kept in test-artifacts/
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  await build();
  const logs = await scratchFolder('stack');
  const closing = new Releases();
  closing.add(() => removeFolder(logs));
  try {
    const nats = options.nats ? undefined : closing.use(await startNats());
    const databaseUrl = options.databaseUrl ?? closing.use(await createDatabase()).url;
    const natsUrl = options.nats?.url ?? nats!.url;
    const httpPort = await freePort();
    const shared = commonEnv(options, natsUrl, databaseUrl, httpPort);
    const services: Service[] = [];
    // Stopped in one go and before the servers they use: whatever is added later is closed earlier.
    closing.add(async () => void (await Promise.all(services.map((service) => service.child.stop()))));
    for (const [name, app] of names(options)) {
      const adminPort = await freePort();
      const env = { ...shared, DROVER_ADMIN_PORT: String(adminPort), ...options.env };
      const { cwd = ROOT } = options;
      services.push({ name, app, adminPort, env, cwd, child: launch(name, app, env, logs, cwd) });
    }
    const stack = facade({ services, logs, nats, natsUrl, databaseUrl, url: `http://127.0.0.1:${httpPort}`, closing });
    await Promise.all(services.map(ready)).catch(async (error: Error) => {
      error.message += `\nlogs: ${await stack.keepLogs(`start-${process.pid}-${Date.now()}`)}`;
      throw error;
    });
    return stack;
  } catch (error) {
    await closing.close();
    throw error;
  }
}

/** Gives up what was acquired, last first. (Node 20 has no AsyncDisposableStack.) */
class Releases {
  private readonly releases: (() => Promise<unknown>)[] = [];

  add(release: () => Promise<unknown>): void {
    this.releases.unshift(release);
  }

  use<T extends AsyncDisposable>(resource: T): T {
    this.add(async () => resource[Symbol.asyncDispose]());
    return resource;
  }

  async close(): Promise<void> {
    for (const release of this.releases.splice(0)) await release();
  }
}

let building: Promise<unknown> | undefined;

/** `tsc -b` does nothing when nothing changed. Once per program. */
function build(): Promise<unknown> {
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const apps = ['gateway', 'process-engine', 'resource-store'].map((app) =>
    join(ROOT, 'apps', app, 'tsconfig.lib.json'),
  );
  building ??= process.env.DROVER_TEST_BUILT
    ? Promise.resolve()
    : promisify(execFile)(process.execPath, [tsc, '-b', ...apps], { cwd: ROOT }).catch((error) => {
        throw new Error(`the services do not build:\n${error.stdout}`);
      });
  return building;
}

function names({ only = ['resource-store', 'process-engine', 'gateway'], engines = 1, stores = 1 }: StackOptions) {
  const replicas = { 'resource-store': stores, 'process-engine': engines, gateway: 1 };
  return only.flatMap((app) =>
    Array.from(
      { length: replicas[app] },
      (_, index) => [index === 0 ? app : `${app}-${index + 1}`, app] as [ServiceName, App],
    ),
  );
}

function commonEnv({ definitions }: StackOptions, natsUrl: string, databaseUrl: string, httpPort: number) {
  const folder = definitions === undefined ? join(ROOT, 'examples', 'definitions') : definitions;
  return {
    DROVER_NATS_URL: natsUrl,
    DROVER_DATABASE_URL: databaseUrl,
    DROVER_HTTP_HOST: '127.0.0.1',
    DROVER_HTTP_PORT: String(httpPort),
    DROVER_AUTH: 'off',
    DROVER_LOG_LEVEL: 'info',
    ...(folder === null ? {} : { DROVER_DEFINITIONS: folder }),
  };
}

/** Only what a program needs to run: no DROVER_ variable of the developer's shell leaks into a test. */
function launch(name: ServiceName, app: App, env: Record<string, string>, logs: string, cwd: string): Child {
  const { PATH = '', HOME = '' } = process.env;
  return startChild({
    name,
    command: process.execPath,
    args: [join(ROOT, 'apps', app, 'dist', 'main.js')],
    logFile: join(logs, `${name}.log`),
    cwd,
    env: { PATH, HOME, ...(app === 'resource-store' ? env : without(env, 'DROVER_DATABASE_URL')) },
  });
}

function without(env: Record<string, string>, key: string): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => name !== key));
}

async function ready(service: Service): Promise<void> {
  const url = `http://127.0.0.1:${service.adminPort}/readyz`;
  const look = async (): Promise<string | false> => {
    if (!service.child.running) return service.child.exited;
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
    return response.ok && 'ready';
  };
  const answer = await waitFor(look, { timeoutMillis: READY_MILLIS, everyMillis: 50, what: `${service.name} ready` });
  if (answer !== 'ready') throw new Error(`${service.name} ${answer}`);
}

function facade(parts: {
  services: Service[];
  logs: string;
  nats: NatsServer | undefined;
  natsUrl: string;
  databaseUrl: string;
  url: string;
  closing: Releases;
}): Stack {
  const { services, logs, closing } = parts;
  const find = (name: ServiceName): Service => {
    const service = services.find((candidate) => candidate.name === name);
    if (!service)
      throw new Error(`the stack has no ${name}: ${services.map((candidate) => candidate.name).join(', ')}`);
    return service;
  };
  const show = (service: Service): RunningService => ({
    name: service.name,
    pid: service.child.pid,
    adminUrl: `http://127.0.0.1:${service.adminPort}`,
    logFile: service.child.logFile,
    running: service.child.running,
  });
  return {
    url: parts.url,
    natsUrl: parts.natsUrl,
    databaseUrl: parts.databaseUrl,
    nats: parts.nats,
    get services() {
      return services.map(show);
    },
    service: (name) => show(find(name)),
    kill: async (name) => void (await find(name).child.kill()),
    pause: (name) => void process.kill(find(name).child.pid, 'SIGSTOP'),
    resume: (name) => void process.kill(find(name).child.pid, 'SIGCONT'),
    restart: async (name) => {
      const service = find(name);
      await service.child.stop();
      service.child = launch(service.name, service.app, service.env, logs, service.cwd);
      await ready(service);
    },
    keepLogs: async (label) => {
      const target = join(ROOT, 'test-artifacts', label.replaceAll(/[^\w.-]+/g, '-'));
      await mkdir(target, { recursive: true });
      await cp(logs, target, { recursive: true });
      if (parts.nats) await cp(parts.nats.logFile, join(target, 'nats-server.log'));
      return target;
    },
    [Symbol.asyncDispose]: () => closing.close(),
  };
}
