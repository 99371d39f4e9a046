import { millis } from './columns.sql.js';
import { READ_RESOURCES } from './read-resources.sql.js';

const FEED_COLUMNS = `
  id, resource_id as "resourceId", process_id as "processId", ${millis('time')} as time, revision,
  kind, process, coalesce(state_field, 'state') as "stateField", from_state as "fromState", to_state as "toState"`;

/** The last number that any transaction drew, committed or not. Must be read before the snapshot it is compared with. */
const LAST_FEED_ID = `select case when is_called then last_value else 0 end as last from feed_id`;

/**
 * Which transactions run: all below `xmin` have ended, none from `next` on had begun. `next` is an id drawn here: a snapshot's own xmax
 * is one past the newest transaction that has *ended*, and those that run beyond it would be overlooked.
 */
const SNAPSHOT = `
select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as xmin, pg_current_xact_id()::text::bigint as next`;

/** Who inserts into the feed: the lock on it is taken before a statement runs, and given back after its transaction's end can be seen. */
const WRITERS = `
select coalesce(array_agg(virtualtransaction), '{}') as writers
  from pg_locks
 where locktype = 'relation' and relation = 'feed'::regclass and mode = 'RowExclusiveLock' and granted
   and database = (select oid from pg_database where datname = current_database())`;

/** $1 after, $2 up to, $3 limit */
export const READ_FEED = `select ${FEED_COLUMNS} from feed where id > $1 and id <= $2 order by id limit $3`;

export const READ_RELAY = `select epoch, published, trimmed from relay where id = 1`;

/** $1 epoch: a new term; an older one can write no more. */
export const BEGIN_RELAY_TERM = `update relay set epoch = $1 where id = 1 and epoch <= $1 returning published`;

/** $1 published, $2 epoch */
const SAVE_PUBLISHED = `
update relay set published = greatest(published, $1) where id = 1 and epoch = $2 returning published`;

// The relay's own, prepared on its connection, where no plan may hang on a guess: both tables are entered by key.
export const RELAY_LAST = { name: 'relay-last', text: LAST_FEED_ID };
export const RELAY_SNAPSHOT = { name: 'relay-snapshot', text: SNAPSHOT };
export const RELAY_WRITERS = { name: 'relay-writers', text: WRITERS };
export const RELAY_FEED = { name: 'relay-feed', text: READ_FEED };
export const RELAY_RESOURCES = { name: 'relay-resources', text: `${READ_RESOURCES} and d.id = any ($1::bigint[])` };
export const RELAY_SAVE = { name: 'relay-save', text: SAVE_PUBLISHED };
