/** Does any process wait for an absent handler? One look at the index that holds only those: a sixth of what the wake-up costs to plan. */
export const ANY_WAITING = `
select 1 as waiting from process_live where waiting_handler is not null order by waiting_handler, id limit 1`;

/**
 * Wakes the oldest waiting process of each absent handler: an engine sends its event, and either a handler answers or there is still
 * nobody. Hops from handler to handler over the index: 100,000 waiting processes cost as many probes as there are handlers.
 */
export const WAKE_OLDEST_WAITING = `
with recursive absent as (
  (select waiting_handler, id from process_live where waiting_handler is not null order by waiting_handler, id limit 1)
  union all
  select n.waiting_handler, n.id
    from absent a
   cross join lateral (
     select p.waiting_handler, p.id from process_live p
      where p.waiting_handler > a.waiting_handler order by p.waiting_handler, p.id limit 1) n
)
update process_live set next_wake_at = now()
 where id = any (array(
   select id from process_live
    where id = any (array(select id from absent)) and next_wake_at > now()
      for update skip locked))
returning id`;
