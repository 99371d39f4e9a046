/**
 * Measures lists, histories and counts on a large history: `node tools/fill-history.mjs [--rows 10000000] [--dir /data] [--keep]`.
 * Starts a PostgreSQL of its own, fills it, and prints one line of JSON. Needs a build (`npm run build`) and, for 10 million rows, 12 GB.
 */
import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fillHistory } from './lib/fill-history.mjs';
import { startPostgresServer } from './lib/postgres.mjs';

/** Of one finished process with its feed row, indexes included; the rest is the log that is written meanwhile. */
const BYTES_PER_ROW = 1_200;
const REPEATS = 20;

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '10000000' },
    dir: { type: 'string', default: tmpdir() },
    keep: { type: 'boolean', default: false },
  },
});
const rows = Number(options.rows);
const say = (line) => console.error(line);

const { bavail, bsize } = await statfs(options.dir);
if (bavail * bsize < rows * BYTES_PER_ROW)
  throw new Error(
    `${options.dir} has ${Math.round((bavail * bsize) / 1e9)} GB free, not ${(rows * BYTES_PER_ROW) / 1e9}`,
  );

const { openStoreDatabase, patiently } = await import('./lib/store-database.mjs');
const { QueryService } = await import('../apps/resource-store/dist/query/query.service.js');
const { CountsService } = await import('../apps/resource-store/dist/query/counts.service.js');

const dir = await mkdtemp(join(options.dir, 'drover-history-'));
const server = await startPostgresServer({ dir, durable: false, say });
let dataSource;
try {
  dataSource = await openStoreDatabase(server.url, 'fill-history');
  const resources = Math.max(1, Math.round(rows / 100));
  const started = performance.now();
  await patiently(dataSource, (query) => fillHistory(query, { rows, days: 30, feedDays: 7, resources, say }));
  const fillSeconds = Math.round((performance.now() - started) / 1_000);
  const [{ bytes }] = await dataSource.query('select pg_database_size(current_database())::float8 as bytes');
  const [{ server_version: version }] = await dataSource.query('show server_version');
  const figures = await measure(resources);
  console.log(
    JSON.stringify({
      rows,
      fillSeconds,
      gigabytes: Math.round(bytes / 1e8) / 10,
      cpus: cpus().length,
      postgres: version,
      millis: figures,
    }),
  );
} finally {
  await dataSource?.destroy().catch(() => undefined);
  await server.child.stop();
  if (!options.keep) await rm(dir, { recursive: true, force: true });
  else say(`kept in ${dir}`);
}

/** Median and worst of some runs, milliseconds, each at another place. */
async function measure(resources) {
  const query = new QueryService(dataSource, undefined, undefined);
  const counts = new CountsService(dataSource, undefined);
  const page = { ids: null, resourceId: null, filters: [], limit: 100, beforeId: null };
  const one = () => 1 + Math.floor(Math.random() * resources);
  const anywhere = () => resources + Math.floor(Math.random() * 2 * rows);
  const equal = (field, value) => [{ field, modifier: 'eq', value }];
  const reads = {
    firstPage: () => query.processes(page),
    pageAnywhere: () => query.processes({ ...page, beforeId: anywhere() }),
    ofResource: () => query.processes({ ...page, resourceId: one() }),
    byNumber: () => query.processes({ ...page, ids: [resources + 2 * Math.ceil(Math.random() * rows)] }),
    filtered: () => query.processes({ ...page, filters: equal('exitReason', 'FAILED') }),
    filteredToNothing: () => query.processes({ ...page, filters: equal('name', 'filled.none') }),
    transitionsOfResource: () => query.transitions(one(), 100, null),
    count: () => counts.processes({ resourceId: null, filters: [] }),
    countOfResource: () => counts.processes({ resourceId: one(), filters: [] }),
    countFiltered: () => counts.processes({ resourceId: null, filters: equal('exitReason', 'FAILED') }),
  };
  const figures = {};
  for (const [name, read] of Object.entries(reads)) {
    const millis = [];
    let last;
    for (let i = 0; i <= REPEATS; i++) {
      const before = performance.now();
      last = await read();
      if (i > 0) millis.push(performance.now() - before);
    }
    millis.sort((a, b) => a - b);
    figures[name] = { median: round(millis[REPEATS / 2]), worst: round(millis.at(-1)) };
    if ('total' in last) Object.assign(figures[name], last);
  }
  return figures;
}

function round(millis) {
  return Math.round(millis * 10) / 10;
}
