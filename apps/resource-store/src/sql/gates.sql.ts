import { millis } from './columns.sql.js';
import { WORK_COLUMNS } from './due-work.sql.js';

const PAUSE_COLUMNS = `scope, ${millis('since')} as since, operator, reason`;

/**
 * Who sets a pause waits for every commit that is under way and keeps new ones from starting until the pause is committed: each commit
 * statement reads `registry` (plain ones only read it), and so holds its table for as long as it runs. Without it, a decision whose statement
 * had read the old revision could commit after the pause.
 */
export const LOCK_OUT_COMMITS = `lock table registry in access exclusive mode`;

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

/**
 * Places that are taken in a limit of concurrency: of processes that live, still bear the name of the scope (a delegate changes it), and neither wait for
 * an operator or for children nor for this very place.
 */
export const PLACES = (scope: string): string => `
  (select count(*)::int
     from gate_place place join process_live holder on holder.id = place.process_id
    where place.gate = ${scope} and holder.status not in ('parked', 'waitingChildren')
      and (holder.held_by is distinct from 'limit/' || place.gate or holder.admitted = place.gate)
      and (place.gate not like 'process/%' or holder.name = substr(place.gate, 9)))`;

/** The gates that hold a process. Hops over the index: 100,000 held processes cost as many reads as there are gates. */
const HOLDING = `
  recursive holding as (
    (select held_by from process_live where held_by is not null order by held_by limit 1)
    union all
    select n.held_by from holding h
     cross join lateral (
       select p.held_by from process_live p where p.held_by > h.held_by order by p.held_by limit 1) n
  )`;

/** Does any gate hold a process? One look at the index that holds only those. */
export const ANY_HELD = `select 1 as held from process_live where held_by is not null order by held_by limit 1`;

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
         case when exists (select from process_live a where a.admitted = substr(h.held_by, 7))
                or (h.held_by like 'limit/%/%' and ${PLACES('substr(h.held_by, 7)')} > 0)
                or g.opened_until is not null
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
 * Admits processes that wait for a place, and hands them out like due work: the most important first, then accounts in turn, then
 * the oldest. Turns are start-time fair queueing: an account's next process is due at the account's virtual time, which moves on by 1 / weight for each; who
 * was away begins at the time of the last one served. Nothing is kept while one account waits alone.
 * `skip locked`: one that is just being changed (an operator cancels it) is left to the next round; waiting could deadlock with commits.
 * $1 handler or scope, $2 places in all, $3 most in one answer, $4 lease in milliseconds
 */
const admit = (taken: string, given: string): string => `
with recursive waiting(account) as (
  (select coalesce(account_id, 0) from process_live
    where held_by = 'limit/' || $1::text and admitted is null
    order by coalesce(account_id, 0) limit 1)
  union all
  select n.account from waiting w
   cross join lateral (
     select coalesce(p.account_id, 0) as account from process_live p
      where p.held_by = 'limit/' || $1::text and p.admitted is null and coalesce(p.account_id, 0) > w.account
      order by coalesce(p.account_id, 0) limit 1) n
),
room as materialized (
  select least(greatest(0, $2::int - ${taken}), $3::int)::int as places, (select count(*) from waiting) as accounts
),
turns as materialized (
  select w.account, coalesce(l.weight, 1) as weight,
         greatest(coalesce(t.pass, 0), coalesce((select v.pass from gate_turn v where v.gate = $1 and v.account_id = -1), 0)) as pass
    from waiting w
    left join gate_turn t on t.gate = $1 and t.account_id = w.account
    left join concurrency_limit l on l.scope = 'account/' || w.account
),
picked as materialized (
  select c.id, c.priority, t.account, t.pass + (c.nth - 1)::float8 / t.weight as tag, t.weight
    from turns t
   cross join lateral (
     select q.id, q.priority, row_number() over (order by q.priority desc, q.id) as nth
       from (select p.id, p.priority from process_live p
              where p.held_by = 'limit/' || $1::text and p.admitted is null and coalesce(p.account_id, 0) = t.account
              order by p.priority desc, p.id limit (select places from room)) q) c
   order by c.priority desc, tag, c.id
   limit (select places from room)
),
chosen as materialized (
  select id, priority from process_live
   where id = any (array(select id from picked)) and held_by = 'limit/' || $1::text and admitted is null
     for update skip locked
),
turned as (
  insert into gate_turn (gate, account_id, pass)
  select $1, account, max(tag) + 1.0 / min(weight) from picked where (select accounts from room) > 1 group by account
  union all
  select $1, -1, max(tag) from picked where (select accounts from room) > 1 having count(*) > 0
  on conflict (gate, account_id) do update set pass = excluded.pass
),
alone as (
  delete from gate_turn where gate = $1 and (select accounts from room) <= 1
),
given as (
  update process_live p
     set admitted = $1, version = p.version + 1, next_wake_at = now() + $4 * interval '1 millisecond'
    from chosen c where p.id = c.id and p.id = any (array(select id from chosen))
  returning p.*
)${given}
select ${WORK_COLUMNS}
  from given p join resource r on r.id = p.resource_id join resource_data d on d.id = r.id
 order by p.priority desc, p.id`;

/** At a handler, the processes with an attempt under way have the places. */
export const ADMIT = admit(`(select count(*)::int from process_live where admitted = $1)`, '');

/** In a limit of concurrency, rows tell who has a place; those of processes that have ended go. */
export const ADMIT_TO_SCOPE = admit(
  PLACES('$1::text'),
  `,
placed as (
  insert into gate_place (gate, process_id) select $1, id from given on conflict do nothing
),
left_over as (
  delete from gate_place g where g.gate = $1 and not exists (select from process_live p where p.id = g.process_id)
)`,
);

/** Admitted, and did not fit into the answer: due at once. $1 ids */
export const HAND_OUT_LATER = `update process_live set next_wake_at = now() where id = any ($1::bigint[])`;

/** In the order of its index, else all that lives is read. */
const anyLeft = (taken: string): string => `
select 1 as left_over from process_live
 where held_by = 'limit/' || $1::text and admitted is null and ${taken} < $2::int
 order by priority desc, id limit 1`;

/** Are there a place and a process that waits for one? $1 handler, $2 places in all */
export const ANY_LEFT = anyLeft(`(select count(*) from process_live where admitted = $1::text)`);

/** The same of a scope. */
export const ANY_LEFT_IN_SCOPE = anyLeft(PLACES('$1::text'));

const LIMIT_COLUMNS = `scope, max_concurrent as "maxConcurrent", weight`;

/** $1 scope, $2 maximum or null, $3 weight */
export const SET_LIMIT = `
insert into concurrency_limit (scope, max_concurrent, weight) values ($1, $2, $3)
on conflict (scope) do update set max_concurrent = excluded.max_concurrent, weight = excluded.weight
returning ${LIMIT_COLUMNS}`;

export const READ_LIMIT = `select ${LIMIT_COLUMNS} from concurrency_limit where scope = $1`;

export const READ_LIMITS = `select ${LIMIT_COLUMNS} from concurrency_limit order by scope`;

export const REMOVE_LIMIT = `delete from concurrency_limit where scope = $1 returning ${LIMIT_COLUMNS}`;

/** $1 scope, or null: all */
export const LIST_LIMITS = `
select ${LIMIT_COLUMNS}, ${PLACES('l.scope')} as running,
       (select count(*)::int from process_live p where p.held_by = 'limit/' || l.scope and p.admitted is null) as held
  from concurrency_limit l where $1::text is null or l.scope = $1 order by scope`;

/** $1 handler */
export const READ_GATE = `
select (select count(*)::int from process_live where admitted = $1) as "inFlight",
       (select count(*)::int from process_live where held_by = 'limit/' || $1::text and admitted is null) as held,
       coalesce(g.failures, 0) as failures, coalesce(g.opened_until > now(), false) as open, g.opened_until is not null as opened
  from (select 1) one left join handler_gate g on g.handler = $1`;
