import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withCluster } from './cluster.mjs';
import { filledDatabase, KEEPING, removeFilled } from './filled.mjs';

/** Services that were busy give memory back after at most twenty. */
const SETTLE_SECONDS = 30;

/** Memory of each service with so many processes waiting for a handler that is registered and absent. */
export async function waiting(bench) {
  const count = bench.number('waiting');
  const { residentMegabytes, MemoryWatch } = await import('../../../bench/dist/run/proc.js');
  const { machine } = await import('../../../bench/dist/run/result.js');
  const dir = join(tmpdir(), `drover-waiting-${process.pid}`);
  const shape = { type: 'benchThing', state: 'idle', verb: 'run', say: bench.say };
  try {
    // A resource for each, made by SQL; a short history, since the fill wants one.
    const { postgresDir } = await filledDatabase({ dir, history: { resources: count, processes: count }, ...shape });
    await withCluster({ say: bench.say, keep: bench.options.keep, postgresDir }, async (cluster) => {
      for (const app of ['resource-store', 'process-engine', 'gateway']) await cluster.service(app, { env: KEEPING });
      const services = ['store', 'engine', 'gateway'];
      const megabytes = () => Object.fromEntries(services.map((name) => [name, residentMegabytes(cluster.pids[name])]));
      const before = megabytes();
      const watch = new MemoryWatch(Object.fromEntries(services.map((name) => [name, cluster.pids[name]])));
      const began = performance.now();
      const started = await bench.client(cluster, 'run/wait.js', { count, inflight: bench.number('inflight', 256) });
      const seconds = Math.round((performance.now() - began) / 1_000);
      await sleep(SETTLE_SECONDS * 1_000);
      const after = watch.stop();
      bench.print({
        kind: 'waiting',
        run: bench.run,
        date: new Date().toISOString(),
        ...started,
        startSeconds: seconds,
        /** before the first start; afterwards the most seen, and what was left when all waited */
        memoryMegabytes: Object.fromEntries(services.map((name) => [name, { before: before[name], ...after[name] }])),
        commit: bench.commit,
        machine: machine(),
      });
      const most = Math.max(...services.map((name) => after[name].end));
      bench.say(`\n${started.waiting} processes wait; the largest service has ${most} MB (goal: at most 300)`);
    });
  } finally {
    // Its processes wait for ever: no other run can use it.
    await removeFilled(dir);
  }
}
