/**
 * $1 rows of each pair that are counted, $2 pairs, $3 live processes that are looked at. The pairs are found by jumps in the index, one for
 * each: counting a million resources of one pair would take as long as all of them. A resource in another state than the index has it in
 * is held by a live process (ADR 014).
 */
export const SUM_RESOURCES = `
with recursive pair as (
  (select type, resting as state from resource order by type, resting limit 1)
  union all
  select n.type, n.resting
    from pair p
   cross join lateral (
     select r.type, r.resting from resource r where (r.type, r.resting) > (p.type, p.state) order by r.type, r.resting limit 1) n
),
still as (
  select p.type, p.state, c.counted
    from (select * from pair limit $2) p
   cross join lateral (
     select count(*)::int as counted
       from (select from resource r where r.type = p.type and r.resting = p.state and r.state = p.state limit $1 + 1) x) c
),
live as materialized (
  select resource_id from process_live where state_field = 'state' limit $3 + 1
),
moving as (
  select r.type, r.state, count(*)::int as counted
    from live p
    join resource r on r.id = p.resource_id
   where r.state <> r.resting
   group by r.type, r.state
)
select type, state, least(sum(counted), $1)::int as count,
       sum(counted) > $1 or (select count(*) from live) > $3 as more
  from (select * from still union all select * from moving) c
 group by type, state
having sum(counted) > 0
 order by type, state
 limit $2`;

/** $1 live processes that are counted, over all statuses */
export const SUM_LIVE = `
select status, count(*)::int as count, (select count(*) from (select from process_live limit $1 + 1) y) > $1 as more
  from (select status from process_live limit $1) x
 group by status
 order by status`;
