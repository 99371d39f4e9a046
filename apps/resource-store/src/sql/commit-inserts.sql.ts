import { claimOf, fromNow, HANDLER_STATES, INPUT_COLUMNS, wakeAt } from './columns.sql.js';

/**
 * Commits a batch of new resources, each with its first revision, its first process and its feed row. Same rules as
 * commit-transitions. A taken uuid is seen by `checked`; one that another transaction takes at the same moment raises 23505 on
 * resource_data_uuid (or _claim), and the batch is repeated: then `checked` sees it.
 */
export const COMMIT_INSERTS = {
  name: 'commit-inserts',
  text: `
with input as materialized (
  select x.ordinality::int as n, x.*,
         case when c_map is not null then c_map ->> 'requested' else coalesce(c_to, 'requested') end as next_state
    from rows from (json_to_recordset($1::json) as (${INPUT_COLUMNS})) with ordinality x
),
checked as materialized (
  select i.*, c.claim, g.revision as registry_revision,
         case
           when i.cmd is not null and exists (select from command c where c.id = i.cmd) then 'repeat'
           when i.reg < g.revision then 'staleRegistry'
           when i.next_state is null then 'conflict'
           when exists (select from resource_data d where d.uuid = i.i_uuid) then 'notUnique'
           when c.claim is not null and exists (select from resource_data d where d.claim = c.claim) then 'claimed'
           -- a twin in this batch: the first one wins, the others see it the next time
           when row_number() over (partition by i.i_uuid order by i.n) > 1
             or (c.claim is not null and row_number() over (partition by c.claim order by i.n) > 1) then 'again'
           else 'ok'
         end as verdict
    from input i
   cross join (select revision from registry) g
   cross join lateral (select ${claimOf('i.i_type', 'i.next_state', 'i.i_name')} as claim) c
),
passed as materialized (
  select c.*, nextval('drover_number') as new_res, case when c.start then nextval('drover_number') end as new_pid
    from checked c where c.verdict = 'ok'
),
commanded as (
  insert into command (id, hash, resource_id, process_id)
  select cmd, hash, new_res, new_pid from passed where cmd is not null order by cmd
  on conflict (id) do nothing
  returning id, resource_id
),
ok as materialized (
  select * from passed p
   where p.cmd is null or (p.cmd, p.new_res) in (select id, resource_id from commanded)
),
described as (
  insert into resource_data (id, created, removed, revision, type, uuid, name, description, claim, data)
  select new_res, now(), case when next_state = 'removed' then now() end, 1, i_type, i_uuid, i_name, i_desc, claim,
         case when c_data is null then i_data else i_data || c_data end
    from ok order by i_uuid
),
made as (
  insert into resource (id, account_id, revision, data_revision, progress, type, kind, state, transitioning, message, regions)
  select new_res, i_account, 1, 1,
         case when field = 'state' then c_prog end, i_type, i_kind,
         case when field = 'state' then next_state else 'requested' end,
         case when field = 'state' then coalesce(c_trans, 'no') else 'no' end,
         case when field = 'state' then c_msg end, i_regions
    from ok
  returning id
),
started as (
  insert into process_live (id, resource_id, account_id, predecessor_id, start_time, next_wake_at, deadline, wait_deadline,
                            total_deadline, version, definition_version, dispatch, execution_count, priority, slot, resend,
                            resource_type, state_field, name, began_state, status, waiting_handler, token, notify,
                            error_code, error_message, progress, data)
  select new_pid, new_res, i_account, p_pred, now(),
         ${wakeAt({ wake: 'p_wake', wakeAtDeadline: 'p_wakedl', deadline: fromNow('p_dl'), wait: fromNow('p_wdl'), total: fromNow('p_total') })},
         ${fromNow('p_dl')}, ${fromNow('p_wdl')}, ${fromNow('p_total')},
         1, p_defver, p_dispatch, p_execs, p_prio, p_slot, false,
         i_type, field, p_name, coalesce(p_began, 'requested'), p_status, p_waiting, p_token, p_notify,
         p_code, p_msg, p_progress, p_data
    from ok where start
),
noted as (
  insert into feed (resource_id, process_id, account_id, time, revision, resource_type, kind, process, state_field, from_state, to_state)
  select ok.new_res, case when ok.c_proc is not null then ok.new_pid end, ok.i_account, now(), 1, ok.i_type,
         coalesce(ok.c_kind, 'changed'), ok.c_proc, ok.field, 'requested', ok.next_state
    from ok join made on made.id = ok.new_res
),
registered as (
  update registry set revision = revision + 1
   where exists (select from ok where i_type = 'externalHandler' and next_state in ${HANDLER_STATES})
  returning revision
)
select c.n, case when c.verdict = 'ok' and ok.n is null then 'again' else c.verdict end as verdict,
       c.registry_revision, (select revision from registered) as registered,
       ok.new_res as res, 1 as revision, c.next_state as state, 'requested' as from_state, ok.new_pid as pid,
       case when ok.new_pid is not null then 1 end as pver,
       floor(date_part('epoch', now()) * 1000)::bigint as now
  from checked c
  left join ok on ok.n = c.n
`,
};
