/**
 * The benchmarks, each on clusters of its own: PostgreSQL with fsync on, NATS, the services, one external handler and one
 * client, each a program of its own, on free ports and in a temporary folder. Prints a line of JSON for each run.
 *   npm run bench                                     1, 64 and 256 in flight over NATS, 64 and 256 over HTTP; a table
 *   npm run bench -- --inflight 256 --http            one of them
 *   npm run bench -- --rate 2000                      open loop: so many starts a second, however slow they end
 *   npm run bench -- --limit                          the hand-written limit engine instead
 *   npm run bench -- --compare --rounds 3             both, alternately, and the medians with their ratio
 *   npm run bench -- --smoke                          has the ratio to the limit engine fallen? half a minute
 *   npm run bench:scale [-- --small] [--keep --dir D] the same with a million resources and 10 million processes
 *   npm run bench -- --hops [--inflight N]            where the time of a process goes, from message to message
 *   npm run bench -- --idle                           what a cluster costs that has nothing to do
 *   npm run bench -- --types 5000                     boot and first process with so many declared types
 *   npm run bench -- --waiting 100000                 memory with so many processes waiting for an absent handler
 *   npm run bench -- --takeover                       two engines, one killed: how long its work takes to go on
 *   npm run bench -- --overload                       ten times what HTTP can do for a minute: refusals, latency, memory, drain
 *   npm run bench -- --flood 50000                    one account's starts, all at once, beside another one's
 * --save appends the lines to docs/benchmarks/results.jsonl; docs/benchmarks/README.md says what they mean.
 */
import { appendFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { stopAllClusters } from './lib/bench/cluster.mjs';
import { releaseGuard } from './lib/children.mjs';
import { build, ROOT } from './lib/install.mjs';

const { values: options } = parseArgs({
  options: {
    // what is measured, one of them
    limit: { type: 'boolean', default: false },
    compare: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
    scale: { type: 'boolean', default: false },
    hops: { type: 'boolean', default: false },
    idle: { type: 'boolean', default: false },
    types: { type: 'string' },
    waiting: { type: 'string' },
    /** kills one of two engines in the middle: how long what was accepted before takes to end */
    takeover: { type: 'boolean', default: false },
    overload: { type: 'boolean', default: false },
    flood: { type: 'string' },

    // the load
    inflight: { type: 'string' },
    http: { type: 'boolean', default: false },
    /** starts per second, open loop; --inflight is then the most that may be open */
    rate: { type: 'string' },
    arrivals: { type: 'string', default: 'poisson' },
    seed: { type: 'string', default: '1' },
    seconds: { type: 'string' },
    /** three measured the compiler of a slow machine */
    warmup: { type: 'string', default: '10' },
    resources: { type: 'string' },
    handlers: { type: 'string', default: '1' },
    engines: { type: 'string', default: '1' },
    stores: { type: 'string', default: '1' },
    gateways: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '3' },

    /** --smoke: writes the measured ratio into bench/baseline.json */
    renew: { type: 'boolean', default: false },
    /** --scale: one per cent of the rows */
    small: { type: 'boolean', default: false },
    /** --scale: folder of the filled database; with --keep the next run finds it there */
    dir: { type: 'string' },

    /** appends the lines to docs/benchmarks/results.jsonl */
    save: { type: 'boolean', default: false },
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

const say = (line) => process.stderr.write(`${line}\n`);

let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    interrupted = true;
    void stopAllClusters().then(() => process.exit(130));
  });
}

try {
  await buildPrograms();
  await main();
} catch (error) {
  if (!interrupted) say(`bench: ${error.message}`);
  process.exitCode = 1;
} finally {
  await stopAllClusters();
  await releaseGuard();
}

async function main() {
  const { Bench } = await import('./lib/bench/load.mjs');
  const bench = await Bench.create({ options, say, print });
  if (options.smoke) return (await import('./lib/bench/smoke.mjs')).smoke(bench);
  if (options.scale) return (await import('./lib/bench/scale.mjs')).scale(bench);
  if (options.hops) return (await import('./lib/bench/hops.mjs')).hops(bench);
  if (options.idle) return (await import('./lib/bench/idle.mjs')).idle(bench);
  if (options.types) return (await import('./lib/bench/types.mjs')).types(bench);
  if (options.waiting) return (await import('./lib/bench/waiting.mjs')).waiting(bench);
  if (options.overload) return (await import('./lib/bench/overload.mjs')).overload(bench);
  if (options.flood) return (await import('./lib/bench/overload.mjs')).flood(bench);
  return bench.series();
}

/** Prints a line, and keeps it when asked. */
function print(line) {
  const text = JSON.stringify(line);
  console.log(text);
  if (options.save) appendFileSync(join(ROOT, 'docs/benchmarks/results.jsonl'), `${text}\n`);
  if (line.errors > 0) process.exitCode = 1;
}

/** Incremental: under a second when nothing has changed. */
async function buildPrograms() {
  if (!existsSync(join(ROOT, 'node_modules'))) throw new Error('not installed yet: run "npm ci" first');
  if (!options.build) return;
  const projects = ['bench', ...(options.limit ? [] : ['apps/resource-store', 'apps/process-engine', 'apps/gateway'])];
  await build(projects.map((name) => join(name, 'tsconfig.lib.json')));
}
