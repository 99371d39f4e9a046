import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filledDatabase, KEEPING, removeFilled } from './filled.mjs';

const FULL = { resources: 1_000_000, processes: 10_000_000 };
const SMALL = { resources: 10_000, processes: 100_000 };

/** Each on the empty and then on the filled database; the last has the gateway that the reads go through. */
const LOADS = [{ inflight: 1 }, { inflight: 64 }, { inflight: 256 }, { inflight: 256, http: true }];

/** The same load and the same reads on an empty database and on one with a long history, and the ratios. */
export async function scale(bench) {
  const { options, say, print } = bench;
  const history = options.small ? SMALL : FULL;
  const dir = options.dir ?? join(tmpdir(), `drover-scale-${history.processes}`);
  try {
    const shape = { type: 'benchThing', state: 'idle', verb: 'run' };
    const { postgresDir, gigabytes, fillSeconds } = await filledDatabase({ dir, history, ...shape, say });
    const lines = [];
    const reads = {};
    for (const load of LOADS) {
      for (const on of [{}, { postgresDir, history, serviceEnv: KEEPING }]) {
        const withReads = load.http === true;
        const line = await bench.line({
          ...load,
          ...on,
          ...(withReads
            ? { beforeStop: async (cluster) => (reads[on.history ? 'filled' : 'empty'] = await read(cluster, on)) }
            : {}),
        });
        lines.push(line);
        print(line);
      }
    }
    for (const of of Object.values(reads)) print(of);
    const ratios = ratiosOf(lines);
    print({
      kind: 'scale',
      run: bench.run,
      date: new Date().toISOString(),
      commit: bench.commit,
      history,
      gigabytes,
      fillSeconds,
      ratios,
    });
    await readable(lines, reads, ratios);
  } finally {
    if (options.keep) say(`the filled database is kept in ${dir}`);
    else await removeFilled(dir);
  }

  async function read(cluster, { history: filled }) {
    return bench.client(cluster, 'run/reads.js', {
      httpUrl: cluster.httpUrl,
      ...(filled ? { history: filled } : {}),
    });
  }

  async function readable(lines, reads, ratios) {
    const { aligned, table } = await import('../../../bench/dist/report/table.js');
    say(`\n${table(lines)}`);
    const heading = ['filled : empty', '/s', 'p50', 'p99', 'CPU', 'WAL'];
    const rows = ratios.map(({ load, ...ratio }) => [load, ...Object.values(ratio).map(String)]);
    say(`\n${aligned([heading, ...rows])}`);
    const names = Object.keys(reads.filled.millis);
    const cells = (of, name) => [of.millis[name].median, of.millis[name].worst].map(String);
    say(
      `\n${aligned([
        ['read, ms', 'empty', 'worst', 'filled', 'worst'],
        ...names.map((name) => [name, ...cells(reads.empty, name), ...cells(reads.filled, name)]),
      ])}`,
    );
  }
}

/** Of neighbouring lines: what the filled database gave over what the empty one did. */
function ratiosOf(lines) {
  const ratios = [];
  for (let i = 0; i < lines.length; i += 2) {
    const [empty, filled] = [lines[i], lines[i + 1]];
    const over = (of) => Number((of(filled) / of(empty)).toFixed(2));
    ratios.push({
      load: `${empty.inflight} in flight, ${empty.start}`,
      processesPerSecond: over((line) => line.processesPerSecond),
      p50Millis: over((line) => line.p50Millis),
      p99Millis: over((line) => line.p99Millis),
      cpuMicrosPerProcess: over((line) => line.cpuMicrosPerProcess.total),
      walBytesPerProcess: over((line) => line.walBytesPerProcess),
    });
  }
  return ratios;
}
