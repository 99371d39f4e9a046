import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { withCluster } from './cluster.mjs';

/** What a boot leaves behind is over by then. */
const SETTLE_SECONDS = 15;

/**
 * What a cluster costs that has nothing to do: one store, one engine, one gateway, a handler that is connected. Statements
 * are counted in PostgreSQL's log, which the services' connections are told to write.
 */
export async function idle(bench) {
  const seconds = bench.number('seconds', 30);
  const { machineMicros, processorMicros, residentMegabytes } = await import('../../../bench/dist/run/proc.js');
  const { machine } = await import('../../../bench/dist/run/result.js');
  const setUp = {
    say: bench.say,
    keep: bench.options.keep,
    postgresSettings: ['log_statement=all', 'log_min_messages=log'],
  };
  return withCluster(setUp, async (cluster) => {
    for (const app of ['resource-store', 'process-engine', 'gateway']) await cluster.service(app);
    cluster.handler(1);
    await sleep(SETTLE_SECONDS * 1_000);
    const reading = async () => ({
      at: performance.now(),
      machine: machineMicros(),
      micros: Object.fromEntries(
        Object.entries(cluster.pids).map(([component, pids]) => [component, processorMicros(pids)]),
      ),
      statements: statementsOf(await readFile(cluster.postgresLog, 'utf8')),
    });
    const before = await reading();
    await sleep(seconds * 1_000);
    const after = await reading();
    const took = (after.at - before.at) / 1_000;
    const share = (micros) => Number((micros / 1e4 / took).toFixed(2));
    const spent = Object.entries(after.micros).map(([component, micros]) => [
      component,
      micros - before.micros[component],
    ]);
    const total = spent.reduce((sum, [, micros]) => sum + micros, 0);
    const statements = new Map(after.statements);
    for (const [text, count] of before.statements) statements.set(text, statements.get(text) - count);
    const count = [...statements.values()].reduce((sum, n) => sum + n, 0);
    bench.print({
      kind: 'idle',
      run: bench.run,
      date: new Date().toISOString(),
      seconds: Number(took.toFixed(1)),
      queriesPerSecond: Number((count / took).toFixed(2)),
      /** per cent of one core */
      cpuPercent: { total: share(total), ...Object.fromEntries(spent.map(([name, micros]) => [name, share(micros)])) },
      memoryMegabytes: Object.fromEntries(
        Object.entries(cluster.pids).map(([component, pids]) => [component, residentMegabytes(pids)]),
      ),
      otherCores: Number(((after.machine - before.machine - total) / 1e6 / took).toFixed(2)),
      topQueries: [...statements]
        .filter(([, n]) => n > 0)
        .sort((a, b) => b[1] - a[1])
        .slice(0, 10)
        .map(([text, n]) => ({ perSecond: Number((n / took).toFixed(2)), text })),
      commit: bench.commit,
      machine: machine(),
    });
    bench.say(
      `\n${(count / took).toFixed(1)} statements a second, ${share(total)} % of a core (goals: at most 5 and 2 %)`,
    );
  });
}

/** How often each statement is in a log, by the first words of its text. */
function statementsOf(log) {
  const counts = new Map();
  for (const [, text] of log.matchAll(/LOG: {2}(?:execute [^:]*|statement): ([^\n]*(?:\n\t[^\n]*)*)/g)) {
    const words = text.replaceAll(/\s+/g, ' ').trim().slice(0, 100);
    counts.set(words, (counts.get(words) ?? 0) + 1);
  }
  return counts;
}
