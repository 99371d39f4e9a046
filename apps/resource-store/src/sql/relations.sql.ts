import { GONE_STATES } from './columns.sql.js';

/** First key of the advisory locks, so that they are nobody else's. */
const RELATIONS = 48;

/** Resources share this many locks: a batch never needs more, whatever it holds; a collision only costs a wait. */
export const RELATION_LOCKS = 256;

/**
 * Serialises those who make relations with those who may only go on while there are none: shared, and alone. Held until the commit, and taken
 * before any row is locked. What is read in the next statement was committed before the lock was given.
 * $1 keys, ascending, $2 whether each is wanted alone, $3 whether {@link READ_HINDERED} follows: references are found by a bitmap scan
 */
export const LOCK_RELATIONS = {
  name: 'relations-lock',
  text: `
select case when x.alone then pg_advisory_xact_lock(${RELATIONS}, x.key) else pg_advisory_xact_lock_shared(${RELATIONS}, x.key) end,
       set_config('enable_bitmapscan', case when $3::boolean then 'on' else 'off' end, true)
  from unnest($1::int[], $2::boolean[]) x(key, alone)`,
};

/** Which rows of a batch have a relation that is not empty. $1 `[{n, type, id} | {n, type, ref} | {n, type, through, ref, to}]` */
export const READ_HINDERED = {
  name: 'relations-read-hindered',
  text: `
select x.n, set_config('enable_bitmapscan', 'off', true)
  from json_to_recordset($1::json) as x(n int, type text, id bigint, ref text, through text, "to" text)
 where exists (
   select from resource r
    where r.type = x.type and r.state not in ${GONE_STATES} and r.id = any (
      case when x.id is not null then array[x.id]
           when x.through is null then array(select d.id from resource_data d where d.refs @> array[x.ref])
           else array(
             select split_part(t.ref, ':', 2)::bigint
               from resource_data m cross join lateral unnest(m.refs) t(ref)
              where m.id = any (array(select d.id from resource_data d where d.refs @> array[x.ref])) and m.type = x.through and starts_with(t.ref, x."to" || ':')
                and (select rm.state from resource rm where rm.id = m.id) not in ${GONE_STATES}) end)
   offset 0)`,
};
