/**
 * Parents and children in one commit. A batch that ends a child, starts one, or ends a parent early runs in a transaction: the locks first,
 * then the same statement as any batch, then what concerns the children. A statement that has waited for a lock still reads with the
 * snapshot from before; the one after it does not, so a child that starts in the moment its parent ends is seen, or sees.
 */

/**
 * Locks what the batch writes, all in one order: resources by number, then processes by number, parents and children among them. Two
 * stores whose batches cross never deadlock: a parent's number is below those of its children.
 * $1 resources of the batch, $2 parents, $3 those of $1 whose processes may leave orphans
 */
export const LOCK_FAMILY = {
  name: 'family-lock',
  text: `
with held as materialized (
  select r.id from resource r where r.id = any ($1::bigint[]) order by r.id for update
),
own as materialized (
  select p.id, p.resource_id, p.parent_id from process_live p where p.resource_id = any (array(select id from held))
)
select p.id, p.status, p.resource_id as "resourceId", p.parent_id as "parentId", p.parent_end as "parentEnd"
  from process_live p
 where p.id = any (array(
         select id from own
         union select unnest($2::bigint[])
         union select parent_id from own where resource_id = any ($3::bigint[])
         union select c.id from process_live c
                where c.parent_id is not null
                  and c.parent_id = any (array(select id from own where resource_id = any ($3::bigint[])))))
 order by p.id + 0
   for update`,
};

/** What an early end of its parent means to a process that has just begun. $1 processes, $2 a word for each */
export const SET_PARENT_END = {
  name: 'family-set-parent-end',
  text: `
update process_live p set parent_end = x.word
  from unnest($1::bigint[], $2::text[]) x(id, word)
 where p.id = x.id and p.id = any ($1::bigint[])`,
};

/**
 * Children whose parent is gone are to cancel themselves: each is woken, and its version moves on, so that what is decided meanwhile does not
 * overwrite that. $1 processes that the batch may have ended
 */
export const WAKE_ORPHANS = {
  name: 'family-wake-orphans',
  text: `
with orphan as materialized (
  select c.id from process_live c
   where c.parent_id is not null and c.parent_id = any ($1::bigint[]) and c.parent_end is null
     and c.parent_id <> all (array(select p.id from process_live p where p.id = any ($1::bigint[])))
   order by c.id + 0
     for update
)
update process_live c set parent_end = 'ended', next_wake_at = now(), version = c.version + 1
 where c.id = any (array(select id from orphan))`,
};
