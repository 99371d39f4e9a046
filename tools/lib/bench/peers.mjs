/**
 * Our engine, the limit engine and the peers of bench/peers in turn. A peer has a folder there with `peer.mjs`, which
 * starts its programs, and `client.mjs`, which starts a process and hears of its end.
 */
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { startChild } from '../children.mjs';
import { ROOT } from '../install.mjs';
import { freePort } from '../ports.mjs';
import { run } from '../run.mjs';
import { runClient } from './client.mjs';
import { startBenchDatabase } from './database.mjs';
import { tail, untilOk, untilPrinted } from './until.mjs';

export const PEERS = join(ROOT, 'bench/peers');
const PACKAGES = join(PEERS, 'node_modules');

const running = new Set();
export async function stopAllPeers() {
  for (const kit of running) await kit.stop();
}

/**
 * What is measured of a peer.
 * @param {Record<string, number>} [set]  settings of it that are tried, instead of the usual variants
 * @returns {Promise<{name: string, variant?: string, settings: object, module: object}[]>}
 */
export async function contendersOf(name, set = {}) {
  const module = await import(pathToFileURL(join(PEERS, name, 'peer.mjs')).href);
  const tried = Object.entries(set).filter(([setting]) => setting in module.settings);
  const own = tried.map(([setting, value]) => `${setting} ${value}`).join(', ');
  const variants = tried.length === 0 ? module.variants : [{ name: own, settings: Object.fromEntries(tried) }];
  return variants.map((variant) => ({
    ...{ name, variant: variant.name, module },
    settings: { ...module.settings, ...variant.settings },
  }));
}

/**
 * One line for each number of processes in flight, all on the same servers, made for them alone.
 * @param {object} options
 * @param {{name: string, variant?: string, settings: object, module: object}} options.contender
 * @param {number[]} options.inflights
 * @param {object} options.config  what every line shares: run, commit, resources, warmupSeconds, seconds
 */
export async function measurePeer({ contender, inflights, config, keep, say, print }) {
  const dir = await mkdtemp(join(tmpdir(), 'drover-bench-'));
  await chmod(dir, 0o711); // as root, PostgreSQL runs as another user, who has to enter it
  const kit = new Kit(dir, { keep, say, resources: config.resources });
  running.add(kit);
  try {
    const up = await contender.module.up(kit, contender.settings);
    for (const inflight of inflights) {
      const { countsUrl, databaseUrl, pids, versions, client } = up;
      const { settings } = contender;
      const line = await kit.load({
        ...{ ...config, inflight, pids, settings, versions, client, countsUrl, databaseUrl },
        engine: contender.name,
        variant: contender.variant,
        start: contender.module.start,
        clientModule: join(PEERS, contender.name, 'client.mjs'),
      });
      kit.mustRun();
      print(line);
    }
  } catch (error) {
    if (running.has(kit)) kit.keep = true; // not when it was interrupted
    throw error;
  } finally {
    await kit.stop();
  }
}

/** What a peer starts its programs with. They are stopped backwards, by process number. */
class Kit {
  root = PEERS;
  packages = PACKAGES;
  printed = untilPrinted;
  untilOk = untilOk;
  #children = [];
  #client;

  constructor(dir, { keep, say, resources }) {
    Object.assign(this, { dir, keep, say, resources });
  }

  /** PostgreSQL as our own benchmark has it: fsync, full_page_writes and synchronous_commit on. */
  async postgres() {
    const { child, url } = await startBenchDatabase({ dir: join(this.dir, 'postgres'), say: this.say });
    this.#children.push(child);
    return { pid: child.pid, url };
  }

  /** Free ports. Each is asked for before the next is used, so a program that listens late may still lose one. */
  async ports(count) {
    const ports = new Set();
    while (ports.size < count) ports.add(await freePort());
    return [...ports];
  }

  /** The handler that is called over HTTP: `POST <url>/handle`. */
  async handler() {
    const [port] = await this.ports(1);
    const child = this.program('handler', 'lib/handler.mjs', { BENCH_HANDLER_PORT: String(port) });
    await this.printed(child, 'ready');
    const url = `http://127.0.0.1:${port}`;
    return { pid: child.pid, url, countsUrl: `${url}/counts` };
  }

  program(name, file, env) {
    return this.command(name, process.execPath, [join(PEERS, file)], env);
  }

  command(name, command, args, env = {}) {
    const child = startChild({
      ...{ name, command, args, logFile: join(this.dir, `${name}.log`), cwd: this.dir },
      env: { NODE_ENV: 'production', ...process.env, ...env },
    });
    this.#children.push(child);
    return child;
  }

  /** Runs a tool of the peer to its end. */
  async run(command, args) {
    const done = await run(command, args, { timeoutMillis: 120_000, cwd: this.dir });
    if (!done.ok) throw new Error(`${command} ${args.at(-1)} failed: ${done.reason}`);
  }

  /** Runs the load generator. @returns its line */
  load(config) {
    return runClient('peers/client.js', config, (child) => (this.#client = child));
  }

  /** A program that died in between makes the line worth nothing. */
  mustRun() {
    const dead = this.#children.find((child) => !child.running);
    if (dead) throw new Error(`${dead.name} ended during the run: ${tail(dead.logFile)}`);
  }

  version(name) {
    return JSON.parse(readFileSync(join(PACKAGES, name, 'package.json'), 'utf8')).version;
  }

  /** The version that a go.mod of ours pins. */
  async goVersion(folder, module) {
    const text = await readFile(join(PEERS, folder, 'go.mod'), 'utf8');
    return (
      text
        .split('\n')
        .map((line) => line.trim().split(/\s+/))
        .find(([name]) => name === module)?.[1] ?? 'unknown'
    );
  }

  async stop() {
    if (!running.delete(this)) return;
    this.#client?.kill('SIGKILL'); // when interrupted: it would tell of servers that went away
    // Nothing of a peer outlives its data, so none is waited for long; PostgreSQL ends its connections' programs first.
    for (const child of this.#children.splice(0).reverse())
      await child.stop(child.name === 'PostgreSQL' ? 30_000 : 3_000);
    if (this.keep) this.say(`logs and data are kept in ${this.dir}`);
    else await rm(this.dir, { recursive: true, force: true });
  }
}
