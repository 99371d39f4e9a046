import type { RelationRef } from '@drover/contracts';
import { GONE_STATES } from './columns.sql.js';

/**
 * A condition on `resource_data d`, whose type is checked besides: entered over the index of references, or over the primary key.
 * @param add gives a value its placeholder
 */
export function memberCondition(relation: RelationRef, add: (value: unknown) => string): string {
  switch (relation.kind) {
    case 'reference':
      return `d.id = ${add(relation.id)}::bigint`;
    case 'list':
      return `d.refs @> array[${add(relation.ref)}::text]`;
    case 'through':
      return `d.id = any (array(
        select split_part(x.ref, ':', 2)::bigint
          from resource_data m join resource rm on rm.id = m.id cross join lateral unnest(m.refs) x(ref)
         where m.refs @> array[${add(relation.ref)}::text] and m.type = ${add(relation.through)}
           and rm.state not in ${GONE_STATES} and starts_with(x.ref, ${add(`${relation.to}:`)}::text)))`;
  }
}
