import type { NatsConnection } from 'nats';
import type { Client } from 'pg';
import { type Batches, batchesBetween, readBatches } from './batches.js';
import type { Load, Outcome } from './load.js';
import { machineMicros, MemoryWatch, processorMicros } from './proc.js';
import { machine, type ResultLine, round } from './result.js';
import { LIMIT } from './shape.js';

/** What is read beside the load. */
export interface Sources {
  /** absent for an engine without it */
  connection?: NatsConnection;
  database?: Client;
  /** of the stores, whose /metrics tell the sizes of batches; the limit engine tells them over NATS */
  metricsUrls: readonly string[];
  /** the programs of each component; the load generator itself is `client` */
  pids: Readonly<Record<string, readonly number[]>>;
}

/** A window's result: what {@link ResultLine} says of it, without what was set. */
export type Measured = Omit<
  ResultLine,
  | 'format'
  | 'run'
  | 'engine'
  | 'variant'
  | 'start'
  | 'inflight'
  | 'rate'
  | 'arrivals'
  | 'history'
  | 'settings'
  | 'commit'
  | 'warmupSeconds'
>;

/**
 * Warms up, opens the window, closes it, and lets the rest end.
 * @param during called when the window opens; the window closes when what it returns resolves
 */
export async function measure(
  load: Load,
  sources: Sources,
  warmupSeconds: number,
  during: () => Promise<void>,
): Promise<Measured> {
  load.start();
  await seconds(warmupSeconds);
  const before = await reading(sources);
  const memory = new MemoryWatch({ client: [process.pid], ...sources.pids });
  load.open();
  await during();
  const processes = load.close();
  const after = await reading(sources);
  const memoryMegabytes = memory.stop();
  const outcome = await load.stop();
  return {
    date: new Date().toISOString(),
    ...counts(processes, outcome, after.at - before.at),
    ...cost(before, after, processes),
    memoryMegabytes,
    versions: await versions(sources),
    machine: machine(),
  };
}

function counts(processes: number, { latencies, errors, dropped }: Outcome, tookMillis: number) {
  return {
    seconds: round(tookMillis / 1_000, 2),
    processes,
    processesPerSecond: round((processes * 1_000) / tookMillis, 0),
    ...(dropped === undefined ? {} : { dropped }),
    errors: Object.values(errors).reduce((sum, count) => sum + count, 0),
    ...(Object.keys(errors).length === 0 ? {} : { errorKinds: errors }),
    ...latencies.fields(),
  };
}

function cost(before: Reading, after: Reading, processes: number) {
  const each = (total: number, digits: number): number => round(total / Math.max(1, processes), digits);
  const components = Object.keys(before.micros);
  const spent = components.map((name) => after.micros[name]! - before.micros[name]!);
  const ours = spent.reduce((sum, micros) => sum + micros, 0);
  const batches = batchesBetween(before.batches, after.batches);
  return {
    cpuMicrosPerProcess: {
      total: each(ours, 1),
      ...Object.fromEntries(components.map((name, i) => [name, each(spent[i]!, 1)])),
    },
    ...(before.database === undefined || after.database === undefined
      ? {}
      : {
          commitsPerProcess: each(after.database.commits - before.database.commits, 4),
          walBytesPerProcess: each(after.database.wal - before.database.wal, 0),
        }),
    ...(Object.keys(batches).length === 0 ? {} : { batches }),
    otherCores: round(((after.machine - before.machine - ours) * 1e-3) / (after.at - before.at), 2),
  };
}

interface Reading {
  at: number;
  micros: Record<string, number>;
  machine: number;
  /** absent for an engine without PostgreSQL */
  database: { commits: number; wal: number } | undefined;
  batches: Batches;
}

/** Everything that is read at both ends of the window. */
async function reading({ connection, database, metricsUrls, pids }: Sources): Promise<Reading> {
  const stored = await database?.query<{ commits: string; wal: string }>(
    `select sum(xact_commit) as commits, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') as wal from pg_stat_database`,
  );
  const row = stored?.rows[0];
  const texts = await Promise.all(metricsUrls.map(async (url) => (await fetch(url)).text()));
  texts.push(await ofLimit(connection));
  const micros: Record<string, number> = { client: processorMicros([process.pid]) };
  for (const [name, roots] of Object.entries(pids)) micros[name] = processorMicros(roots);
  return {
    at: performance.now(),
    micros,
    machine: machineMicros(),
    database: row && { commits: Number(row.commits), wal: Number(row.wal) },
    batches: readBatches(texts.join('\n')),
  };
}

/** Empty where no limit engine runs. */
async function ofLimit(connection: NatsConnection | undefined): Promise<string> {
  if (connection === undefined) return '';
  return connection.request(LIMIT.batches, '', { timeout: 1_000 }).then(
    (reply) => reply.string(),
    () => '',
  );
}

async function versions({ connection, database }: Sources): Promise<Record<string, string>> {
  const stored = await database?.query<{ v: string }>(`select current_setting('server_version') as v`);
  return {
    node: process.version,
    ...(connection === undefined ? {} : { nats: connection.info?.version ?? 'unknown' }),
    ...(stored === undefined ? {} : { postgres: stored.rows[0]!.v }),
  };
}

export function seconds(count: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, count * 1_000));
}
