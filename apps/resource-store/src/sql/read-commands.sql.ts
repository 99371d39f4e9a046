/** What became of commands seen before, and whether they had the same hash. $1 ids, $2 hashes */
export const READ_COMMANDS = `
select distinct c.id, c.hash is not distinct from md5(a.hash)::uuid as same, a.hash, c.resource_id as "resourceId",
       c.process_id as "processId"
  from unnest($1::uuid[], $2::text[]) as a(id, hash) join command c on c.id = a.id`;

/** Commands that were applied before. $1 ids */
export const KNOWN_COMMANDS = { name: 'known-commands', text: `select id from command where id = any ($1::uuid[])` };
