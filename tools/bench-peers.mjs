/**
 * Drover, the limit engine and other systems that run durable processes, measured in turn: each does the same unit of
 * work, on servers of its own. Prints a line of JSON for each run, then one with the ratios and their spread, and a table.
 *   npm run bench:peers                               three rounds of all, 64 and 256 in flight: about 18 minutes
 *   npm run bench:peers -- --inflight 1,64,256
 *   npm run bench:peers -- --only drover,restate,dbos --rounds 1 --seconds 3
 *   npm run bench:peers -- --only pg-boss --set batch=32,workers=8   other settings
 *   npm run bench:peers -- --install                  installs the peers into bench/peers, and does no more
 * The peers are packages of bench/peers alone; the first run installs them, which needs a network. --save appends the
 * lines to docs/benchmarks/results.jsonl. docs/benchmarks/peers.md says what each of them does and how it was tuned.
 */
import { appendFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { stopAllClusters } from './lib/bench/cluster.mjs';
import { compared, interleaved, table, titleOf } from './lib/bench/comparison.mjs';
import { installPeers, installTemporal, nodeForPeers } from './lib/bench/install-peers.mjs';
import { contendersOf, measurePeer, stopAllPeers } from './lib/bench/peers.mjs';
import { releaseGuard } from './lib/children.mjs';
import { build, ROOT } from './lib/install.mjs';

const OURS = ['drover', 'limit'];
const PEER_NAMES = ['restate', 'dbos', 'pg-boss', 'graphile-worker', 'temporal'];

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: [...OURS, ...PEER_NAMES].join() },
    rounds: { type: 'string', default: '3' },
    inflight: { type: 'string', default: '64,256' },
    seconds: { type: 'string', default: '6' },
    warmup: { type: 'string', default: '10' },
    /** settings of the peers to try, as `batch=32,workers=8`; bench/peers/<peer>/peer.mjs has them */
    set: { type: 'string' },
    install: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
    /** keeps logs and data */
    keep: { type: 'boolean', default: false },
  },
});

const say = (line) => process.stderr.write(`${line}\n`);
const print = (value) => {
  const text = JSON.stringify(value);
  console.log(text);
  if (options.save) appendFileSync(join(ROOT, 'docs/benchmarks/results.jsonl'), `${text}\n`);
};

let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  // A Ctrl-C comes twice, from the terminal and from the launcher below: the second changes nothing.
  process.on(signal, () => {
    if (interrupted) return;
    interrupted = true;
    void stopAll().then(() => process.exit(130));
  });
}

try {
  await main();
} catch (error) {
  if (!interrupted) say(`bench:peers: ${error.message}`);
  process.exitCode = 1;
} finally {
  await stopAll();
  await releaseGuard();
}

async function main() {
  const names = options.only.split(',');
  const unknown = names.find((name) => ![...OURS, ...PEER_NAMES].includes(name));
  if (unknown) throw new Error(`--only: there is no "${unknown}"; there are ${[...OURS, ...PEER_NAMES].join(', ')}`);
  const [rounds, seconds, warmupSeconds] = ['rounds', 'seconds', 'warmup'].map((name) => above0(name, options[name]));
  const inflights = options.inflight.split(',').map((value) => above0('inflight', value));

  const set = Object.fromEntries((options.set?.split(',') ?? []).map((pair) => pair.split('=')));
  for (const [name, value] of Object.entries(set)) set[name] = above0(`set ${name}`, value);

  await installPeers(say);
  // The peers need a newer Node than we do. What is compared runs on the same one, so all of it runs on theirs.
  const node = nodeForPeers();
  if (node !== process.execPath) return again(node);

  /** What is not measured, and exactly why. */
  const missing = [];
  const lacks = (engine, error) => {
    missing.push({ engine, reason: error.message });
    say(`bench:peers: ${engine}: ${error.message}`);
    process.exitCode = 1;
  };
  if (names.includes('temporal')) {
    await installTemporal(say).catch((error) => {
      names.splice(names.indexOf('temporal'), 1);
      lacks('temporal', new Error(`could not be installed: ${error.message}`));
    });
  }
  if (options.install) return;

  const bench = await ours(seconds, warmupSeconds);
  const contenders = [];
  for (const name of names) {
    if (OURS.includes(name)) contenders.push({ name });
    else
      await contendersOf(name, set).then(
        (all) => contenders.push(...all),
        (error) => lacks(name, error),
      );
  }

  const measured = [];
  for (const [round, order] of interleaved(contenders, rounds).entries()) {
    for (const contender of order) {
      const title = titleOf({ engine: contender.name, variant: contender.variant });
      const done = (line) => {
        say(`${round + 1}/${rounds} ${title}, ${line.inflight} in flight: ${line.processesPerSecond}/s`);
        measured.push({ round, line });
        print(line);
        if (line.errors > 0) process.exitCode = 1;
        if (line.processes === 0)
          lacks(
            `${title}, ${line.inflight} in flight, round ${round + 1}`,
            new Error('no process ended inside the window'),
          );
      };
      try {
        if (contender.module === undefined) {
          for (const inflight of inflights) done(await bench.line({ engine: contender.name, inflight }));
        } else {
          const { run, commit } = bench;
          const resources = Math.max(1024, ...inflights.map((inflight) => inflight * 4));
          const config = { run, commit, resources, warmupSeconds, seconds };
          await measurePeer({ contender, inflights, config, keep: options.keep, say, print: done });
        }
      } catch (error) {
        if (interrupted) return;
        lacks(`${title}, round ${round + 1}`, error);
      }
    }
  }
  const rows = compared(measured);
  print({ kind: 'peers', run: bench.run, date: new Date().toISOString(), rows, missing, commit: bench.commit });
  say(`\n${table(rows)}`);
  for (const { engine, reason } of missing) say(`not measured: ${engine}: ${reason}`);
}

/** What runs our engine and the limit engine: the benchmark itself, with its own defaults. */
async function ours(seconds, warmupSeconds) {
  const projects = ['bench', 'apps/resource-store', 'apps/process-engine'];
  await build(projects.map((name) => join(name, 'tsconfig.lib.json')));
  const { Bench } = await import('./lib/bench/load.mjs');
  return Bench.create({
    options: {
      ...{ engines: '1', stores: '1', handlers: '1', arrivals: 'even', seed: '1' },
      keep: options.keep,
      seconds: String(seconds),
      warmup: String(warmupSeconds),
      inflight: '1',
    },
    say,
    print,
  });
}

/** The same command on another Node. */
async function again(node) {
  const child = spawn(node, process.argv.slice(1), { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.removeAllListeners(signal);
    process.on(signal, () => child.kill(signal));
  }
  process.exitCode = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

function above0(name, text) {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new Error(`--${name} takes numbers above 0`);
  return value;
}

async function stopAll() {
  await stopAllPeers();
  await stopAllClusters();
}
