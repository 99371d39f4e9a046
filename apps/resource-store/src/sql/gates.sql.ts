import { millis } from './columns.sql.js';
import { WORK_COLUMNS } from './due-work.sql.js';

const PAUSE_COLUMNS = `scope, ${millis('since')} as since, operator, reason`;

/**
 * Who sets a pause waits for every commit that is under way and keeps new ones from starting until the pause is committed: each commit
 * statement writes `registry` and so holds its table for as long as it runs. Without it, a decision whose statement had read the old
 * revision could commit after the pause.
 */
export const LOCK_OUT_COMMITS = `lock table registry in share row exclusive mode`;

/** Set already, it gets the new operator and reason, and keeps its time. $1 scope, $2 operator, $3 reason */
export const SET_PAUSE = `
insert into pause (scope, operator, reason) values ($1, $2, $3)
on conflict (scope) do update set operator = excluded.operator, reason = excluded.reason
returning ${PAUSE_COLUMNS}`;

export const READ_PAUSE = `select ${PAUSE_COLUMNS} from pause where scope = $1`;

/** $1 scope, or null: all */
export const LIST_PAUSES = `
select ${PAUSE_COLUMNS}, (select count(*)::int from process_live p where p.held_by = pause.scope) as held
  from pause where $1::text is null or scope = $1 order by scope`;

export const LIFT_PAUSE = `delete from pause where scope = $1 returning ${PAUSE_COLUMNS}`;

/**
 * Those that a gate holds, the most important first. Who was woken or claimed a moment ago (the claim's lease is 5 s) is not woken
 * again. $1 gate, $2 limit
 */
export const WAKE_HELD = `
update process_live set next_wake_at = now()
 where id = any (array(
   select id from process_live
    where held_by = $1 and admitted is null and next_wake_at > now() + interval '6 seconds'
    order by priority desc, id limit $2
      for update skip locked))
returning id`;

/** The gates that hold a process. Hops over the index: 100,000 held processes cost as many reads as there are gates. */
const HOLDING = `
  recursive holding as (
    (select held_by from process_live where held_by is not null order by held_by limit 1)
    union all
    select n.held_by from holding h
     cross join lateral (
       select p.held_by from process_live p where p.held_by > h.held_by order by p.held_by limit 1) n
  )`;

/** Scopes that hold a process and are no longer set. */
export const LIFTED_SCOPES = `
with ${HOLDING}
select held_by as scope from holding
 where held_by not like 'limit/%' and held_by not in (select scope from pause)`;

/**
 * What the engines may have lost sight of: while a handler has attempts under way, or its circuit is not closed, the process that comes
 * next is decided again, which asks for its admission; otherwise, with nothing under way (a limit that was taken away, an engine that
 * died), many are. None while the circuit is open. $1 many
 */
export const WAKE_LIMITED = `
with ${HOLDING},
gates as materialized (
  select h.held_by,
         case when exists (select from process_live a where a.admitted = substr(h.held_by, 7)) or g.opened_until is not null
              then 1 else $1::int end as many
    from holding h left join handler_gate g on g.handler = substr(h.held_by, 7)
   where h.held_by like 'limit/%' and (g.opened_until is null or g.opened_until <= now())
),
next as materialized (
  select n.id from gates
   cross join lateral (
     select p.id, p.next_wake_at from process_live p
      where p.held_by = gates.held_by and p.admitted is null
      order by p.priority desc, p.id limit gates.many) n
   where n.next_wake_at > now()
)
update process_live set next_wake_at = now()
 where id = any (array(
   select id from process_live where id = any (array(select id from next)) for update skip locked))
returning id`;

/** The row that admissions of a handler pass one after the other. Clean-up may delete it: it is made again by whoever needs it. */
export const ENSURE_GATE = `insert into handler_gate (handler, failures) values ($1, 0) on conflict do nothing`;

/**
 * Takes the gate for the rest of the transaction: what follows is a statement of its own, with a snapshot that sees what the last holder
 * admitted. In one statement with the count it would count what was there before it waited.
 */
export const LOCK_GATE = `
select failures, opened_until > now() as open, opened_until is not null as opened,
       (select revision from registry) as "registryRevision"
  from handler_gate where handler = $1 for update`;

/** $1 handler, $2 failures in a row, $3 open for so long from now, milliseconds; null: closed */
export const WRITE_GATE = `
update handler_gate set failures = $2, opened_until = now() + $3::float8 * interval '1 millisecond', changed = now()
 where handler = $1`;

/**
 * Admits processes that wait for a place, the most important first, then the oldest, and hands them out like due work.
 * `skip locked`: one that is just being changed (an operator cancels it) is left to the next round; waiting could deadlock with commits.
 * $1 handler, $2 places in all, $3 most in one answer, $4 lease in milliseconds
 */
export const ADMIT = `
with room as materialized (
  select greatest(0, $2::int - count(*))::int as places from process_live where admitted = $1
),
chosen as materialized (
  select id, priority from process_live
   where held_by = 'limit/' || $1::text and admitted is null
   order by priority desc, id
   limit least((select places from room), $3::int)
     for update skip locked
),
given as (
  update process_live p
     set admitted = $1, version = p.version + 1, next_wake_at = now() + $4 * interval '1 millisecond'
    from chosen c where p.id = c.id and p.id = any (array(select id from chosen))
  returning p.*
)
select ${WORK_COLUMNS}
  from given p join resource r on r.id = p.resource_id join resource_data d on d.id = r.id
 order by p.priority desc, p.id`;

/** Admitted, and did not fit into the answer: due at once. $1 ids */
export const HAND_OUT_LATER = `update process_live set next_wake_at = now() where id = any ($1::bigint[])`;

/** Are there a place and a process that waits for one? In the order of its index, else all that lives is read. $1 handler, $2 places in all */
export const ANY_LEFT = `
select 1 as left_over from process_live
 where held_by = 'limit/' || $1::text and admitted is null
   and (select count(*) from process_live where admitted = $1::text) < $2::int
 order by priority desc, id limit 1`;

/** $1 handler */
export const READ_GATE = `
select (select count(*)::int from process_live where admitted = $1) as "inFlight",
       (select count(*)::int from process_live where held_by = 'limit/' || $1::text and admitted is null) as held,
       coalesce(g.failures, 0) as failures, coalesce(g.opened_until > now(), false) as open, g.opened_until is not null as opened
  from (select 1) one left join handler_gate g on g.handler = $1`;
