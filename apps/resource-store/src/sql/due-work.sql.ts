import { PROCESS_COLUMNS, RESOURCE_COLUMNS } from './rows.sql.js';

/** `process` and `resource` as one JSON object each: what the answer carries anyway. */
export const WORK_COLUMNS = `
  (select to_json(x) from (select ${PROCESS_COLUMNS}) x) as process,
  (select to_json(x) from (select ${RESOURCE_COLUMNS}) x) as resource`;

/**
 * Claims due processes by moving their wake-up: whoever asks meanwhile does not get them. A window of the longest due ones is taken
 * off the index, and of these the most important are handed out, accounts in turn, then the longest due. `< 'infinity'` says that it
 * may be the partial index: that `now()` is less is not known to the planner, which would read the whole table.
 * $1 limit, $2 lease in milliseconds
 */
export const CLAIM_DUE = `
with due as (
  select id, priority, next_wake_at, account_id from process_live
   where next_wake_at <= now() and next_wake_at < 'infinity'
   order by next_wake_at limit $1 * 4
     for update skip locked
),
chosen as materialized (
  select id, priority, next_wake_at from due
   order by priority desc, row_number() over (partition by priority, account_id order by next_wake_at), next_wake_at limit $1
),
claimed as (
  update process_live p set next_wake_at = now() + $2 * interval '1 millisecond'
    from chosen c where p.id = c.id and p.id = any (array(select id from chosen))
  returning p.*, c.priority as rank, c.next_wake_at as due_at
)
select ${WORK_COLUMNS}
  from claimed p join resource r on r.id = p.resource_id join resource_data d on d.id = r.id
 order by p.rank desc, p.due_at`;

/** Gives back what did not fit into the answer. */
export const UNCLAIM = `update process_live set next_wake_at = now() where id = any ($1::bigint[])`;

export const NEXT_DUE = `
select floor(date_part('epoch', min(next_wake_at) - now()) * 1000)::float8 as "inMillis"
  from process_live where next_wake_at < 'infinity'`;

export const LOAD_WORK = `
select ${WORK_COLUMNS}
  from process_live p join resource r on r.id = p.resource_id join resource_data d on d.id = r.id
 where p.id = any ($1::bigint[])`;

export const LOAD_WORK_BY_PREDECESSOR = `
select ${WORK_COLUMNS}
  from process_live p join resource r on r.id = p.resource_id join resource_data d on d.id = r.id
 where p.predecessor_id = any ($1::bigint[])`;

/** What waits, on the resource of a finished process: it may wait for that one behind another. */
export const LOAD_WORK_BY_FINISHED = `
select ${WORK_COLUMNS}
  from process_live p join resource r on r.id = p.resource_id join resource_data d on d.id = r.id
 where p.predecessor_id is not null
   and p.resource_id = any (array(select resource_id from process_finished where id = any ($1::bigint[])))`;

/**
 * $1 handler, $2 limit. Those that are being looked at by an engine are left alone. `resend` tells it from a probe: the handler is there. The
 * order names the handler, and the condition is no equation (which would make that part of the order redundant): only the index of those
 * that wait has this order. By number alone the primary key is walked, past everything else that lives.
 */
export const RELEASE_WAITING = `
update process_live set next_wake_at = now(), resend = true
 where id = any (array(
   select id from process_live
    where waiting_handler >= $1 and waiting_handler <= $1 and next_wake_at > now()
    order by waiting_handler, id limit $2
      for update skip locked))
returning id`;
