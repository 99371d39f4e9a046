import type { RelationRef } from '@drover/contracts';
import { GONE_STATES } from './columns.sql.js';

/** Resources that hold a reference: a list first, so that no guess about rows walks a whole type instead of the index. */
const pointingAt = (ref: string): string =>
  `array(select x.id from resource_data x where x.refs @> array[${ref}::text])`;

/**
 * A condition on `resource_data d`, whose type is checked besides: entered over the index of references, or over the primary key.
 * @param add gives a value its placeholder
 */
export function memberCondition(relation: RelationRef, add: (value: unknown) => string): string {
  switch (relation.kind) {
    case 'reference':
      return `d.id = ${add(relation.id)}::bigint`;
    case 'list':
      return `d.id = any (${pointingAt(add(relation.ref))})`;
    case 'through':
      return `d.id = any (array(
        select split_part(x.ref, ':', 2)::bigint
          from resource_data m join resource rm on rm.id = m.id cross join lateral unnest(m.refs) x(ref)
         where m.id = any (${pointingAt(add(relation.ref))}) and m.type = ${add(relation.through)}
           and rm.state not in ${GONE_STATES} and starts_with(x.ref, ${add(`${relation.to}:`)}::text)))`;
  }
}

/** Rows of one page. */
export const RELATED_PAGE = 1_000;

/** $1 type, $2 state field, $3 numbers above this one, $4 limit; the condition's own parameters follow */
export const readMembers = (condition: string): string => `
select d.id, case when $2 = 'state' then r.state else r.regions -> $2 ->> 'state' end as state, p.name as live
  from resource_data d
  join resource r on r.id = d.id
  left join process_live p on p.resource_id = d.id and p.state_field = $2
 where r.type = $1 and d.type = $1 and r.state not in ${GONE_STATES} and d.id > $3 and r.id > $3 and ${condition}
 order by d.id limit $4`;

/**
 * $1 parent, $2 its dispatches, $3 numbers above this one, $4 limit. One statement, one snapshot: a child that
 * ends meanwhile is in one of the two. No child ended before its parent began: days before that are not looked into (a day more, should
 * the server's clock have been set back). A parent that is no longer live has all its children looked for.
 */
export const READ_CHILDREN = `
select * from (
  select id, resource_id as "resourceId", name, status, null::text as "exitReason", error_code as "errorCode",
         left(error_message, 200) as "errorMessage"
    from process_live where parent_id = $1 and parent_dispatch = any ($2::int[]) and id > $3
  union all
  select id, resource_id, name, null, exit_reason, error_code, left(error_message, 200)
    from process_finished where parent_id = $1 and parent_dispatch = any ($2::int[]) and id > $3
     and end_time > coalesce((select start_time - interval '1 day' from process_live where id = $1), '-infinity')) child
 order by id limit $4`;
