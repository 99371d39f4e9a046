import { join } from 'node:path';

export const start = 'http';

/** 24 partitions are the default. */
export const settings = { partitions: 24 };

/** One gave most on a small machine: each partition has a log, and so fsyncs, of its own. */
export const variants = [{ name: '1 partition', settings: { partitions: 1 } }, {}];

export async function up(kit, { partitions }) {
  const [ingress, admin, node, service, counts] = await kit.ports(5);
  const command = join(
    kit.packages,
    '@restatedev',
    `restate-server-${process.platform}-${process.arch}`,
    'bin',
    'restate-server',
  );
  const server = kit.command('restate-server', command, ['--no-logo'], {
    RESTATE_BASE_DIR: join(kit.dir, 'restate'),
    RESTATE_NODE_NAME: 'bench',
    RESTATE_LISTEN_MODE: 'tcp',
    RESTATE_BIND_IP: '127.0.0.1',
    RESTATE_ADVERTISED_HOST: '127.0.0.1',
    RESTATE_BIND_PORT: String(node),
    RESTATE_INGRESS__BIND_PORT: String(ingress),
    RESTATE_ADMIN__BIND_PORT: String(admin),
    RESTATE_DEFAULT_NUM_PARTITIONS: String(partitions),
    RESTATE_LOG_SERVER__ROCKSDB_DISABLE_WAL_FSYNC: 'false', // as is the default
    RESTATE_DISABLE_TELEMETRY: 'true',
  });
  const handler = kit.program('service', 'restate/service.mjs', {
    BENCH_SERVICE_PORT: String(service),
    BENCH_COUNTS_PORT: String(counts),
  });
  await kit.printed(handler, 'ready');
  await kit.untilOk(server, `http://127.0.0.1:${admin}/health`);
  await kit.untilOk(server, `http://127.0.0.1:${ingress}/restate/health`);
  const registered = await fetch(`http://127.0.0.1:${admin}/deployments`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ uri: `http://127.0.0.1:${service}` }),
  });
  if (!registered.ok) throw new Error(`restate did not take the deployment: ${await registered.text()}`);
  return {
    pids: { engine: [server.pid], handler: [handler.pid] },
    countsUrl: `http://127.0.0.1:${counts}/counts`,
    versions: { engine: kit.version('@restatedev/restate-server'), sdk: kit.version('@restatedev/restate-sdk') },
    client: { ingressUrl: `http://127.0.0.1:${ingress}` },
  };
}
