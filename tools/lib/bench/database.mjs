import { startPostgresServer } from '../postgres.mjs';

/** As docs/operations/database.md advises for a server of its own, as far as a short run can tell. */
const SETTINGS = { shared_buffers: '1GB', min_wal_size: '1GB', max_wal_size: '4GB' };
/** Of 16 MB: what the fastest run here writes. */
const LOG_SEGMENTS = 60;

/**
 * The PostgreSQL that everything is measured on, ours, the limit engine and the peers: `fsync`, `full_page_writes` and `synchronous_commit` on.
 * @param {object} options
 * @param {string} options.dir
 * @param {(line: string) => void} options.say
 */
export async function startBenchDatabase({ dir, say }) {
  const server = await startPostgresServer({ dir, durable: true, settings: SETTINGS, say });
  try {
    await makeLogSegments(server.url);
  } catch (error) {
    await server.child.stop();
    throw error;
  }
  return server;
}

/**
 * A server that has run for a while writes its log into files that it used before; a new one makes each of them when it is needed, zeroed and
 * flushed, while all commits wait: 50 ms of every second here (2026-11-23), which is no property of what is measured.
 */
async function makeLogSegments(url) {
  const { default: pg } = await import('pg');
  const client = new pg.Client(url);
  await client.connect();
  try {
    for (let i = 0; i < LOG_SEGMENTS; i++) {
      await client.query(`select pg_logical_emit_message(false, 'drover-bench', '')`); // an empty segment is not left
      await client.query('select pg_switch_wal()');
    }
    // What is older than this becomes what is written next.
    await client.query('checkpoint');
  } finally {
    await client.end();
  }
}
