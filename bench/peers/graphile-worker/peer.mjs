import { createResources } from '../lib/resources.mjs';

export const start = 'native';
export const variants = [{}];

/** Jobs at once, those fetched at once, and connections of the worker as its performance page has them. */
const JOBS = 24;
const QUEUE = 500;
const CONNECTIONS = 16;

export async function up(kit) {
  const postgres = await kit.postgres();
  await createResources(postgres.url, kit.resources);
  const [counts] = await kit.ports(1);
  const worker = kit.program('worker', 'graphile-worker/worker.mjs', {
    BENCH_DATABASE_URL: postgres.url,
    BENCH_COUNTS_PORT: String(counts),
    BENCH_JOBS: String(JOBS),
    BENCH_QUEUE: String(QUEUE),
    BENCH_CONNECTIONS: String(JOBS + 1),
  });
  await kit.printed(worker, 'ready');
  return {
    pids: { postgres: [postgres.pid], handler: [worker.pid] },
    databaseUrl: postgres.url,
    countsUrl: `http://127.0.0.1:${counts}/counts`,
    settings: { jobs: JOBS, queue: QUEUE, connections: CONNECTIONS },
    versions: { engine: kit.version('graphile-worker') },
    client: { databaseUrl: postgres.url, connections: CONNECTIONS },
  };
}
