import { createResources } from '../lib/resources.mjs';

export const start = 'native';
export const variants = [{}];

/** Workers in the one program, jobs that each takes at once, connections of the client. */
export const settings = { workers: 4, batch: 64, connections: 16 };

export async function up(kit, { workers, batch, connections }) {
  const postgres = await kit.postgres();
  await createResources(postgres.url, kit.resources);
  const [counts] = await kit.ports(1);
  const worker = kit.program('worker', 'pg-boss/worker.mjs', {
    BENCH_DATABASE_URL: postgres.url,
    BENCH_COUNTS_PORT: String(counts),
    BENCH_WORKERS: String(workers),
    BENCH_BATCH: String(batch),
    BENCH_CONNECTIONS: String(2 * workers + 2),
  });
  await kit.printed(worker, 'ready');
  return {
    pids: { postgres: [postgres.pid], handler: [worker.pid] },
    databaseUrl: postgres.url,
    countsUrl: `http://127.0.0.1:${counts}/counts`,
    versions: { engine: kit.version('pg-boss') },
    client: { databaseUrl: postgres.url, connections },
  };
}
