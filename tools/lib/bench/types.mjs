import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withCluster } from './cluster.mjs';

/** What many types are compared with: about as many as a whole cloud needs. */
const FEW = 60;
const FILES = 50;

/** Boot and first process of a cluster with so many declared types, and with 60. */
export async function types(bench) {
  const many = bench.number('types');
  // The first cluster reads programs from the disk that the others find in memory: it is not counted.
  await withTypes(bench, FEW);
  const measured = { few: await withTypes(bench, FEW), many: await withTypes(bench, many) };
  const over = (of) => Number((of(measured.many) / of(measured.few)).toFixed(2));
  const { machine } = await import('../../../bench/dist/run/result.js');
  bench.print({
    kind: 'types',
    run: bench.run,
    date: new Date().toISOString(),
    few: measured.few,
    many: measured.many,
    ratios: {
      firstBoot: over((of) => of.firstBootMillis),
      boot: over((of) => of.bootMillis.total),
      firstProcess: over((of) => of.firstProcessMillis),
    },
    commit: bench.commit,
    machine: machine(),
  });
}

/** Boots once on an empty database, where the types are declared, and once more, where they are known. */
function withTypes(bench, count) {
  return withCluster({ say: bench.say, keep: bench.options.keep }, async (cluster) => {
    const folder = join(cluster.dir, 'definitions');
    await declare(folder, count);
    const env = { DROVER_DEFINITIONS: folder };
    const first = await boot(cluster, env);
    for (const child of first.children.reverse()) await child.stop(30_000);
    cluster.forgetServices();
    const second = await boot(cluster, env);
    cluster.handler(1);
    const { firstProcessMillis, nextProcessMillis } = await bench.client(cluster, 'run/first-process.js', {
      httpUrl: cluster.httpUrl,
      type: nameOf(count - 1),
    });
    const { residentMegabytes } = await import('../../../bench/dist/run/proc.js');
    const megabytes = (component) => residentMegabytes(cluster.pids[component]);
    return {
      types: count,
      firstBootMillis: first.millis.total,
      bootMillis: second.millis,
      firstProcessMillis,
      nextProcessMillis,
      memoryMegabytes: { store: megabytes('store'), engine: megabytes('engine'), gateway: megabytes('gateway') },
    };
  });
}

/** One after the other, so that each has its own time. */
async function boot(cluster, env) {
  const millis = {};
  const children = [];
  const began = performance.now();
  for (const app of ['resource-store', 'process-engine', 'gateway']) {
    const before = performance.now();
    children.push(...(await cluster.service(app, { env })));
    millis[app] = Math.round(performance.now() - before);
  }
  millis.total = Math.round(performance.now() - began);
  return { millis, children };
}

/** Names of different shapes: a prefix of ids is made of a name's capitals. */
const nameOf = (n) => `thing${String.fromCharCode(65 + (n % 26))}${n}`;

async function declare(folder, count) {
  await mkdir(folder, { recursive: true });
  const { BENCH_TYPE } = await import('../../../bench/dist/run/shape.js');
  for (let file = 0; file < FILES; file++) {
    const documents = [];
    for (let n = file; n < count; n += FILES) documents.push(JSON.stringify({ ...BENCH_TYPE, name: nameOf(n) }));
    // A document of JSON is one of YAML too.
    if (documents.length > 0) await writeFile(join(folder, `types-${file}.yaml`), documents.join('\n---\n'));
  }
}
