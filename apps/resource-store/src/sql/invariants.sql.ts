/** Each selects `message`, one row per violation, at most as many as its last parameter says. */

/** $1: [{type, field, state}], the transitioning states. A removed resource's other regions stay where they were. */
const REGIONS = `
  regions as (
    select r.id, r.type, f.field, case when f.field = 'state' then r.state else r.regions -> f.field ->> 'state' end as state,
           r.state in ('removed', 'purging', 'purged') and f.field <> 'state' as gone
      from resource r
     cross join lateral (select 'state' as field union all select jsonb_object_keys(coalesce(r.regions, '{}'))) f
  ),
  busy as (select * from json_to_recordset($1::json) as x(type text, field text, state text))`;

export const TRANSITIONING_BUT_FREE = `
with ${REGIONS}
select format('%s %s is in the transitioning state %s of %s, and no live process holds it', g.type, g.id, g.state, g.field) as message
  from regions g join busy b using (type, field, state)
  left join process_live p on p.resource_id = g.id and p.state_field = g.field
 where p.id is null and not g.gone
 limit $2`;

export const HELD_BUT_RESTING = `
with ${REGIONS}
select format('process %s (%s) is live, and %s %s rests in %s of %s', p.id, p.name, p.resource_type, p.resource_id, coalesce(g.state, '?'), p.state_field) as message
  from process_live p
  left join regions g on g.id = p.resource_id and g.field = p.state_field
  left join busy b on b.type = g.type and b.field = g.field and b.state = g.state
 where b.state is null or g.gone
 limit $2`;

/** Lists by state would leave it out. */
export const RESTING_ELSEWHERE = `
select format('%s %s is in the state %s and is listed as resting in %s, and no live process holds it', r.type, r.id, r.state, r.resting) as message
  from resource r
  left join process_live p on p.resource_id = r.id and p.state_field = 'state'
 where r.resting <> r.state and p.id is null
 limit $1`;

export const UNWAKEABLE = `
select format('process %s (%s) is %s and nothing will ever wake it', id, name, status) as message
  from process_live where next_wake_at = 'infinity' and status not in ('parked', 'held') limit $1`;

export const LIVE_AND_FINISHED = `
select format('process %s (%s) is live and finished', p.id, p.name) as message
  from process_live p join process_finished f on f.id = p.id limit $1`;

export const DOUBLY_FINISHED = `
select format('process %s has %s terminal rows', id, count(*)) as message
  from process_finished group by id having count(*) > 1 limit $1`;

/** Bounded: the resources that changed last, as far back as the feed reaches. */
export const FEED_GAPS = `
with recent as (select distinct resource_id from (select resource_id from feed order by id desc limit 20000) f)
select format('the feed of resource %s has %s rows for the revisions %s to %s; its revision is %s',
              f.resource_id, count(*), min(f.revision), max(f.revision), r.revision) as message
  from recent join feed f using (resource_id) join resource r on r.id = f.resource_id
 group by f.resource_id, r.revision
having count(*) <> max(f.revision) - min(f.revision) + 1 or max(f.revision) <> r.revision or count(distinct f.revision) <> count(*)
 limit $1`;

/** What an accepted command started is live or finished (as long as history is kept). */
export const LOST_COMMANDS = `
select format('command %s started process %s, which is neither live nor finished', c.id, c.process_id) as message
  from (select id, process_id, created from command where process_id is not null order by created desc limit 20000) c
  left join process_live p on p.id = c.process_id
  left join process_finished f on f.id = c.process_id
 where p.id is null and f.id is null
 limit $1`;
