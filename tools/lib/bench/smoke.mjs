import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../install.mjs';
import { resolveNatsServer } from '../nats-server.mjs';
import { hasPostgres } from '../postgres.mjs';
import { withCluster } from './cluster.mjs';

const BASELINE = join(ROOT, 'bench', 'baseline.json');
const INFLIGHT = 64;
const SLICES = 5;
const SLICE_SECONDS = 1.2;

/**
 * Has our share of the limit engine's throughput fallen by more than a third below bench/baseline.json? Only ever a
 * ratio within one run: the same on a fast and on a slow machine. A fall is looked at a second time before it fails.
 */
export async function smoke(bench) {
  const missing = await whyItCannotRun(bench);
  if (missing) return bench.say(`LEFT OUT: the comparison with the limit engine: ${missing}`);
  const { hasFallen, medianRatio } = await import('../../../bench/dist/run/ratio.js');
  const baseline = JSON.parse(await readFile(BASELINE, 'utf8'));
  const once = async () => {
    const { slices, cpuSlices, errors } = await slicesOf(bench);
    const ratio = Number(medianRatio(slices).toFixed(3));
    const cpuRatio = Number(medianRatio(cpuSlices).toFixed(2));
    bench.print({
      kind: 'smoke',
      ratio,
      cpuRatio,
      baseline: baseline.ratio,
      inflight: INFLIGHT,
      slices,
      errors: Object.values(errors).reduce((sum, count) => sum + count, 0),
      errorKinds: errors,
      date: new Date().toISOString(),
      commit: bench.commit,
    });
    return ratio;
  };
  let ratio = await once();
  if (bench.options.renew) return renew(bench, ratio);
  if (hasFallen(ratio, baseline)) {
    bench.say(`${share(ratio)} of the limit engine, ${share(baseline.ratio)} in bench/baseline.json: once more`);
    ratio = Math.max(ratio, await once());
  }
  if (!hasFallen(ratio, baseline))
    return bench.say(
      `ok: ${share(ratio)} of the limit engine's throughput; bench/baseline.json: ${share(baseline.ratio)}`,
    );
  bench.say(
    `FAILED: ${share(ratio)} of the limit engine's throughput, more than a third below the ${share(baseline.ratio)} of bench/baseline.json.\n` +
      'Find what became slower (npm run bench -- --profile DIR), or, when it is worth it, renew the file on a quiet machine: npm run bench -- --smoke --renew',
  );
  process.exitCode = 1;
}

function slicesOf(bench) {
  return withCluster({ say: bench.say }, async (cluster) => {
    const resources = INFLIGHT * 4;
    await cluster.limitEngine(resources);
    await cluster.service('resource-store');
    await cluster.service('process-engine');
    cluster.handler(1);
    return bench.client(cluster, 'run/smoke.js', {
      inflight: INFLIGHT,
      resources,
      slices: SLICES,
      seconds: SLICE_SECONDS,
    });
  });
}

async function renew(bench, ratio) {
  const baseline = {
    ratio,
    inflight: INFLIGHT,
    date: new Date().toISOString().slice(0, 10),
    commit: bench.commit,
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: availableParallelism(),
  };
  await writeFile(BASELINE, `${JSON.stringify(baseline, null, 2)}\n`);
  bench.say(`bench/baseline.json says ${share(ratio)} now`);
}

/** @returns a reason, or nothing */
async function whyItCannotRun({ say }) {
  if (!hasPostgres() && !process.env.DROVER_POSTGRES_BIN)
    return 'the PostgreSQL binaries for this machine are not installed';
  return resolveNatsServer({ say }).then(
    ({ path }) => (path ? undefined : 'DROVER_NATS_URL names a server; the comparison starts its own'),
    (error) => error.message.split('\n')[0],
  );
}

const share = (ratio) => `${(ratio * 100).toFixed(0)} %`;
