/** Gives slots back. $1 engine, $2 slots */
export const RELEASE_SLOTS = `
update reply_slot set engine = null, expires_at = now() where engine = $1 and slot = any ($2::smallint[])`;

/**
 * Takes free or lapsed slots: those with live processes first, so that nobody's replies wait. One that is the engine's own but that
 * it does not name (an answer was lost) counts as lapsed. $1 engine, $2 how many, $3 also lapsed, $4 lease millis, $5 slots with live
 * processes, $6 number of slots in all, $7 slots it names
 */
export const TAKE_SLOTS = `
with free as (
  select slot, engine is not null as lapsed from reply_slot
   where slot < $6 and slot <> all ($7::smallint[])
     and (engine is null or engine = $1 or ($3 and expires_at < now()))
   order by (slot = any ($5::smallint[])) desc, slot
   limit $2
     for update skip locked
)
update reply_slot s set engine = $1, epoch = s.epoch + 1, expires_at = now() + $4 * interval '1 millisecond'
  from free f where s.slot = f.slot
returning s.slot, s.epoch, f.lapsed`;

export const CREATE_SLOTS = `
insert into reply_slot (slot, epoch, expires_at, engine)
select n, 0, now(), null from generate_series(0, $1::int - 1) n on conflict do nothing`;

export const COUNT_BY_SLOT = `
select slot, count(*)::int as count from process_live where slot is not null group by slot`;

/** $1 slot, $2 epoch: only for the present holder. */
export const WAKE_SLOT = `
update process_live set next_wake_at = now(), resend = true
 where slot = $1 and status in ('dispatched', 'running')
   and exists (select from reply_slot s where s.slot = $1 and s.epoch = $2)
   and id = any (array(select id from process_live where slot = $1 and status in ('dispatched', 'running') order by id for update))
returning id`;

/**
 * Keeps the named slots of an engine, where it still holds the epoch (expired ones too, if nobody took them), and takes every slot whose
 * engine let its lease lapse, and those that were given back while processes live on in them and that no new engine took: answers that
 * come there must be read by somebody. One statement, since each engine runs it every 1.5 s; what it keeps is the engine's own, and what
 * it takes is not, so no row is met twice. $1 engine, $2 slots, $3 epochs, $4 lease millis, $5 also lapsed, $6 slots with live processes
 */
export const RENEW_AND_ADOPT_SLOTS = `
with kept as (
  update reply_slot s set expires_at = now() + $4 * interval '1 millisecond'
    from unnest($2::smallint[], $3::int[]) as h(slot, epoch)
   where s.slot = h.slot and s.epoch = h.epoch and s.engine = $1
  returning s.slot, s.epoch, false as lapsed
),
lapsed as (
  select slot from reply_slot
   where $5
     and ((engine is distinct from $1 and engine is not null and expires_at < now())
       or (engine is null and slot = any ($6::smallint[]) and expires_at < now() - interval '2 seconds'))
   order by slot
     for update skip locked
),
adopted as (
  update reply_slot s set engine = $1, epoch = s.epoch + 1, expires_at = now() + $4 * interval '1 millisecond'
    from lapsed l where s.slot = l.slot
  returning s.slot, s.epoch, true as lapsed
)
select * from kept union all select * from adopted`;
