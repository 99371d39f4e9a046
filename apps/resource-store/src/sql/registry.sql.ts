import { HANDLER_STATES, millis } from './columns.sql.js';

const DEFINITION_COLUMNS = `
  name, version, document, hash, system, revision, warnings, ${millis('created')} as created, deleted`;

/** Newest version of each definition that changed after a revision. $1 revision, $2 names after this one, $3 limit */
export const READ_DEFINITIONS = `
select * from (
  select distinct on (name) ${DEFINITION_COLUMNS}
    from definition where name > $2 order by name, version desc) newest
 where revision > $1 and not (deleted and $1 = 0)
 order by name limit $3`;

/** $1 name, $2 version or null: the newest */
export const READ_DEFINITION = `
select ${DEFINITION_COLUMNS} from definition
 where name = $1 and ($2::int is null or version = $2)
 order by version desc limit 1`;

export const READ_VERSIONS = `
select version, ${millis('created')} as created from definition where name = $1 and not deleted order by version`;

export const READ_REVISION = `select revision from registry where id = 1`;

/**
 * Taken before the row: who sets a pause locks the table first, and would meet a holder of the row who still wants the table.
 */
export const JOIN_REGISTRY = `lock table registry in row exclusive mode`;

/** Who holds this row is the only one that changes definitions. */
export const LOCK_REGISTRY = `select revision from registry where id = 1 for update`;

export const RAISE_REVISION = `update registry set revision = revision + 1 where id = 1 returning revision`;

export const INSERT_DEFINITION = `
insert into definition (name, version, document, hash, system, revision, warnings, deleted)
values ($1, $2, $3, $4, $5, $6, $7, $8)
returning ${DEFINITION_COLUMNS}`;

/** Several at once, none of them deleted. $1 names, versions, documents, hashes and warnings, as JSON; $2 system, $3 revision */
export const INSERT_DEFINITIONS = `
insert into definition (name, version, document, hash, system, revision, warnings, deleted)
select name, version, document, hash, $2, $3, warnings, false
  from jsonb_to_recordset($1::jsonb) as declared (name text, version int, document jsonb, hash text, warnings jsonb)`;

/** The highest version that each name ever had. $1 names */
export const LAST_VERSIONS = `
select name, max(version) as version from definition where name = any ($1::text[]) group by name`;

/** External handlers that are handed out, as they are stored. */
export const READ_HANDLERS = `
select r.id, d.name, d.data
  from resource r join resource_data d on d.id = r.id
 where r.type = 'externalHandler' and r.state in ${HANDLER_STATES} and d.name is not null
 order by d.name`;

export const READ_PAUSES = `
select scope, ${millis('since')} as since, operator, reason from pause order by scope`;

/** Resources of a type by state, of one state field. $1 type, $2 state field, $3 states */
export const COUNT_IN_STATES = `
select case when $2 = 'state' then r.state else r.regions -> $2 ->> 'state' end as state, count(*)::int as count
  from resource r
 where r.type = $1
   and case when $2 = 'state' then r.state else r.regions -> $2 ->> 'state' end = any ($3::text[])
 group by 1 order by 1`;

export const COUNT_UNPURGED = `
select state, count(*)::int as count from resource where type = $1 and state <> 'purged' group by state order by state`;

/** Gives the resources of a type a region that they lack. $1 type, $2 state field, $3 its initial state */
export const ADD_REGION = `
update resource set regions = coalesce(regions, '{}') || jsonb_build_object($2::text,
         jsonb_build_object('state', $3::text, 'transitioning', 'no', 'message', null, 'progress', null))
 where type = $1 and not coalesce(regions, '{}') ? $2`;

export const READ_FILES = `select name, hash from definition_file`;

export const READ_FILE = `select hash from definition_file where name = $1`;

/** $1 names, $2 the hash of each */
export const WRITE_FILES = `
insert into definition_file (name, hash) select * from unnest($1::text[], $2::text[])
on conflict (name) do update set hash = excluded.hash`;

export const FORGET_FILE = `delete from definition_file where name = $1`;

/** A folder counts as applied only as long as nobody else has changed a handler of its. $1 name, $2 hash, $3 the folder's name */
export const WRITE_HANDLER_FILE = `
with forgotten as (delete from definition_file where name = $3)
insert into definition_file (name, hash) values ($1, $2)
on conflict (name) do update set hash = excluded.hash`;
