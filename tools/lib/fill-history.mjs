/**
 * Fills the history tables, and resources, with rows as real processes leave them, by SQL alone: for measurements and for
 * tests of plans. Partitions are filled before they are attached, so that each index is built once. A fill that was
 * interrupted goes on where it was: an attached partition with rows is complete.
 */
const DAY_MILLIS = 86_400_000;

/**
 * @param {(sql: string) => Promise<unknown[]>} query one statement on a database whose migrations have run; answers its rows
 * @param {object} options
 * @param {number} options.rows      finished processes, and as many feed rows
 * @param {number} options.days      finished processes are spread evenly over these days, the last one being yesterday
 * @param {number} options.feedDays  the same for the feed
 * @param {number} options.resources resources that had them, numbered from 1
 * @param {number} [options.now]     epoch milliseconds
 * @param {string} [options.type]    of the resources
 * @param {string[]} [options.verbs] of the processes, in turn
 * @param {(line: string) => void} [options.say]
 */
export async function fillHistory(
  query,
  {
    rows,
    days,
    feedDays,
    resources,
    now = Date.now(),
    type = 'filled',
    verbs = ['start', 'stop', 'update', 'activate'],
    say = () => {},
  },
) {
  const today = Math.floor(now / DAY_MILLIS);
  const shape = { resources, type, verbs };
  await fill(query, { table: 'process_finished', rows, days, today, select: finished(shape), say });
  await fill(query, { table: 'feed', rows, days: feedDays, today, select: feed(shape), say });
  await query(`select setval('drover_number', ${2 * rows + resources}), setval('feed_id', ${rows})`);
  await query('vacuum (analyze) process_finished, feed');
}

/** Rows in one statement: what an interrupted fill does again at most. */
const RESOURCES_AT_ONCE = 50_000;

/**
 * Fills resources that rest in a state, numbered from 1: what {@link fillHistory} gives a history.
 * @param {(sql: string) => Promise<unknown[]>} query one statement on a database whose migrations have run
 * @param {object} options
 * @param {number} options.resources
 * @param {string} options.type      as it is declared
 * @param {string} options.state     at rest
 * @param {number} options.revision  of all of them: as many as each has rows in the feed
 * @param {(line: string) => void} [options.say]
 */
export async function fillResources(query, { resources, type, state, revision, say = () => {} }) {
  const [{ last }] = await query('select coalesce(max(id), 0)::float8 as last from resource');
  for (let from = last + 1; from <= resources; from += RESOURCES_AT_ONCE) {
    const to = Math.min(resources, from + RESOURCES_AT_ONCE - 1);
    await query(`
      with number as (select n from generate_series(${from}::bigint, ${to}::bigint) n), data as (
        insert into resource_data (id, created, revision, type, uuid, data)
        select n, now() - interval '30 days', 1, '${type}', gen_random_uuid(), json_build_object('result', '1pi' || n) from number
      )
      insert into resource (id, revision, data_revision, type, kind, state, resting, transitioning)
      select n, ${revision}, 1, '${type}', '${type}', '${state}', '${state}', 'no' from number`);
    say(`${to} resources so far`);
  }
  await query('vacuum (analyze) resource, resource_data');
  await query(`select setval('drover_number', greatest((select last_value from drover_number), ${resources}))`);
}

async function fill(query, { table, rows, days, today, select, say }) {
  const perDay = Math.ceil(rows / days);
  for (let i = 0; i < days; i++) {
    const day = today - days + i;
    const name = `${table}_${iso(day).slice(0, 10).replaceAll('-', '')}`;
    const attached = `select 1 from pg_inherits where inhrelid = to_regclass('${name}')`;
    // Attached and with rows it is one of ours; what is not attached was not finished.
    const there = await query(attached);
    if (there.length > 0 && (await query(`select 1 from ${name} limit 1`)).length > 0) continue;
    await query(
      `do $$ begin if exists (${attached}) then execute 'alter table ${table} detach partition ${name}'; end if; end $$`,
    );
    await query(`drop table if exists ${name}`);
    await query(`create table ${name} (like ${table} including defaults including storage)`);
    await query(`insert into ${name} ${select(i * perDay + 1, Math.min(rows, (i + 1) * perDay), iso(day), perDay)}`);
    await query(`alter table ${table} attach partition ${name} for values from ('${iso(day)}') to ('${iso(day + 1)}')`);
    say(`${name}: ${Math.min(rows, (i + 1) * perDay)} rows so far`);
  }
}

const iso = (day) => new Date(day * DAY_MILLIS).toISOString();

/** When the row n falls within its day. */
const timeOf = (from, day, perDay) => `'${day}'::timestamptz + (n - ${from}) * interval '1 day' / ${perDay}`;

/** One in 200 failed, one in 500 was cancelled; progress and data are as long as those of a process with one handler. */
const finished =
  ({ resources, type, verbs }) =>
  (from, to, day, perDay) => `
  (id, resource_id, start_time, end_time, definition_version, execution_count, priority, resource_type, state_field, name, exit_reason,
   error_code, error_message, progress, data)
  select ${resources} + 2 * n, 1 + n * 7919 % ${resources}, t - interval '3 seconds', t, 1, 1, 0, '${type}', 'state',
         '${type.toLowerCase()}.' || (array[${verbs.map((verb) => `'${verb}'`).join()}])[1 + n % ${verbs.length}],
         case when n % 200 = 0 then 'FAILED' when n % 500 = 1 then 'CANCELED' else 'DONE' end,
         case when n % 200 = 0 then 'TIMEOUT' end, case when n % 200 = 0 then 'Handler demo did not answer within 45000 ms' end,
         json_build_object('plan', array['handle.demo'], 'done', array['handle.demo'],
           'executions', json_build_array(json_build_object('n', 1, 'process', '${type.toLowerCase()}.${verbs[0]}', 'start', 0, 'stop', n, 'exitReason', 'DONE')),
           'steps', json_build_array(json_build_object('execution', 1, 'process', '${type.toLowerCase()}.${verbs[0]}', 'phase', 'handle', 'handler', 'demo',
             'attempt', 1, 'start', 0, 'stop', n, 'outcome', 'done')),
           'transitions', json_build_array(json_build_object('from', 'stopped', 'to', 'starting', 'kind', 'transitioning'),
             json_build_object('from', 'starting', 'to', 'running', 'kind', 'done'))),
         '{}'
    from (select n, ${timeOf(from, day, perDay)} as t from generate_series(${from}::bigint, ${to}::bigint) n) rows`;

const feed =
  ({ resources, type, verbs }) =>
  (from, to, day, perDay) => `
  (id, resource_id, process_id, time, revision, kind, process, from_state, to_state)
  select n, 1 + n * 7919 % ${resources}, ${resources} + 2 * n, ${timeOf(from, day, perDay)}, 1 + (n - 1) / ${resources}, 'done',
         '${type.toLowerCase()}.${verbs[0]}', 'starting', 'running'
    from generate_series(${from}::bigint, ${to}::bigint) n`;
