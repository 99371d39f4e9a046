/**
 * $1 rows of each pair that are counted, $2 pairs. The pairs are found by jumps in the index, one for each: counting a million resources
 * of one pair would take as long as all of them.
 */
export const SUM_RESOURCES = `
with recursive pair as (
  (select type, state from resource order by type, state limit 1)
  union all
  select n.type, n.state
    from pair p
   cross join lateral (
     select r.type, r.state from resource r where (r.type, r.state) > (p.type, p.state) order by r.type, r.state limit 1) n
)
select p.type, p.state, least(c.counted, $1) as count, c.counted > $1 as more
  from (select * from pair limit $2) p
 cross join lateral (
   select count(*)::int as counted
     from (select from resource r where r.type = p.type and r.state = p.state limit $1 + 1) x) c
 order by p.type, p.state`;

/** $1 live processes that are counted, over all statuses */
export const SUM_LIVE = `
select status, count(*)::int as count, (select count(*) from (select from process_live limit $1 + 1) y) > $1 as more
  from (select status from process_live limit $1) x
 group by status
 order by status`;
