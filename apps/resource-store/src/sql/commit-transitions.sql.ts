import {
  batchOf,
  type BatchColumns,
  claimOf,
  fromNow,
  GONE_STATES,
  HANDLER_STATES,
  instant,
  isPause,
  millis,
  TRANSITION_COLUMNS,
  wakeAt,
} from './columns.sql.js';

/** Which parts a statement has. */
interface Parts {
  /** a process may start */
  starts: boolean;
  /** a process may end */
  ends: boolean;
  /** a process may go on */
  updates: boolean;
  columns: BatchColumns;
}

const when = (wanted: boolean, sql: string, otherwise = ''): string => (wanted ? sql : otherwise);

/** What is there: locked, and read once. */
function locks({ updates }: Parts): string {
  return `
with held as materialized (
  select r.id, r.type, r.kind, r.state, r.transitioning, r.message, r.progress, r.regions, r.account_id, r.revision,
         (select s.revision from resource s where s.id = r.id) as seen_revision
    from resource r
   where r.id = any ($2::bigint[])
   order by r.id
     for update
),
live as materialized (
  select p.id, p.version, p.resource_id, p.state_field, p.deadline, p.wait_deadline, p.held_since${when(updates, ', p.total_deadline')}
    from process_live p
   where p.resource_id = any (array(select id from held))
   order by p.id + 0
     for update
),
known as materialized (
  select id from command where id = any ($3::uuid[])
),
`;
}

/** `ok`: the transitions all of whose guards hold. Every write below reads it, never the input. */
function verdicts({ starts, updates, columns }: Parts): string {
  return `
judged as not materialized (
  select case
           when i.cmd in (select id from known) then 'repeat'
           when i.reg < (select revision from registry) then 'staleRegistry'
           when r.id is null then 'conflict'
           when r.revision is distinct from r.seen_revision then 'again'
           when i.xtype <> r.type
             or i.xrev <> r.revision
             or (i.xstates is not null and (cur.state = any (i.xstates)) is not true)
             or (i.pid is not null and (p.id = i.pid and p.version = i.pver) is not true)
${when(
  updates,
  `             or (i.xpast is not null
                 and (case i.xpast when 'deadline' then p.deadline when 'wait' then p.wait_deadline else p.total_deadline end <= now()) is not true)\n`,
)}${when(
    starts,
    `             or (i.start and i.pid is null and p.id is not null)
             or (i.start and i.field <> 'state' and r.state in ${GONE_STATES})\n`,
  )}             or nxt.state is null
           then 'conflict'
           when hld.claims is true and exists (
             select from resource_data o
              where o.claim = 'externalHandler/' || coalesce(i.c_name, (select d.name from resource_data d where d.id = r.id))
                and o.id <> r.id)
           then 'notUnique'
           else 'ok'
         end as verdict,
         (i.c_data is not null or i.c_setname or i.c_setdesc or hld.claims is not null
           or (i.field = 'state' and i.chg and nxt.state in ${GONE_STATES} and r.state <> nxt.state)) is true as writes,
         hld.claims, nxt.state as next_state, cur.state as from_state,
${when(
  starts,
  `         case when i.p_dlkeep then p.deadline else ${when(updates, `least(${fromNow('i.p_dl')}, case when i.p_dl is not null then ${instant('i.p_cap')} end)`, fromNow('i.p_dl'))} end as next_deadline,
         case when i.p_wdlkeep then p.wait_deadline + rests.lasted else ${fromNow('i.p_wdl')} end as next_wait,\n`,
)}${when(updates, `         rests.lasted,\n`)}         i.*, r.type, r.kind, r.account_id, r.revision, r.state as main_state, r.transitioning, r.message, r.progress, r.regions
    from (${batchOf(columns)}) i
    left join held r on r.id = i.res
    left join live p on p.resource_id = i.res and p.state_field = i.field
   cross join lateral (
     select case when i.field = 'state' then r.state else r.regions -> i.field ->> 'state' end as state) cur
   cross join lateral (
     select case when i.c_map is not null then i.c_map ->> cur.state else coalesce(i.c_to, cur.state) end as state) nxt
${when(
  starts,
  `   -- how long a pause has held it that ends now: its clocks stood still
   cross join lateral (
     select case when p.held_since is not null and not ${isPause('i.p_held')} then now() - p.held_since
                 else interval '0' end as lasted) rests\n`,
)}   -- null: no handler, or its hold on its name stays as it is; true: takes it (or renames); false: gives it back
   cross join lateral (
     select case when r.type = 'externalHandler' and i.field = 'state' and i.chg
                 then ${claimOf('r.type', 'nxt.state', "''")} is not null end as claims) hld
  offset 0
),
checked as materialized (
  select ${when(starts, `case when j.start and j.verdict = 'ok' then nextval('drover_number') end`, 'null::bigint')} as new_pid, j.*
    from judged j
),
ok as not materialized (
  select * from checked where verdict = 'ok'
),
`;
}

/** The command, the resource and, where something changes that changes seldom, its data. */
function resourceWrites({ starts, ends }: Parts): string {
  return `
commanded as (
  insert into command (id, hash, resource_id, process_id)
  select cmd, md5(hash)::uuid, res, coalesce(new_pid, pid) from ok where cmd is not null
),
moved as (
  update resource r
     set revision = r.revision + 1,
         data_revision = r.data_revision + ok.writes::int,
         state = case when ok.field = 'state' then ok.next_state else r.state end,
         -- no process is live on it any more, or none was
         resting = case when ok.field = 'state'${when(starts, ' and ok.start is not true')} and (${when(ends, 'ok.fin or ')}ok.pid is null and ok.next_state <> r.state)
                        then ok.next_state else r.resting end,
         transitioning = case when ok.field = 'state' then ok.c_trans else r.transitioning end,
         message = case when ok.field = 'state' then ok.c_msg else r.message end,
         progress = case when ok.field = 'state' then ok.c_prog else r.progress end,
         regions = case when ok.field = 'state' then r.regions else r.regions || jsonb_build_object(ok.field,
           jsonb_build_object('state', ok.next_state, 'transitioning', ok.c_trans, 'message', ok.c_msg, 'progress', ok.c_prog)) end
    from ok
   where r.id = ok.res and ok.chg and r.id = any (array(select res from ok where chg))
  returning r.id, r.type, r.revision, ok.field, ok.from_state, ok.next_state, ok.c_kind, ok.c_proc, ok.writes,
            case when ok.c_proc is null then null
${when(starts, `                 when ok.pid is null or ok.c_proc = ok.p_name then coalesce(ok.new_pid, ok.pid)\n`)}                 else ok.pid end as process_id
),
wrote as (
  update resource_data d
     set data = case when ok.c_data is null then d.data else d.data || ok.c_data end,
         name = case when ok.c_setname then ok.c_name else d.name end,
         description = case when ok.c_setdesc then ok.c_desc else d.description end,
         removed = case when ok.field = 'state' and ok.next_state in ${GONE_STATES} and d.removed is null then now() else d.removed end,
         -- a removed handler gives its uuid back: its program may register anew
         uuid = case when ok.type = 'externalHandler' and ok.field = 'state' and ok.next_state in ${GONE_STATES} and d.removed is null
                     then d.uuid || '/removed/' || d.id else d.uuid end,
         purged = case when ok.field = 'state' and ok.next_state = 'purged' and d.purged is null then now() else d.purged end,
         refs = coalesce(ok.c_refs, d.refs),
         claim = case when ok.claims is null then d.claim
                      when ok.claims then 'externalHandler/' || case when ok.c_setname then ok.c_name else d.name end end,
         revision = d.revision + 1
    from ok
   where d.id = ok.res and ok.chg and ok.writes and d.id = any (array(select res from ok where chg and writes))
),
`;
}

/** The guarded process stays live. */
function processGoesOn(): string {
  return `
kept as (
  update process_live p
     set version = p.version + 1,
         name = ok.p_name, status = ok.p_status, waiting_handler = ok.p_waiting, slot = ok.p_slot, dispatch = ok.p_dispatch,
         execution_count = ok.p_execs, progress = ok.p_progress, predecessor_id = ok.p_pred, resend = false,
         error_code = ok.p_code, error_message = ok.p_msg, deadline = ok.next_deadline, wait_deadline = ok.next_wait,
         held_by = ok.p_held, admitted = ok.p_adm,
         held_since = case when ${isPause('ok.p_held')} then coalesce(p.held_since, now()) end,
         total_deadline = p.total_deadline + ok.lasted,
         next_wake_at = case when ok.p_wakekeep then p.next_wake_at else least(${instant('ok.p_cap')}, ${wakeAt({ wake: 'ok.p_wake', wakeAtDeadline: 'ok.p_wakedl', deadline: 'ok.next_deadline', wait: 'ok.next_wait', total: '(p.total_deadline + ok.lasted)' })}) end
    from ok
   where ok.upd and p.id = ok.pid and p.id = any (array(select pid from ok where upd))
),
`;
}

/** The guarded process ends, with those that end with it; whoever waits for one of them is woken. */
function processEnds(): string {
  return `
ended as (
  delete from process_live p
   using ok
   where ok.fin and p.id = ok.pid and p.id = any (array(select pid from ok where fin))
  returning p.*, ok.e_exit, ok.e_progress, ok.e_code, ok.e_msg
),
-- reaching removed (or being forced past it) ends what is live in the resource's other regions
swept as (
  delete from process_live p
   using ok
   where ok.chg and ok.field = 'state' and ok.next_state in ${GONE_STATES} and p.resource_id = ok.res and p.state_field <> 'state'
     and p.resource_id = any (array(select res from ok where chg and field = 'state' and next_state in ${GONE_STATES}))
  returning p.*, 'CANCELED' as e_exit, p.progress as e_progress, p.error_code as e_code, p.error_message as e_msg
),
finished as (
  insert into process_finished (id, resource_id, account_id, start_time, end_time, definition_version, execution_count, priority,
                                resource_type, state_field, name, exit_reason, error_code, error_message, progress, data,
                                parent_id, parent_dispatch)
  select id, resource_id, account_id, start_time, now(), definition_version, execution_count, priority,
         resource_type, state_field, name, e_exit, e_code, e_msg, e_progress, data, parent_id, parent_dispatch
    from (select * from ended union all select * from swept) gone
),
-- Who waits for a process that ends (or parks) decides again. Locked last, in id order; the lane keeps a parent's own transition out of
-- the batch of its children's. Its version moves on: what it decides meanwhile must not overwrite this wake-up. Its status is looked at
-- once it is locked: a parent that begins to wait in this very moment is seen waiting.
parents as materialized (
  select p.id, p.status from process_live p
   where p.id = any (array(select par from ok where par is not null union select parent_id from swept where parent_id is not null))
   order by p.id + 0
     for update
),
woken as (
  update process_live p set next_wake_at = now(), version = p.version + 1
   where p.id = any (array(select id from parents where status in ('waitingChildren', 'canceling')))
),
`;
}

/** A process begins on the region that is free, or becomes free in this statement. */
function processStarts({ ends }: Parts): string {
  return `
started as (
  insert into process_live (id, resource_id, account_id, predecessor_id, start_time, next_wake_at, deadline, wait_deadline,
                            total_deadline, version, definition_version, dispatch, execution_count, priority, slot, resend,
                            resource_type, state_field, name, began_state, status, waiting_handler, token, notify,
                            error_code, error_message, progress, data, parent_id, parent_dispatch, held_by, held_since, admitted)
  select ok.new_pid, ok.res, ok.account_id, ok.p_pred, now(),
         ${wakeAt({ wake: 'ok.p_wake', wakeAtDeadline: 'ok.p_wakedl', deadline: 'ok.next_deadline', wait: 'ok.next_wait', total: fromNow('ok.p_total') })},
         ok.next_deadline, ok.next_wait, ${fromNow('ok.p_total')},
         1, ok.p_defver, ok.p_dispatch, ok.p_execs, ok.p_prio, ok.p_slot, false,
         ok.type, ok.field, ok.p_name, coalesce(ok.p_began, ok.from_state), ok.p_status, ok.p_waiting, ok.p_token, ok.p_notify,
         ok.p_code, ok.p_msg, ok.p_progress, ok.p_data, ok.p_parent, ok.p_pdisp, ok.p_held,
         case when ${isPause('ok.p_held')} then now() end, ok.p_adm
    from ok${when(ends, ' left join ended e on e.id = ok.pid')}
   where ok.start
),
`;
}

/** What others learn: the feed, and the registry when a handler comes, goes or changes. */
function notes(): string {
  return `
noted as (
  insert into feed (resource_id, process_id, time, revision, kind, process, state_field, from_state, to_state)
  select id, process_id, now(), revision, c_kind, c_proc, nullif(field, 'state'), from_state, next_state
    from moved
),
registered as (
  update registry set revision = revision + 1
   where exists (
     select from moved m
      where m.type = 'externalHandler' and m.field = 'state'
        and ((m.from_state in ${HANDLER_STATES}) <> (m.next_state in ${HANDLER_STATES})
             or (m.writes and m.next_state in ${HANDLER_STATES})))
  returning revision
)
`;
}

/** A row for each transition, applied or not. */
function answer({ starts, ends, updates }: Parts): string {
  return `
select c.n, c.verdict, (select revision from registry) as registry_revision, (select revision from registered) as registered,
       c.res, c.revision + case when c.chg then 1 else 0 end as revision, c.next_state as state, c.from_state,
       ${when(ends, `coalesce(c.new_pid, case when ${when(updates, 'c.upd or ')}c.fin is not true then c.pid end)`, 'c.new_pid')} as pid,
       case when c.new_pid is not null then 1${when(updates, ' when c.upd then c.pver + 1')}${when(ends, ' when c.fin is not true then c.pver')} end as pver,
       ${millis('now()')} as now${when(
         ends,
         `,
       case when c.chg and c.field = 'state' and c.next_state in ${GONE_STATES} then (
         select json_agg(json_build_object('id', s.id, 'name', s.name, 'status', s.status, 'dispatch', s.dispatch,
                                           'notify', s.notify, 'progress', s.progress))
           from swept s where s.resource_id = c.res) end as swept`,
       )}${when(
         starts,
         `,
       c.main_state, c.transitioning, c.message, c.progress, c.regions, c.type, c.kind, c.account_id,
       d.uuid, d.name, d.description, d.data, ${millis('d.created')} as created, ${millis('d.removed')} as removed`,
       )}
  from checked c
${when(
  starts,
  `  left join (
    select * from resource_data where id = any (array(select res from checked where ret and verdict = 'ok'))) d
    on d.id = c.res and c.ret`,
)}
`;
}

/**
 * Commits a batch of transitions of existing resources: one statement, one round trip, one transaction.
 * $1 the batch, $2 numbers of its resources, $3 its command ids, $4 and $5 its shapes (columns.sql.ts)
 *
 * - `held` and `live` lock the resource rows, then their live processes, each in id order: two stores never deadlock.
 *   Parents and children of a batch are locked in that order before it (family.sql.ts): `parents` waits for none of them.
 * - `checked` compares every guard; everything after it joins its rows, never the input: a transition applies wholly or not at all.
 * - After a wait for a row lock, other tables are still read with the statement's old snapshot. `seen_revision` is read with that
 *   snapshot: where it differs from the locked row, nothing else that was read can be trusted, and the row is tried `again`.
 * - A command, name or region that another transaction takes in the same moment raises 23505: the batch is repeated, and then seen.
 * - `started` reads `ended`, so that the old row is gone from the unique index before the new one enters.
 * - No guess about rows decides the plan: tables are entered by `= any (…)`, rows meet in hash joins, and the connection forbids
 *   sequential scans and nested loops (commit-plan.int.spec.ts). Else an empty table's plan (walk all of it) is kept when it is full.
 *   `order by p.id + 0` keeps the planner from walking the whole primary key for the sake of its order.
 * - One text, three statements: starts (no process is guarded), ends (a process ends, nothing starts), and steps, which can all. A
 *   statement's start costs 1.4 ms with every part and column in it (2026-11-22), so the common two leave out what they cannot need.
 */
function commitTransitions(kind: keyof typeof TRANSITION_COLUMNS) {
  const parts: Parts = {
    starts: kind !== 'ends',
    ends: kind !== 'starts',
    updates: kind === 'steps',
    columns: TRANSITION_COLUMNS[kind],
  };
  const text = [
    locks(parts),
    verdicts(parts),
    resourceWrites(parts),
    when(parts.updates, processGoesOn()),
    when(parts.ends, processEnds()),
    when(parts.starts, processStarts(parts)),
    notes(),
    answer(parts),
  ].join('');
  return { name: `commit-${kind}`, keys: ['resourceId', 'commandId'] as const, text };
}

/** No process is guarded: a process starts on a free region, or only fields are written. */
export const COMMIT_STARTS = commitTransitions('starts');
/** The guarded process ends, and nothing starts. */
export const COMMIT_ENDS = commitTransitions('ends');
/** Everything else. */
export const COMMIT_STEPS = commitTransitions('steps');
