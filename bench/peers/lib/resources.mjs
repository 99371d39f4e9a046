/**
 * The resources of the peers that live in PostgreSQL: one row each, moved by compare-and-set, with the columns of the
 * limit engine's and, for DBOS, the process that moved it last. A peer's own tables hold its process, history and events.
 */
import pg from 'pg';

const SCHEMA = `
  create schema bench;
  create table bench.resource (
    id bigint primary key,
    state text not null,
    revision bigint not null,
    data jsonb not null,
    process text
  ) with (fillfactor = 80);`;

/** Channel on which the end of a process is told to the client that waits for it. */
export const ENDS = 'bench_ends';

export async function createResources(databaseUrl, count) {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(SCHEMA);
  await client.query(`insert into bench.resource select n, 'idle', 1, '{}', null from generate_series(1, $1::int) n`, [
    count,
  ]);
  await client.query('analyze bench.resource');
  await client.end();
}

/** start → transitioning of many; answers those that moved. $1: ids */
export const BEGIN_MANY = `
  update bench.resource set state = 'running', revision = revision + 1
  where id = any ($1::bigint[]) and state = 'idle' returning id::float8, revision::float8`;

/** transitioning → done of many, with the handler's answers, and one message to the client. $1: ids, $2: data, $3: message */
export const FINISH_MANY = `
  with moved as (
    update bench.resource r set state = 'idle', revision = r.revision + 1, data = r.data || i.data
    from rows from (unnest($1::bigint[]), jsonb_array_elements($2::jsonb)) as i (id, data)
    where r.id = i.id and r.state = 'running' returning r.id
  )
  select count(*)::int as moved, pg_notify('${ENDS}', $3) from moved`;

/** Hears the ends that {@link ENDS} carries, comma-separated numbers of calls, on one connection of its own. */
export async function hearEnds(databaseUrl) {
  const waiting = new Map();
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  client.on('notification', ({ payload }) => {
    for (const call of payload.split(',')) {
      waiting.get(call)?.();
      waiting.delete(call);
    }
  });
  await client.query(`listen ${ENDS}`);
  return {
    /** Resolves when the end of that call is heard. */
    expect(call) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(call);
          reject(new Error('no end heard'));
        }, 30_000);
        waiting.set(call, () => {
          clearTimeout(timer);
          resolve();
        });
      });
    },
    close: () => client.end(),
  };
}
