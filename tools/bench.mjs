/**
 * Measures processes per second on a cluster of its own: PostgreSQL with fsync on, NATS, resource-store, process-engine,
 * one external handler and one client, each a program of its own, on free ports and a temporary folder.
 *   npm run bench -- --inflight 256 --seconds 20      one line of JSON
 *   npm run bench -- --limit                          the hand-written limit engine instead
 *   npm run bench -- --compare --rounds 3             both, alternately, and the medians with their ratio
 *   npm run bench -- --handlers 5                    as many external handlers, one after the other (0: none)
 *   npm run bench -- --takeover                      two engines, one killed: how long its work takes to go on
 *   npm run bench -- --smoke                          a few seconds, to see that it runs
 * docs/benchmarks/README.md says what a process is and how to read the line.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { spawn } from 'node:child_process';
import { releaseGuard, startChild } from './lib/children.mjs';
import { startNatsServer } from './lib/nats.mjs';
import { resolveNatsServer } from './lib/nats-server.mjs';
import { freePort } from './lib/ports.mjs';
import { startPostgresServer } from './lib/postgres.mjs';
import { run } from './lib/run.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const { values: options } = parseArgs({
  options: {
    inflight: { type: 'string', default: '256' },
    seconds: { type: 'string', default: '20' },
    warmup: { type: 'string', default: '3' },
    resources: { type: 'string' },
    limit: { type: 'boolean', default: false },
    compare: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    smoke: { type: 'boolean', default: false },
    handlers: { type: 'string', default: '1' },
    /** kills one of two engines in the middle: how long what was accepted before takes to end */
    takeover: { type: 'boolean', default: false },
    engines: { type: 'string', default: '1' },
    stores: { type: 'string', default: '1' },
    /** folder for CPU profiles of our services; a profiled line is slower and says so */
    profile: { type: 'string' },
    /** milliseconds: plans of slower statements of the store go to PostgreSQL's log, which --keep keeps */
    explain: { type: 'string' },
    /** keeps logs and data */
    keep: { type: 'boolean', default: false },
    build: { type: 'boolean', default: true },
  },
  allowNegative: true,
});
if (options.takeover) options.engines = '2';
if (options.smoke) Object.assign(options, { seconds: '3', warmup: '1', inflight: '32', rounds: '1' });

const say = (line) => process.stderr.write(`${line}\n`);
const number = (name) => {
  const value = Number(options[name]);
  if (!Number.isFinite(value) || value <= 0) throw new Error(`--${name} takes a number above 0`);
  return value;
};

/** Everything that has been started, in order; stopped backwards. */
const running = [];
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    interrupted = true;
    void stopAll().then(() => process.exit(130));
  });
}

try {
  await build();
  const lines = [];
  for (const engine of plan()) {
    const line = await measure(engine);
    lines.push(line);
    console.log(JSON.stringify(line));
  }
  if (options.compare) console.log(JSON.stringify(summary(lines)));
  if (lines.some((line) => line.errors > 0)) process.exitCode = 1;
} catch (error) {
  if (!interrupted) say(`bench: ${error.message}`);
  process.exitCode = 1;
} finally {
  await stopAll();
  await releaseGuard();
}

function plan() {
  if (options.compare) return Array.from({ length: number('rounds') }, () => ['limit', 'drover']).flat();
  return [options.limit ? 'limit' : 'drover'];
}

/** Incremental: under a second when nothing has changed. */
async function build() {
  if (!existsSync(join(ROOT, 'node_modules'))) throw new Error('not installed yet: run "npm ci" first');
  if (!options.build) return;
  const projects = ['bench', ...(options.limit ? [] : ['apps/resource-store', 'apps/process-engine'])];
  const built = await run(
    process.execPath,
    [join(ROOT, 'node_modules/typescript/bin/tsc'), '-b', ...projects.map((name) => join(name, 'tsconfig.lib.json'))],
    { cwd: ROOT, timeoutMillis: 300_000 },
  );
  if (!built.ok) throw new Error(`the build failed:\n${built.out}`);
}

/** One line, on a cluster made for it alone: nothing is left over from the line before. */
async function measure(engine) {
  const dir = await mkdtemp(join(tmpdir(), 'drover-bench-'));
  await chmod(dir, 0o711); // as root, PostgreSQL runs as another user, who has to enter it
  try {
    const nats = await resolveNatsServer({ say });
    if (!nats.path) throw new Error('the benchmark starts a nats-server of its own: unset DROVER_NATS_URL');
    const postgres = await startPostgresServer({ dir: join(dir, 'postgres'), durable: true, say });
    running.push(postgres.child);
    const broker = await startNatsServer({ path: nats.path, dir: join(dir, 'nats') });
    running.push(broker.child);
    const env = {
      ...process.env,
      DROVER_NATS_URL: broker.url,
      DROVER_DATABASE_URL: options.explain ? explaining(postgres.url) : postgres.url,
      DROVER_DATA_DIR: dir,
      BENCH_RESOURCES: String(resources()),
      BENCH_HANDLERS: String(handlers()),
    };
    const pids = { nats: [broker.child.pid], postgres: [postgres.child.pid] };
    if (engine === 'limit') {
      pids.engine = [program('limit-engine', 'bench/dist/limit/engine.js', dir, env).pid];
      await printed(join(dir, 'limit-engine.log'), 'ready');
    } else {
      pids.store = await services('resource-store', number('stores'), dir, env);
      pids.engine = await services('process-engine', number('engines'), dir, env);
    }
    pids.handler = [program('handler', 'bench/dist/run/handler.js', dir, env).pid];
    const line = await client({ engine, broker, postgres, pids });
    if (options.keep) say(`logs and data are kept in ${dir}`);
    return { ...line, ...(options.profile || options.explain ? { profiled: true } : {}) };
  } catch (error) {
    options.keep = true;
    throw new Error(`${error.message}\nlogs are kept in ${dir}`, { cause: error });
  } finally {
    await stopAll();
    if (!options.keep) await rm(dir, { recursive: true, force: true });
  }
}

/** The URL with a module that logs the plans of slow statements, row counts and times included. */
function explaining(url) {
  const settings = [
    'session_preload_libraries=auto_explain',
    `auto_explain.log_min_duration=${number('explain')}`,
    'auto_explain.log_analyze=on',
    'auto_explain.log_buffers=on',
    'log_min_messages=log',
  ];
  return `${url}?options=${encodeURIComponent(settings.map((setting) => `-c ${setting}`).join(' '))}`;
}

function resources() {
  return Number(options.resources ?? Math.max(1024, number('inflight') * 4));
}

function handlers() {
  const count = Number(options.handlers);
  if (!Number.isSafeInteger(count) || count < 0 || count > 100) throw new Error('--handlers takes a number up to 100');
  return count;
}

/** Starts replicas of a service and waits until each is ready. @returns their process numbers */
async function services(app, replicas, dir, env) {
  const pids = [];
  for (let i = 0; i < replicas; i++) {
    const port = await freePort();
    const child = program(`${app}-${i}`, `apps/${app}/dist/main.js`, dir, { ...env, DROVER_ADMIN_PORT: String(port) });
    pids.push(child.pid);
    await untilReady(child, `http://127.0.0.1:${port}/readyz`);
  }
  return pids;
}

function program(name, file, dir, env) {
  const profiled = options.profile !== undefined && file.startsWith('apps/');
  const child = startChild({
    name,
    command: process.execPath,
    args: [
      '--enable-source-maps',
      ...(profiled ? ['--cpu-prof', `--cpu-prof-dir=${options.profile}`, `--cpu-prof-name=${name}.cpuprofile`] : []),
      join(ROOT, file),
    ],
    logFile: join(dir, `${name}.log`),
    env: { NODE_ENV: 'production', ...env },
  });
  running.push(child);
  return child;
}

async function untilReady(child, url) {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    if (!child.running) throw new Error(`${child.name} ${await child.exited}: ${tail(child.logFile)}`);
    const ready = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) return;
    await sleep(50);
  }
  throw new Error(`${child.name} is not ready after 60 s: ${tail(child.logFile)}`);
}

async function printed(logFile, word) {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(50)) {
    if (readFileSync(logFile, 'utf8').includes(word)) return;
  }
  throw new Error(`${logFile} does not say "${word}": ${tail(logFile)}`);
}

/** The load generator prints the line; its errors are ours. */
async function client({ engine, broker, postgres, pids }) {
  const head = await run('git', ['-C', ROOT, 'describe', '--always', '--dirty'], { timeoutMillis: 5_000 });
  const config = {
    engine,
    natsUrl: broker.url,
    databaseUrl: postgres.url,
    inflight: number('inflight'),
    resources: resources(),
    handlers: engine === 'limit' ? 1 : handlers(),
    takeover: options.takeover,
    warmupSeconds: number('warmup'),
    seconds: number('seconds'),
    pids,
    commit: head.ok ? head.out.trim() : 'unknown',
  };
  const child = spawn(process.execPath, ['--enable-source-maps', join(ROOT, 'bench/dist/run/client.js')], {
    env: { ...process.env, BENCH_CONFIG: JSON.stringify(config) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`the client ended with ${code}`);
  return JSON.parse(out);
}

/** Medians per engine, and what the comparison is for: our share of the limit in the same minutes on the same machine. */
function summary(lines) {
  const median = (engine, of) => {
    const sorted = lines
      .filter((line) => line.engine === engine)
      .map(of)
      .sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  };
  const of = (engine) => ({
    processesPerSecond: median(engine, (line) => line.processesPerSecond),
    p50Millis: median(engine, (line) => line.p50Millis),
    p99Millis: median(engine, (line) => line.p99Millis),
    cpuMicrosPerProcess: median(engine, (line) => line.cpuMicrosPerProcess.total),
    walBytesPerProcess: median(engine, (line) => line.walBytesPerProcess),
  });
  const [limit, drover] = [of('limit'), of('drover')];
  return {
    compare: { limit, drover },
    ratio: Number((drover.processesPerSecond / limit.processesPerSecond).toFixed(3)),
    /** steadier than the other one while something else uses the machine */
    cpuRatio: Number((drover.cpuMicrosPerProcess / limit.cpuMicrosPerProcess).toFixed(2)),
    rounds: number('rounds'),
    inflight: number('inflight'),
    errors: lines.reduce((sum, line) => sum + line.errors, 0),
    date: new Date().toISOString(),
  };
}

async function stopAll() {
  for (const child of running.splice(0).reverse()) await child.stop();
}

function tail(file) {
  return readFileSync(file, 'utf8').trim().split('\n').slice(-5).join('\n');
}

function sleep(millis) {
  return new Promise((resolve) => setTimeout(resolve, millis));
}
