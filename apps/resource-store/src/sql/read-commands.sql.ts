/** What became of commands seen before. */
export const READ_COMMANDS = `
select id, hash, resource_id as "resourceId", process_id as "processId" from command where id = any ($1::uuid[])`;
