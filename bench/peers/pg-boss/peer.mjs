import { createResources } from '../lib/resources.mjs';

export const start = 'native';
export const variants = [{}];

/** Workers in the one program, jobs that each takes at once, connections of the client: best of those tried, see docs. */
const WORKERS = 4;
const BATCH = 64;
const CONNECTIONS = 16;

export async function up(kit) {
  const postgres = await kit.postgres();
  await createResources(postgres.url, kit.resources);
  const [counts] = await kit.ports(1);
  const worker = kit.program('worker', 'pg-boss/worker.mjs', {
    BENCH_DATABASE_URL: postgres.url,
    BENCH_COUNTS_PORT: String(counts),
    BENCH_WORKERS: process.env.BENCH_PEER_WORKERS ?? String(WORKERS),
    BENCH_BATCH: process.env.BENCH_PEER_BATCH ?? String(BATCH),
    BENCH_CONNECTIONS: String(2 * WORKERS + 2),
  });
  await kit.printed(worker, 'ready');
  return {
    pids: { postgres: [postgres.pid], handler: [worker.pid] },
    databaseUrl: postgres.url,
    countsUrl: `http://127.0.0.1:${counts}/counts`,
    settings: { workers: WORKERS, batch: BATCH, connections: CONNECTIONS },
    versions: { engine: kit.version('pg-boss') },
    client: { databaseUrl: postgres.url, connections: CONNECTIONS },
  };
}
