/**
 * The load generator: prepares one engine, keeps processes in flight, and prints one JSON line. What it measures with
 * and which programs it accounts for is in BENCH_CONFIG, written by tools/bench.mjs.
 */
import { availableParallelism, cpus, loadavg } from 'node:os';
import { connectNats } from '@drover/messaging';
import { Client } from 'pg';
import { drover, limitEngine } from './engines.js';
import { Load } from './load.js';
import { machineMicros, processorMicros } from './processor-time.js';
import { HANDLER_READY } from './shape.js';

interface Config {
  engine: 'drover' | 'limit';
  natsUrl: string;
  databaseUrl: string;
  inflight: number;
  resources: number;
  /** external handlers of the process, one after the other */
  handlers: number;
  /** one engine is killed in the middle of the window: how long what it had accepted takes then */
  takeover: boolean;
  warmupSeconds: number;
  seconds: number;
  /** the programs whose processor time is reported, by component */
  pids: Record<string, number[]>;
  commit: string;
}

const config = JSON.parse(process.env['BENCH_CONFIG']!) as Config;
const connection = await connectNats(config.natsUrl, 'bench-client');
const database = new Client({ connectionString: config.databaseUrl });
await database.connect();

await untilHandlerListens();
const measured =
  config.engine === 'limit'
    ? limitEngine(connection, config.resources)
    : await drover(connection, config.resources, config.handlers, config.takeover);
const load = new Load(measured.runOne, measured.resources, config.inflight);
load.start();
await seconds(config.warmupSeconds);

const before = await reading();
load.open();
if (config.takeover) {
  await seconds(config.seconds / 2);
  load.fault();
  process.kill(config.pids['engine']![0]!, 'SIGKILL');
}
await seconds(config.takeover ? config.seconds / 2 : config.seconds);
const result = load.close();
const after = await reading();
await load.stop();

const took = (after.at - before.at) / 1000;
const each = (total: number, digits: number): number => round(total / Math.max(1, result.count), digits);
const components = Object.keys(before.micros);
const spent = components.map((name) => after.micros[name]! - before.micros[name]!);
const ours = spent.reduce((sum, micros) => sum + micros, 0);
const line = {
  engine: config.engine,
  processesPerSecond: round(result.count / took, 0),
  p50Millis: round(result.p50, 2),
  p99Millis: round(result.p99, 2),
  maxMillis: round(result.max, 1),
  ...(config.takeover ? { takeover: rounded(load.recovery()) } : {}),
  errors: Object.values(result.errors).reduce((sum, count) => sum + count, 0),
  ...(Object.keys(result.errors).length === 0 ? {} : { errorKinds: result.errors }),
  inflight: config.inflight,
  seconds: round(took, 2),
  processes: result.count,
  resources: config.resources,
  handlers: config.handlers,
  cpuMicrosPerProcess: {
    total: each(ours, 1),
    ...Object.fromEntries(components.map((name, i) => [name, each(spent[i]!, 1)])),
  },
  commitsPerProcess: each(after.commits - before.commits, 4),
  walBytesPerProcess: each(after.wal - before.wal, 0),
  /** cores that programs outside this run kept busy: above 0.15 the line is not a quiet one */
  otherCores: round((after.machine - before.machine - ours) / 1e6 / took, 2),
  versions: {
    node: process.version,
    nats: connection.info?.version,
    postgres: (await database.query<{ v: string }>(`select current_setting('server_version') as v`)).rows[0]!.v,
    drover: config.commit,
  },
  cpus: availableParallelism(),
  cpu: cpus()[0]?.model ?? 'unknown',
  load1: round(loadavg()[0]!, 2),
  date: new Date().toISOString(),
};
console.log(JSON.stringify(line));
await connection.close();
await database.end();

/** Everything that is read at both ends of the window. */
async function reading() {
  const { rows } = await database.query<{ commits: string; wal: string }>(
    `select xact_commit as commits, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') as wal
     from pg_stat_database where datname = current_database()`,
  );
  const micros: Record<string, number> = { client: processorMicros(process.pid) };
  for (const [name, pids] of Object.entries(config.pids)) {
    micros[name] = pids.reduce((sum, pid) => sum + processorMicros(pid), 0);
  }
  return {
    at: performance.now(),
    micros,
    machine: machineMicros(),
    commits: Number(rows[0]!.commits),
    wal: Number(rows[0]!.wal),
  };
}

async function untilHandlerListens(): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await connection.request(HANDLER_READY, '', { timeout: 500 });
      return;
    } catch (error) {
      if (tries >= 100) throw error;
      await seconds(0.1);
    }
  }
}

function seconds(count: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, count * 1000));
}

function rounded({ count, p50, p99, max }: ReturnType<Load['recovery']>) {
  return { processes: count, p50Millis: round(p50, 0), p99Millis: round(p99, 0), maxMillis: round(max, 0) };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
