import { removeFolder, scratchFolder } from './scratch.js';
import { resolveNatsServer, startNatsServer } from './servers.js';

export interface NatsOptions {
  /** A series such as `2.9`; the current pinned version unless given. */
  version?: string;
  /** Folder to keep the store in; a new one, removed at the end, unless given. */
  storeDir?: string;
  /** A free one unless given. */
  port?: number;
}

/** A real nats-server with JetStream, on loopback. Ends with its scope. */
export interface NatsServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** As the server's program says it: `2.14.1`. */
  readonly version: string;
  readonly storeDir: string;
  readonly logFile: string;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it again, or after stopping it, on the same port and store. */
  restart(): Promise<void>;
  /** Clean stop; the store stays, and `restart` still works. */
  stop(): Promise<void>;
}

/**
 * For a test that runs with an old series of nats-server as well: skips it, and says why, where that series is not to be had.
 * @param version undefined: the pinned one, which must be there
 * @param skip of the test's context
 */
export async function startNatsOf(version: string | undefined, skip: (reason: string) => never): Promise<NatsServer> {
  try {
    return await startNats(version === undefined ? {} : { version });
  } catch (error) {
    if (version === undefined) throw error;
    return skip(`nats-server ${version} is not to be had here: ${(error as Error).message}`);
  }
}

/**
 * Starts a nats-server of its own; DROVER_NATS_URL is not looked at, since tests end and break their servers.
 * @throws Error that says what to do when no nats-server can be found or fetched
 */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const resolved = await resolveNatsServer({
    env: { ...process.env, DROVER_NATS_URL: '' },
    ...(options.version ? { version: options.version } : {}),
  });
  const path = resolved.path!;
  const dir = options.storeDir ?? (await scratchFolder('nats'));
  let running = await startNatsServer({ path, dir, port: options.port ?? 0 });
  const port = running.port;
  const stop = async (): Promise<void> => void (await running.child.stop());
  return {
    url: running.url,
    port,
    get pid() {
      return running.child.pid;
    },
    version: resolved.version!,
    storeDir: dir,
    logFile: running.logFile,
    kill: async () => void (await running.child.kill()),
    stop,
    restart: async () => {
      await stop();
      running = await startNatsServer({ path, dir, port });
    },
    [Symbol.asyncDispose]: async () => {
      await stop();
      if (!options.storeDir) await removeFolder(dir);
    },
  };
}
