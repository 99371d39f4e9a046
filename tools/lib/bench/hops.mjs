import { withCluster } from './cluster.mjs';

/** Where the time of a process goes, from message to message, and what is sent for one. */
export function hops(bench) {
  const { options, say } = bench;
  const inflight = bench.number('inflight', 1);
  return withCluster({ say, keep: options.keep }, async (cluster) => {
    const settings = { stores: bench.number('stores'), engines: bench.number('engines') };
    await cluster.service('resource-store', { replicas: settings.stores });
    await cluster.service('process-engine', { replicas: settings.engines });
    cluster.handler(1);
    const line = await bench.client(cluster, 'run/hops.js', {
      engine: 'drover',
      inflight,
      resources: Number(options.resources ?? Math.max(1024, inflight * 4)),
      handlers: 1,
      settings,
      warmupSeconds: bench.number('warmup'),
      seconds: bench.number('seconds', 20),
    });
    bench.print(line);
    await readable(line);
  });

  async function readable({ traced, whole, hops, inDatabase, messages }) {
    const { aligned } = await import('../../../bench/dist/report/table.js');
    const cells = ({ medianMicros, p90Micros, share }) =>
      [medianMicros, p90Micros, (share * 100).toFixed(1)].map(String);
    say(
      `\n${aligned([
        ['hop', 'in', 'median µs', 'p90 µs', '%'],
        ...hops.flatMap(({ hop, program, ...times }) => {
          const database = inDatabase.find((one) => one.hop === hop);
          const line = [hop, program, ...cells(times)];
          if (database === undefined) return [line];
          return [
            line,
            ['  of it', 'PostgreSQL', `mean ${database.meanMicros}`, '', (database.share * 100).toFixed(1)],
          ];
        }),
        [`whole, of ${traced} processes`, '', ...cells(whole)],
      ])}`,
    );
    say(
      `\n${aligned([
        ['message', 'per process', 'bytes'],
        ...messages.map(({ message, perProcess, bytesPerProcess }) => [
          message,
          ...[perProcess, bytesPerProcess].map(String),
        ]),
      ])}`,
    );
  }
}
