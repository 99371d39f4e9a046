/**
 * The load generator: prepares one engine, keeps processes going, and prints one JSON line. What it measures with and
 * which programs it accounts for is in BENCH_CONFIG, written by tools/bench.mjs.
 */
import { connectNats } from '@drover/messaging';
import { Client } from 'pg';
import { readConfig } from './config.js';
import { drover, limitEngine, untilHandlerListens } from './engines.js';
import { ClosedLoop, OpenLoop } from './load.js';
import { measure, seconds } from './measuring.js';
import { type Latencies, type ResultLine, round } from './result.js';

const config = readConfig();
const connection = await connectNats(config.natsUrl, 'bench-client');
const database = new Client({ connectionString: config.databaseUrl });
await database.connect();

await untilHandlerListens(connection);
const { runOne, resources, close } =
  config.engine === 'limit'
    ? limitEngine(connection, config.resources)
    : await drover(connection, {
        count: config.resources,
        handlers: config.handlers,
        faults: config.takeover,
        filled: config.history?.resources ?? 0,
        ...(config.httpUrl === undefined ? {} : { httpUrls: [config.httpUrl] }),
      });
const closed = new ClosedLoop(runOne, resources, config.inflight);
const load =
  config.rate === undefined
    ? closed
    : new OpenLoop(runOne, resources, {
        rate: config.rate,
        arrivals: config.arrivals,
        maxOpen: config.inflight,
        seed: config.seed,
      });
const measured = await measure(load, { connection, database, ...config }, config.warmupSeconds, async () => {
  if (!config.takeover) return seconds(config.seconds);
  await seconds(config.seconds / 2);
  closed.fault();
  process.kill(config.pids['engine']![0]!, 'SIGKILL');
  await seconds(config.seconds / 2);
});

const line: ResultLine & { takeover?: object } = {
  format: 1,
  run: config.run,
  engine: config.engine,
  start: config.httpUrl === undefined ? 'nats' : 'http',
  inflight: config.inflight,
  ...(config.rate === undefined ? {} : { rate: config.rate, arrivals: config.arrivals }),
  ...(config.history === undefined ? {} : { history: config.history }),
  settings: { ...config.settings, resources: resources.length, handlers: config.handlers },
  warmupSeconds: config.warmupSeconds,
  ...(config.takeover ? { takeover: recovery(closed.recovery()) } : {}),
  ...measured,
  commit: config.commit,
};
console.log(JSON.stringify(line));
await connection.close();
await database.end();
await close();

function recovery(latencies: Latencies) {
  const { p50Millis, p99Millis, maxMillis } = latencies.fields();
  return {
    processes: latencies.count,
    p50Millis: round(p50Millis, 0),
    p99Millis: round(p99Millis, 0),
    maxMillis: round(maxMillis, 0),
  };
}
