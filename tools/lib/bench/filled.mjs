import { mkdir, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fillHistory, fillResources } from '../fill-history.mjs';
import { startPostgresServer } from '../postgres.mjs';

/** Of a resource, and of a finished process with its feed row, indexes included; the rest is the log written meanwhile. */
const BYTES_PER_RESOURCE = 1_000;
const BYTES_PER_PROCESS = 1_200;

/** Services on a filled database drop none of it, however long it was kept. */
export const KEEPING = { DROVER_FEED_RETENTION_DAYS: '3650', DROVER_HISTORY_RETENTION_DAYS: '3650' };

/**
 * Makes sure that the folder holds the data of a PostgreSQL with so many resources at rest, numbered from 1, and so many
 * finished processes over 30 days. What an earlier call filled is used again; an interrupted one is gone on with.
 * @param {object} options
 * @param {string} options.dir
 * @param {{resources: number, processes: number}} options.history
 * @param {string} options.type  of the resources, as it is declared
 * @param {string} options.state
 * @param {string} options.verb  of the processes
 * @param {(line: string) => void} options.say
 * @returns {Promise<{postgresDir: string, gigabytes: number, fillSeconds: number}>} no seconds when it was filled already
 */
export async function filledDatabase({ dir, history, type, state, verb, say }) {
  const { resources, processes } = history;
  const postgresDir = join(dir, 'postgres');
  const note = join(dir, 'filled.json');
  await mkdir(dir, { recursive: true, mode: 0o711 }); // as root, PostgreSQL runs as another user, who has to enter it
  const known = JSON.parse(await readFile(note, 'utf8').catch(() => 'null'));
  if (known !== null && (known.resources !== resources || known.processes !== processes))
    throw new Error(`${dir} holds ${known.resources} resources and ${known.processes} processes: name another --dir`);
  if (known?.done) {
    say(`${dir} was filled on ${known.date}`);
    return { postgresDir, gigabytes: known.gigabytes, fillSeconds: 0 };
  }
  const { bavail, bsize } = await statfs(dir);
  const needed = resources * BYTES_PER_RESOURCE + processes * BYTES_PER_PROCESS;
  if (known === null && bavail * bsize < needed)
    throw new Error(`${dir} has ${Math.round((bavail * bsize) / 1e9)} GB free, not ${Math.ceil(needed / 1e9)}`);
  // Also of an interrupted fill: the days of its partitions are counted from here.
  const begun = known ?? { resources, processes, date: new Date().toISOString(), done: false };
  await writeFile(note, JSON.stringify(begun));
  const started = performance.now();
  const { openStoreDatabase, patiently } = await import('../store-database.mjs');
  const server = await startPostgresServer({ dir: postgresDir, durable: false, say });
  try {
    const dataSource = await openStoreDatabase(server.url, 'bench-fill');
    try {
      const gigabytes = await patiently(dataSource, async (query) => {
        const revision = Math.round(processes / resources);
        await fillResources(query, { resources, type, state, revision, say });
        const now = Date.parse(begun.date);
        await fillHistory(query, { rows: processes, days: 30, feedDays: 7, resources, now, type, verbs: [verb], say });
        // All of it was published long ago, as far as the relay is concerned.
        await query('update relay set published = (select last_value from feed_id)');
        await query('checkpoint');
        const [{ bytes }] = await query('select pg_database_size(current_database())::float8 as bytes');
        return Math.round(bytes / 1e8) / 10;
      });
      await writeFile(note, JSON.stringify({ ...begun, done: true, gigabytes }));
      return { postgresDir, gigabytes, fillSeconds: Math.round((performance.now() - started) / 1_000) };
    } finally {
      await dataSource.destroy();
    }
  } finally {
    await server.child.stop(120_000);
  }
}

/** With the data that PostgreSQL keeps elsewhere when its account cannot enter the folder. */
export async function removeFilled(dir) {
  const elsewhere = await readFile(join(dir, 'postgres', 'data-is-elsewhere.txt'), 'utf8').catch(() => '');
  for (const path of [elsewhere.trim(), dir].filter(Boolean)) await rm(path, { recursive: true, force: true });
}
