import { createResources } from '../lib/resources.mjs';

export const start = 'native';
export const variants = [{}];

/** Jobs at once and jobs fetched at once as its performance page has them; connections of the client. */
export const settings = { jobs: 24, queue: 500, connections: 16 };

export async function up(kit, { jobs, queue, connections }) {
  const postgres = await kit.postgres();
  await createResources(postgres.url, kit.resources);
  const [counts] = await kit.ports(1);
  const worker = kit.program('worker', 'graphile-worker/worker.mjs', {
    BENCH_DATABASE_URL: postgres.url,
    BENCH_COUNTS_PORT: String(counts),
    BENCH_JOBS: String(jobs),
    BENCH_QUEUE: String(queue),
    BENCH_CONNECTIONS: String(jobs + 1),
  });
  await kit.printed(worker, 'ready');
  return {
    pids: { postgres: [postgres.pid], handler: [worker.pid] },
    databaseUrl: postgres.url,
    countsUrl: `http://127.0.0.1:${counts}/counts`,
    versions: { engine: kit.version('graphile-worker') },
    client: { databaseUrl: postgres.url, connections },
  };
}
