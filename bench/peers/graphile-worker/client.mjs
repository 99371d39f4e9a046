/**
 * Adds the job in SQL, in the statement that moves the resource, and hears of the end by NOTIFY: Graphile Worker itself
 * tells nobody outside its process.
 */
import pg from 'pg';
import { hearEnds } from '../lib/resources.mjs';

/** start → transitioning, and the job: both or none. */
const BEGIN = {
  name: 'begin',
  text: `
    with moved as (
      update bench.resource set state = 'running', revision = revision + 1
      where id = $1 and state = 'idle' returning id, revision
    )
    select graphile_worker.add_job('run', json_build_object(
      'call', $2::text, 'resourceId', id, 'revision', revision, 'data', $3::json
    )) from moved`,
};

export async function connect({ databaseUrl, connections }) {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: connections });
  const ends = await hearEnds(databaseUrl);
  let last = 0;
  return {
    runOne: async (resourceId) => {
      const call = String(++last);
      const end = ends.expect(call);
      const { rowCount } = await pool.query({ ...BEGIN, values: [resourceId, call, '{"note":"bench"}'] });
      if (rowCount !== 1) throw new Error('ActionNotAvailable');
      await end;
    },
    close: async () => {
      await ends.close();
      await pool.end();
    },
  };
}
