/**
 * Both engines on one cluster, in short slices by turns: prints `{slices, cpuSlices, errors}`. What disturbs the machine
 * for longer than a slice disturbs both.
 */
import { connectNats } from '@drover/messaging';
import { Client } from 'pg';
import { type Config, readConfig } from './config.js';
import { drover, limitEngine, type Measured, untilHandlerListens } from './engines.js';
import { ClosedLoop } from './load.js';
import { measure, seconds } from './measuring.js';
import type { Slice } from './ratio.js';

const WARM_UP_SECONDS = 0.4;

const config = readConfig<Config & { slices: number }>();
const connection = await connectNats(config.natsUrl, 'bench-smoke');
const database = new Client({ connectionString: config.databaseUrl });
await database.connect();
await untilHandlerListens(connection);

const { resources: count } = config;
const engines = {
  limit: limitEngine(connection, count),
  drover: await drover(connection, { count, handlers: 1, faults: false, filled: 0 }),
};
const errors: Record<string, number> = {};
const slices: Slice[] = [];
const cpuSlices: Slice[] = [];
// The first pair warms up: compilers, plans and caches.
for (let i = 0; i <= config.slices; i++) {
  const [limit, ours] = [await slice(engines.limit), await slice(engines.drover)];
  if (i === 0) continue;
  slices.push({ limit: limit.processesPerSecond, drover: ours.processesPerSecond });
  cpuSlices.push({ limit: limit.cpuMicrosPerProcess['total']!, drover: ours.cpuMicrosPerProcess['total']! });
}
console.log(JSON.stringify({ slices, cpuSlices, errors }));
await connection.close();
await database.end();

async function slice({ runOne, resources }: Measured) {
  const load = new ClosedLoop(runOne, resources, config.inflight);
  const sources = { connection, database, metricsUrls: [], pids: config.pids };
  const measured = await measure(load, sources, WARM_UP_SECONDS, () => seconds(config.seconds));
  for (const [kind, times] of Object.entries(measured.errorKinds ?? {})) errors[kind] = (errors[kind] ?? 0) + times;
  return measured;
}
