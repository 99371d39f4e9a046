import { join } from 'node:path';

export const start = 'http';

/** The defaults, and the number of partitions that gave most here: each has a log, and so fsyncs, of its own. */
export const variants = [{ name: '1 partition', partitions: 1 }, { partitions: 24 }];

export async function up(kit, { partitions }) {
  const handler = await kit.handler();
  const [ingress, admin, node, service] = await kit.ports(4);
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
    RESTATE_DISABLE_TELEMETRY: 'true',
  });
  const worker = kit.program('service', 'restate/service.mjs', {
    BENCH_SERVICE_PORT: String(service),
    BENCH_HANDLER_URL: handler.url,
  });
  await kit.printed(worker, 'ready');
  await kit.untilOk(server, `http://127.0.0.1:${admin}/health`);
  await kit.untilOk(server, `http://127.0.0.1:${ingress}/restate/health`);
  const registered = await fetch(`http://127.0.0.1:${admin}/deployments`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ uri: `http://127.0.0.1:${service}` }),
  });
  if (!registered.ok) throw new Error(`restate did not take the deployment: ${await registered.text()}`);
  return {
    pids: { engine: [server.pid, worker.pid], handler: [handler.pid] },
    countsUrl: handler.countsUrl,
    settings: { partitions },
    versions: { engine: kit.version('@restatedev/restate-server'), sdk: kit.version('@restatedev/restate-sdk') },
    client: { ingressUrl: `http://127.0.0.1:${ingress}` },
  };
}
