import { PROCESS_COLUMNS, RESOURCE_COLUMNS } from './rows.sql.js';

export const READ_RESOURCES = `
select ${RESOURCE_COLUMNS}
  from resource r join resource_data d on d.id = r.id
 where r.id = any ($1::bigint[])`;

/** Live processes of some resources. */
export const READ_LIVE_OF = `
select ${PROCESS_COLUMNS} from process_live p where p.resource_id = any ($1::bigint[])`;
