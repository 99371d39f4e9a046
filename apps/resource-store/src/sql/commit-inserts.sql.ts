import { batchOf, claimOf, fromNow, HANDLER_STATES, INSERT_COLUMNS, isPause, millis, wakeAt } from './columns.sql.js';

/**
 * Commits a batch of new resources, each with its first revision, its first process and its feed row. Same rules as
 * commit-transitions; a uuid that another transaction takes at the same moment raises 23505, and the batch is repeated.
 * $1 the batch, $2 its command ids, $3 its uuids, $4 and $5 its shapes (columns.sql.ts)
 */
export const COMMIT_INSERTS = {
  name: 'commit-inserts',
  keys: ['commandId', 'uuid'] as const,
  text: `
with known as materialized (
  select id from command where id = any ($2::uuid[])
),
taken as materialized (
  select uuid from resource_data where uuid = any ($3::text[])
),
input as materialized (
  select i.*, ${claimOf('i.i_type', 'i.next_state', 'i.i_name')} as claim
    from (select x.*, case when c_map is not null then c_map ->> 'requested' else coalesce(c_to, 'requested') end as next_state
            from (${batchOf(INSERT_COLUMNS)}) x) i
),
claimed as materialized (
  select claim from resource_data
   where claim is not null and claim = any (array(select claim from input where claim is not null))
),
judged as not materialized (
  select case
           when i.cmd in (select id from known) then 'repeat'
           when i.reg < (select revision from registry) then 'staleRegistry'
           when i.next_state is null then 'conflict'
           when i.i_uuid in (select uuid from taken) then 'notUnique'
           when i.claim in (select claim from claimed) then 'claimed'
           else 'ok'
         end as verdict,
         i.*
    from input i
  offset 0
),
checked as materialized (
  select case when j.verdict = 'ok' then nextval('drover_number') end as new_res,
         case when j.verdict = 'ok' and j.start then nextval('drover_number') end as new_pid,
         j.*
    from judged j
),
ok as not materialized (
  select * from checked where verdict = 'ok'
),
commanded as (
  insert into command (id, hash, resource_id, process_id)
  select cmd, md5(hash)::uuid, new_res, new_pid from ok where cmd is not null
),
described as (
  insert into resource_data (id, created, removed, revision, type, uuid, name, description, claim, data, refs)
  select new_res, now(), case when next_state = 'removed' then now() end, 1, i_type, i_uuid, i_name, i_desc, claim,
         case when c_data is null then i_data else i_data || c_data end, coalesce(c_refs, i_refs)
    from ok
),
made as (
  insert into resource (id, account_id, revision, data_revision, progress, type, kind, state, resting, transitioning, message, regions)
  select new_res, i_account, 1, 1,
         case when field = 'state' then c_prog end, i_type, i_kind,
         case when field = 'state' then next_state else 'requested' end,
         case when field = 'state' and start is not true then next_state else 'requested' end,
         case when field = 'state' then coalesce(c_trans, 'no') else 'no' end,
         case when field = 'state' then c_msg end, i_regions
    from ok
  returning id
),
started as (
  insert into process_live (id, resource_id, account_id, predecessor_id, start_time, next_wake_at, deadline, wait_deadline,
                            total_deadline, version, definition_version, dispatch, execution_count, priority, slot, resend,
                            resource_type, state_field, name, began_state, status, waiting_handler, token, notify,
                            error_code, error_message, progress, data, parent_id, parent_dispatch, held_by, held_since, admitted)
  select new_pid, new_res, i_account, p_pred, now(),
         ${wakeAt({ wake: 'p_wake', wakeAtDeadline: 'p_wakedl', deadline: fromNow('p_dl'), wait: fromNow('p_wdl'), total: fromNow('p_total') })},
         ${fromNow('p_dl')}, ${fromNow('p_wdl')}, ${fromNow('p_total')},
         1, p_defver, p_dispatch, p_execs, p_prio, p_slot, false,
         i_type, field, p_name, coalesce(p_began, 'requested'), p_status, p_waiting, p_token, p_notify,
         p_code, p_msg, p_progress, p_data, p_parent, p_pdisp, p_held, case when ${isPause('p_held')} then now() end, p_adm
    from ok where start
),
-- after made: the transaction has its id before it draws a feed number (libs/process-model/src/feed/horizon.ts)
noted as (
  insert into feed (resource_id, process_id, time, revision, kind, process, state_field, from_state, to_state)
  select ok.new_res, case when ok.c_proc is not null then ok.new_pid end, now(), 1,
         coalesce(ok.c_kind, 'changed'), ok.c_proc, nullif(ok.field, 'state'), 'requested', ok.next_state
    from ok join made on made.id = ok.new_res
),
registered as (
  update registry set revision = revision + 1
   where exists (select from ok where i_type = 'externalHandler' and next_state in ${HANDLER_STATES})
  returning revision
)
select c.n, c.verdict, (select revision from registry) as registry_revision, (select revision from registered) as registered,
       c.new_res as res, 1 as revision, c.next_state as state, 'requested' as from_state, c.new_pid as pid,
       case when c.new_pid is not null then 1 end as pver, ${millis('now()')} as now
  from checked c
`,
};
