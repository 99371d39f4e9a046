import { createResources } from '../lib/resources.mjs';

export const start = 'http';
export const variants = [{}];

/** Connections of each of its two pools, DBOS's and the application's: more than the defaults of 10, where requests queue. */
export const settings = { connections: 20 };

export async function up(kit, { connections }) {
  const postgres = await kit.postgres();
  await createResources(postgres.url, kit.resources);
  const handler = await kit.handler();
  const [port] = await kit.ports(1);
  const app = kit.program('app', 'dbos/app.mjs', {
    BENCH_DATABASE_URL: postgres.url,
    BENCH_CONNECTIONS: String(connections),
    BENCH_HANDLER_URL: handler.url,
    BENCH_APP_PORT: String(port),
  });
  await kit.printed(app, 'ready');
  return {
    pids: { postgres: [postgres.pid], engine: [app.pid], handler: [handler.pid] },
    databaseUrl: postgres.url,
    countsUrl: handler.countsUrl,
    versions: { engine: kit.version('@dbos-inc/dbos-sdk') },
    client: { appUrl: `http://127.0.0.1:${port}` },
  };
}
