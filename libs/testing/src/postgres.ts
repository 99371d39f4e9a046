import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { removeFolder, scratchFolder } from './scratch.js';
import { startPostgresServer } from './servers.js';

/** Where global-setup.ts leaves the URL of the run's shared server. */
export const SHARED_POSTGRES = 'DROVER_TEST_POSTGRES_URL';

/** A database of its own on a server that others may share. Dropped with its scope. */
export interface TestDatabase extends AsyncDisposable {
  readonly url: string;
  readonly name: string;
}

/** A real PostgreSQL, on loopback. Ends with its scope. */
export interface PostgresServer extends AsyncDisposable {
  /** URL of an empty database; `createDatabase` gives further ones. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly dataDir: string;
  readonly logFile: string;
  createDatabase(): Promise<TestDatabase>;
  /** SIGKILL; resolves when the postmaster is gone. */
  kill(): Promise<void>;
  /** Starts it again, or after stopping it, on the same port and data. */
  restart(): Promise<void>;
  /** Fast clean stop; `restart` still works. */
  stop(): Promise<void>;
}

export interface PostgresOptions {
  /** True writes through to the disk: for measurements. Tests survive a killed server without it. */
  durable?: boolean;
  port?: number;
  /** Folder to keep the data in; a new one, removed at the end, unless given. */
  dir?: string;
}

/** Starts a server for one test's own use: to kill it, to restart it. For everything else `createDatabase` is cheaper. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const dir = options.dir ?? (await scratchFolder('postgres'));
  const durable = options.durable ?? false;
  let running = await startPostgresServer({ dir, durable, ...(options.port ? { port: options.port } : {}) });
  const { url, port, dataDir, logFile } = running;
  await proveOwn(url, dataDir);
  const stop = async (): Promise<void> => void (await running.child.stop());
  return {
    url,
    port,
    dataDir,
    logFile,
    get pid() {
      return running.child.pid;
    },
    createDatabase: () => createDatabaseOn(url),
    kill: async () => void (await running.child.kill()),
    stop,
    restart: async () => {
      await stop();
      running = await startPostgresServer({ dir, durable, port });
    },
    [Symbol.asyncDispose]: async () => {
      await stop();
      if (!options.dir) await removeFolder(dir);
    },
  };
}

let ownServer: Promise<PostgresServer> | undefined;

/**
 * A fresh, empty database on the vitest run's shared server. Outside of a run (a benchmark, a script) the first call
 * starts a server that lives as long as the program.
 */
export async function createDatabase(): Promise<TestDatabase> {
  const shared = process.env[SHARED_POSTGRES];
  if (shared) return createDatabaseOn(shared);
  ownServer ??= startPostgres();
  return (await ownServer).createDatabase();
}

async function createDatabaseOn(serverUrl: string): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await statement(serverUrl, `CREATE DATABASE ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    name,
    [Symbol.asyncDispose]: async () =>
      void (await statement(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
  };
}

/** Refuses a server that merely answers on our port. */
async function proveOwn(url: string, dataDir: string): Promise<void> {
  const [row] = await statement(url, 'SHOW data_directory');
  if (row?.data_directory !== dataDir) throw new Error(`${new URL(url).host} is another PostgreSQL`);
}

async function statement(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  // A server that is killed under an idle client must not end the test program.
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
