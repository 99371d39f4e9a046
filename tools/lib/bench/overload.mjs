import { withCluster } from './cluster.mjs';

/** Ten times the rate that HTTP sustains, for a minute, and what follows. */
export function overload(bench) {
  const config = { seconds: bench.number('seconds', 60), connections: bench.number('inflight', 2_000) };
  return onCluster(bench, 'run/overload.js', { ...config, handlers: bench.handlers(), http: true });
}

/** One account's flood of starts beside another one's few. */
export function flood(bench) {
  const config = {
    count: bench.number('flood'),
    seconds: bench.number('seconds', 10),
    lanes: bench.number('inflight', 8),
  };
  return onCluster(bench, 'run/flood.js', { ...config, handlers: 1, http: false });
}

async function onCluster(bench, program, { handlers, http, ...config }) {
  const { options, say } = bench;
  return withCluster({ say, keep: options.keep, profile: options.profile }, async (cluster) => {
    const settings = { stores: bench.number('stores'), engines: bench.number('engines') };
    await cluster.service('resource-store', { replicas: settings.stores });
    await cluster.service('process-engine', { replicas: settings.engines });
    if (http) await cluster.service('gateway', { replicas: (settings.gateways = bench.number('gateways')) });
    cluster.handler(handlers);
    const line = await bench.client(cluster, program, {
      ...config,
      settings,
      handlers,
      warmupSeconds: bench.number('warmup'),
      httpUrl: cluster.httpUrl,
      httpUrls: cluster.httpUrls,
    });
    bench.print(line);
    for (const { what, figure, goal, met } of line.criteria)
      say(`${met ? 'met   ' : 'MISSED'} ${what}: ${figure} (goal: ${goal})`);
  });
}
