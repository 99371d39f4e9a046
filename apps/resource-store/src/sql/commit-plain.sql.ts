import { batchOf, type BatchColumns, fromNow, millis, wakeAt } from './columns.sql.js';

/**
 * What plain transitions carry (libs/contracts/src/plain.ts): of the columns of columns.sql.ts those that are not empty in them, nor the same
 * in all (`field`, `start`, `fin`, `upd`, and `chg` but for steps).
 */
export const PLAIN_COLUMNS = {
  starts: {
    row: `res bigint, cmd uuid, hash text, xrev int, p_token text, p_data json, p_notify text`,
    shape: `
  reg bigint, ret boolean, xtype text, xstates text[],
  c_to text, c_map json, c_kind text, c_proc text, c_trans text,
  p_name text, p_status text, p_slot smallint, p_dispatch int, p_execs int, p_progress json,
  p_dl double precision, p_wake double precision, p_wakedl boolean, p_defver int, p_prio int`,
  },
  ends: {
    row: `res bigint, pid bigint, cmd uuid, hash text, pver int, xrev int, c_data jsonb, e_progress json`,
    shape: `
  reg bigint, xtype text, c_to text, c_kind text, c_proc text, c_trans text, e_exit text`,
  },
  steps: {
    row: `res bigint, pid bigint, cmd uuid, hash text, pver int, xrev int, c_data jsonb, p_progress json`,
    shape: `
  reg bigint, chg boolean, xtype text, c_to text, c_kind text, c_proc text, c_trans text,
  p_name text, p_status text, p_slot smallint, p_dispatch int, p_execs int,
  p_dl double precision, p_wake double precision, p_wakedl boolean`,
  },
} satisfies Record<string, BatchColumns>;

/**
 * `fitting`: the transitions all of whose guards hold in the statement's snapshot. Nothing is locked: the writes below find the rows as they were seen,
 * or the whole statement fails. What is left out is asked of the full statement, which says why.
 */
const fitting = (columns: BatchColumns, own: string, guards = ''): string => `
with fitting as materialized (
  select i.n, i.res, i.cmd, i.hash, i.c_kind, i.c_proc, i.c_trans, r.revision, r.state as from_state, ${own}
    from (${batchOf(columns)}) i
    join resource r on r.id = i.res
   where r.id = any ($2::bigint[])
     and r.type = i.xtype and (i.xrev is null or r.revision = i.xrev)
     and i.reg >= (select revision from registry)
     and (i.cmd = any (array(select id from command where id = any ($3::uuid[])))) is not true${guards}
),`;

/** All rows of one relation are in the other, or the statement fails with SQLSTATE 22012 (division by zero). */
const proof = (written: string, meant: string): string =>
  `1 / ((select count(*) from ${written}) = (select count(*) from ${meant}))::int`;

// Every other write waits for the proof: a row of the feed draws its number when its resource's row is held, so the order of one resource's rows is that
// of their numbers, and no transaction draws one before it has an id of its own (libs/process-model/src/feed/horizon.ts).
const PROVED = '(select all_of_them from proved) = 1';

/**
 * The resource moves, if nobody has written it since it was seen; then what all transitions write.
 * @param process the column that numbers it
 * @param sets what else changes of the resource
 * @param which transitions move it
 */
const moves = (process: string, sets = '', which = 'true'): string => `
moved as (
  update resource r
     set revision = r.revision + 1, state = f.next_state, ${sets}transitioning = f.c_trans, message = null, progress = null
    from fitting f
   where r.id = f.res and r.revision = f.revision and ${which} and r.id = any (array(select res from fitting))
  returning r.id
),
proved as (
  select ${proof('moved', `fitting where ${which}`)} as all_of_them
),
commanded as (
  insert into command (id, hash, resource_id, process_id)
  select cmd, md5(hash)::uuid, res, ${process} from fitting where cmd is not null and ${PROVED}
),
noted as (
  insert into feed (resource_id, process_id, time, revision, kind, process, state_field, from_state, to_state)
  select res, ${process}, now(), revision + 1, c_kind, c_proc, null, from_state, next_state
    from fitting where ${which} and ${PROVED}
),`;

/** What is the same in every answer of a transition that was applied. */
const APPLIED = `f.n, 'ok' as verdict, null::bigint as registered, f.res, f.next_state as state, f.from_state, ${millis('now()')} as now`;

/**
 * As COMMIT_STARTS, of a batch of plain starts.
 * The rows of live processes are not locked: where there is one, nothing starts, and whoever ends it writes the resource's row.
 */
const STARTS = `${fitting(
  PLAIN_COLUMNS.starts,
  `nextval('drover_number') as new_pid,
         case when i.c_map is not null then i.c_map ->> r.state else i.c_to end as next_state,
         i.ret, i.p_name, i.p_status, i.p_slot, i.p_dispatch, i.p_execs, i.p_progress, i.p_dl, i.p_wake, i.p_wakedl, i.p_defver, i.p_prio,
         i.p_token, i.p_data, i.p_notify, r.type, r.kind, r.account_id, r.transitioning, r.message, r.progress, r.regions`,
  `
     and (i.xstates is null or r.state = any (i.xstates))
     and (i.c_map is null or i.c_map ->> r.state is not null)
     and r.id <> all (array(
           select p.resource_id from process_live p where p.resource_id = any ($2::bigint[]) and p.state_field = 'state'))`,
)}${moves('new_pid')}
started as (
  insert into process_live (id, resource_id, account_id, start_time, next_wake_at, deadline,
                            version, definition_version, dispatch, execution_count, priority, slot, resend,
                            resource_type, state_field, name, began_state, status, token, notify, progress, data)
  select new_pid, res, account_id, now(),
         ${wakeAt({ wake: 'p_wake', wakeAtDeadline: 'p_wakedl', deadline: fromNow('p_dl'), wait: 'null::timestamptz', total: 'null::timestamptz' })},
         ${fromNow('p_dl')},
         1, p_defver, p_dispatch, p_execs, p_prio, p_slot, false,
         type, 'state', p_name, from_state, p_status, p_token, p_notify, p_progress, p_data
    from fitting where ${PROVED}
)
select ${APPLIED}, f.revision + 1 as revision, f.new_pid as pid, 1 as pver,
       f.from_state as main_state, f.transitioning, f.message, f.progress, f.regions, f.type, f.kind, f.account_id,
       d.uuid, d.name, d.description, d.data, ${millis('d.created')} as created, ${millis('d.removed')} as removed
  from fitting f
  left join (
    select * from resource_data where id = any (array(select res from fitting where ret))) d
    on d.id = f.res and f.ret
`;

/** What a handler said of the resource. */
const WROTE = `
wrote as (
  update resource_data d
     set data = d.data || f.c_data, revision = d.revision + 1
    from fitting f
   where d.id = f.res and f.c_data is not null and d.id = any (array(select res from fitting where c_data is not null)) and ${PROVED}
),`;

const DATA_REVISION = 'data_revision = r.data_revision + (f.c_data is not null)::int, ';

/** The live process of the transition, in the version that it is about. */
const OF_LIVE = `p.id = f.pid and p.version = f.pver and p.resource_id = f.res and p.state_field = 'state'
     and p.id = any (array(select pid from fitting)) and ${PROVED}`;

/** As COMMIT_ENDS, of a batch of plain ends. */
const ENDS = `${fitting(PLAIN_COLUMNS.ends, 'i.pid, i.pver, i.c_data, i.e_exit, i.e_progress, i.c_to as next_state')}${moves(
  'pid',
  `${DATA_REVISION}resting = f.next_state, `,
)}${WROTE}
ended as (
  delete from process_live p
   using fitting f
   where ${OF_LIVE}
  returning p.id, p.resource_id, p.account_id, p.start_time, p.definition_version, p.execution_count, p.priority, p.resource_type, p.state_field,
            p.name, f.e_exit, f.e_progress, p.data, p.parent_id, p.parent_dispatch
),
finished as (
  insert into process_finished (id, resource_id, account_id, start_time, end_time, definition_version, execution_count, priority,
                                resource_type, state_field, name, exit_reason, progress, data, parent_id, parent_dispatch)
  select id, resource_id, account_id, start_time, now(), definition_version, execution_count, priority,
         resource_type, state_field, name, e_exit, e_progress, data, parent_id, parent_dispatch
    from ended
)
select ${APPLIED}, f.revision + 1 as revision, null::bigint as pid, null::int as pver
  from fitting f
 where ${proof('ended', 'fitting')} = 1
`;

/** How long a pause has held a process that goes on now: its clocks stood still. */
const PAUSED = `case when p.held_since is not null then now() - p.held_since else interval '0' end`;

/** As COMMIT_STEPS, of a batch in which every process goes on, and its resource changes or not. */
const STEPS = `${fitting(
  PLAIN_COLUMNS.steps,
  `i.pid, i.pver, i.c_data, i.chg, coalesce(i.c_to, r.state) as next_state,
         i.p_name, i.p_status, i.p_slot, i.p_dispatch, i.p_execs, i.p_progress,
         ${fromNow('i.p_dl')} as next_deadline, i.p_wake, i.p_wakedl`,
)}${moves('pid', DATA_REVISION, 'chg')}${WROTE}
kept as (
  update process_live p
     set version = p.version + 1,
         name = f.p_name, status = f.p_status, waiting_handler = null, slot = f.p_slot, dispatch = f.p_dispatch,
         execution_count = f.p_execs, progress = f.p_progress, predecessor_id = null, resend = false,
         error_code = null, error_message = null, deadline = f.next_deadline, wait_deadline = null,
         held_by = null, admitted = null, held_since = null,
         total_deadline = p.total_deadline + ${PAUSED},
         next_wake_at = ${wakeAt({ wake: 'f.p_wake', wakeAtDeadline: 'f.p_wakedl', deadline: 'f.next_deadline', wait: 'null::timestamptz', total: `(p.total_deadline + ${PAUSED})` })}
    from fitting f
   where ${OF_LIVE}
  returning p.id
)
select ${APPLIED}, f.revision + case when f.chg then 1 else 0 end as revision, f.pid, f.pver + 1 as pver
  from fitting f
 where ${proof('kept', 'fitting')} = 1
`;

export const COMMIT_PLAIN_STARTS = { name: 'commit-plain-starts', text: STARTS };
export const COMMIT_PLAIN_ENDS = { name: 'commit-plain-ends', text: ENDS };
export const COMMIT_PLAIN_STEPS = { name: 'commit-plain-steps', text: STEPS };
