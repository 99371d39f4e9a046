import { HANDLER_STATES, millis } from './columns.sql.js';

/**
 * A page of a sweep over resources that were removed long enough ago, by type, then by the time of removal. The index holds only what is
 * removed and not purged; the page bounds the rows looked at, so that rows in another state (being purged, parked) cost no more than
 * their place. $1 types in order, $2 their delays in milliseconds, $3 and $4 where each goes on (time, number), $5 rows
 */
export const LIST_DUE_PURGES = `
with page as materialized (
  select d.type, d.id, d.removed
    from unnest($1::text[], $2::float8[], $3::timestamptz[], $4::bigint[]) with ordinality t(type, millis, after, after_id, n)
   cross join lateral (
     select d.type, d.id, d.removed
       from resource_data d
      where d.type = t.type and d.removed is not null and d.purged is null
        and (d.removed, d.id) > (t.after, t.after_id)
        and d.removed <= now() - t.millis * interval '1 millisecond'
      order by d.removed, d.id limit $5) d
   order by t.n, d.removed, d.id limit $5
)
select p.type, p.id as "resourceId", p.removed::text as "cursorTime", ${millis('p.removed')} as removed, r.revision,
       r.state = 'removed' as removable
  from page p join resource r on r.id = p.id and r.id = any (array(select id from page))
 order by p.type collate "C", p.removed, p.id`;

/**
 * Deletes purged resources whose history is gone: nothing but a live process, a feed row or a finished process keeps one. A page of the
 * index at a time, so that those which are kept hold nothing up. Locked first, in the order of every commit: the resource, then its data.
 * $1 days since the purge at least, $2 rows looked at, $3 and $4 where to go on (time, number)
 */
export const DELETE_PURGED = `
with page as materialized (
  select d.id, d.purged
    from resource_data d
   where d.purged is not null and d.purged < now() - $1 * interval '1 day' and (d.purged, d.id) > ($3::timestamptz, $4::bigint)
   order by d.purged, d.id limit $2
),
gone as materialized (
  select r.id
    from resource r
   where r.id = any (array(select id from page)) and r.state = 'purged'
     and not exists (select from process_live p where p.resource_id = r.id)
     and not exists (select from process_finished f where f.resource_id = r.id)
     and not exists (select from feed f where f.resource_id = r.id)
   order by r.id
     for update of r skip locked
),
narrow as (
  delete from resource r where r.id = any (array(select id from gone)) returning r.id
),
wide as (
  delete from resource_data d where d.id = any (array(select id from gone)) returning d.id
)
select p.purged::text as after, p.id as "afterId", (select count(*)::int from page) as looked,
       (select count(*)::int from narrow) as deleted
  from page p order by p.purged desc, p.id desc limit 1`;

/** Commands of more than a day ago. $1 rows */
export const DELETE_COMMANDS = `
delete from command where id = any (array(
  select id from command where created < now() - interval '24 hours' limit $1))
returning 1`;

/**
 * Definition versions that were replaced long ago and on which nothing lives. The newest of a name always stays, also that of a deleted
 * type: it tells readers that the type is gone, and the next version's number follows it. $1 days since the replacement, $2 rows
 */
export const DELETE_DEFINITION_VERSIONS = `
delete from definition d
 using (
   select o.name, o.version
     from definition o
    where exists (select from definition n
                   where n.name = o.name and n.version > o.version and n.created < now() - $1 * interval '1 day')
      and not exists (select from process_live p where p.resource_type = o.name and p.definition_version = o.version)
    order by o.name, o.version limit $2) old
 where d.name = old.name and d.version = old.version
returning 1`;

/**
 * Gates that tell nothing: no process holds a place or waits for one, and nothing has failed. Failures in a row are kept as long as a
 * registered handler counts them; those of others (handlers inside the engines are not known here) until they are old. A gate that
 * somebody has locked is in use; judged under its lock, so that no outcome is lost. $1 days since the last change, $2 rows
 */
export const DELETE_GATES = `
delete from handler_gate where handler = any (array(
  select g.handler
    from handler_gate g
   where not exists (select from process_live p where p.admitted = g.handler)
     and not exists (select from process_live p where p.held_by = 'limit/' || g.handler)
     and ((g.failures = 0 and g.opened_until is null)
          or (g.changed < now() - $1 * interval '1 day'
              and not exists (
                select from resource r join resource_data d on d.id = r.id
                 where r.type = 'externalHandler' and r.state in ${HANDLER_STATES} and d.name = g.handler
                   and jsonb_typeof(d.data -> 'circuitBreaker') = 'object')))
   limit $2
     for update of g skip locked))
returning 1`;
