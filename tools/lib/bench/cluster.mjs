import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NODE_FLAGS, startChild } from '../children.mjs';
import { ROOT } from '../install.mjs';
import { resolveNatsServer } from '../nats-server.mjs';
import { startNatsServer } from '../nats.mjs';
import { freePort } from '../ports.mjs';
import { startBenchDatabase } from './database.mjs';
import { untilOk, untilPrinted } from './until.mjs';

/** Clusters that have not been stopped yet: an interrupted benchmark leaves nothing behind. */
const running = new Set();
export async function stopAllClusters() {
  for (const cluster of running) await cluster.stop();
}

/**
 * A cluster of its own on free ports and in a temporary folder: PostgreSQL with fsync on and NATS, and what is started
 * on it with {@link Cluster#service}, {@link Cluster#handler} and {@link Cluster#limitEngine}; for as long as the work takes.
 * @param {object} options
 * @param {(line: string) => void} options.say
 * @param {boolean} [options.keep]        keeps logs and data
 * @param {string} [options.postgresDir]  a folder with data to run on, which is never removed
 * @param {string[]} [options.postgresSettings] `name=value` for the services' connections
 * @param {string} [options.profile]      folder for CPU profiles of the services
 * @template T
 * @param {(cluster: Cluster) => Promise<T>} work  when it fails, the logs are kept
 * @returns {Promise<T>}
 */
export async function withCluster({ say, keep = false, postgresDir, postgresSettings = [], profile }, work) {
  const nats = await resolveNatsServer({ say });
  if (!nats.path) throw new Error('the benchmark starts a nats-server of its own: unset DROVER_NATS_URL');
  const dir = await mkdtemp(join(tmpdir(), 'drover-bench-'));
  await chmod(dir, 0o711); // as root, PostgreSQL runs as another user, who has to enter it
  const cluster = new Cluster(dir, { say, keep, profile });
  running.add(cluster);
  try {
    await cluster.servers(nats.path, postgresDir ?? join(dir, 'postgres'), postgresSettings);
    return await work(cluster);
  } catch (error) {
    // Not when it was interrupted.
    if (running.has(cluster)) {
      cluster.keep = true;
      error.message += `\nlogs are kept in ${dir}`;
    }
    throw error;
  } finally {
    await cluster.stop();
  }
}

class Cluster {
  /** process numbers by component */
  pids = {};
  /** of the stores: their /metrics */
  metricsUrls = [];
  /** of the gateways */
  httpUrls = [];
  #children = [];

  constructor(dir, { say, keep, profile }) {
    Object.assign(this, { dir, say, keep, profile });
  }

  async servers(natsPath, postgresDir, postgresSettings) {
    const postgres = await startBenchDatabase({ dir: postgresDir, say: this.say });
    this.#add('postgres', postgres.child);
    const broker = await startNatsServer({ path: natsPath, dir: join(this.dir, 'nats') });
    this.#add('nats', broker.child);
    this.databaseUrl = postgres.url;
    this.natsUrl = broker.url;
    this.postgresLog = postgres.logFile;
    const options = postgresSettings.map((setting) => `-c ${setting}`).join(' ');
    this.env = {
      ...process.env,
      DROVER_NATS_URL: broker.url,
      DROVER_DATABASE_URL: options === '' ? postgres.url : `${postgres.url}?options=${encodeURIComponent(options)}`,
      DROVER_DATA_DIR: this.dir,
      DROVER_AUTH: 'off',
    };
  }

  /** of the first gateway */
  get httpUrl() {
    return this.httpUrls[0];
  }

  /**
   * Starts replicas of a service, one after the other, and waits until each is ready.
   * @param {'resource-store' | 'process-engine' | 'gateway'} app
   * @returns {Promise<import('../types.d.mts').Child[]>}
   */
  async service(app, { replicas = 1, env = {} } = {}) {
    const started = [];
    for (let i = 0; i < replicas; i++) {
      const [admin, http] = [await freePort(), app === 'gateway' ? await freePort() : undefined];
      const child = this.program(COMPONENTS[app], `${app}-${i}`, `apps/${app}/dist/main.js`, {
        DROVER_ADMIN_PORT: String(admin),
        ...(http ? { DROVER_HTTP_PORT: String(http) } : {}),
        ...env,
      });
      await untilOk(child, `http://127.0.0.1:${admin}/readyz`);
      if (app === 'resource-store') this.metricsUrls.push(`http://127.0.0.1:${admin}/metrics`);
      if (http) this.httpUrls.push(`http://127.0.0.1:${http}`);
      started.push(child);
    }
    return started;
  }

  handler(handlers) {
    return this.program('handler', 'handler', 'bench/dist/run/handler.js', { BENCH_HANDLERS: String(handlers) });
  }

  async limitEngine(resources) {
    const child = this.program('engine', 'limit-engine', 'bench/dist/limit/engine.js', {
      BENCH_RESOURCES: String(resources),
    });
    await untilPrinted(child, 'ready');
    return child;
  }

  program(component, name, file, env) {
    const profiled = this.profile !== undefined && file.startsWith('apps/');
    const child = startChild({
      name,
      command: process.execPath,
      args: [
        ...NODE_FLAGS,
        ...(profiled
          ? ['--trace-gc', '--cpu-prof', `--cpu-prof-dir=${this.profile}`, `--cpu-prof-name=${name}.cpuprofile`]
          : []),
        join(ROOT, file),
      ],
      logFile: join(this.dir, `${name}.log`),
      env: { NODE_ENV: 'production', ...this.env, ...env },
    });
    this.#add(component, child);
    return child;
  }

  /** The services have been stopped; the servers stay, and others may be started. */
  forgetServices() {
    for (const component of Object.values(COMPONENTS)) delete this.pids[component];
    this.metricsUrls = [];
    this.httpUrls = [];
  }

  async stop() {
    if (!running.delete(this)) return;
    for (const child of this.#children.splice(0).reverse()) await child.stop(30_000);
    if (this.keep) this.say(`logs and data are kept in ${this.dir}`);
    else await rm(this.dir, { recursive: true, force: true });
  }

  #add(component, child) {
    this.#children.push(child);
    (this.pids[component] ??= []).push(child.pid);
  }
}

/** As the lines name them. */
const COMPONENTS = { 'resource-store': 'store', 'process-engine': 'engine', gateway: 'gateway' };
