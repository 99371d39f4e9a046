import { millis } from './columns.sql.js';
import { PLACES } from './gates.sql.js';
import { FINISHED_COLUMNS, inMillis, PROCESS_COLUMNS, RESOURCE_COLUMNS } from './rows.sql.js';

/** Children that an answer names; there may be thousands. */
const NAMED_CHILDREN = 10;

/** What holds `process_live p`: a pause of its scope, or its handler's limit and circuit. */
const GATE = `
  case when p.status = 'held' then (select to_json(x) from (select
    ${millis('p.held_since')} as "heldSince",
    (select to_json(y) from (select ${millis('w.since')} as since, w.operator, w.reason
       from pause w where w.scope = p.held_by) y) as pause,
    case when starts_with(p.held_by, 'limit/') then (select to_json(y) from (select
      case when p.held_by like 'limit/%/%'
           then ${PLACES('substr(p.held_by, 7)')}
           else (select count(*) from process_live a where a.admitted = substr(p.held_by, 7)) end as admitted,
      (select count(*) from process_live a
        where a.held_by = p.held_by and (a.priority > p.priority or (a.priority = p.priority and a.id < p.id))) as ahead
    ) y) end as limit,
    (select to_json(y) from (select g.failures, g.opened_until is not null as opened,
         case when g.opened_until > now() then ${inMillis('g.opened_until')} end as "openForMillis"
       from handler_gate g where g.handler = substr(p.held_by, 7) and starts_with(p.held_by, 'limit/')) y) as circuit
  ) x) end`;

/** Whose end `process_live p` waits for. */
const CHILDREN = `c.parent_id = p.id and c.parent_dispatch = p.dispatch`;

/** Columns of a WhyProcess, of `process_live p`. */
const WHY_PROCESS_COLUMNS = `${PROCESS_COLUMNS},
  case when p.next_wake_at < 'infinity' then ${inMillis('p.next_wake_at')} end as "wakeInMillis",
  ${GATE} as gate,
  (select count(*) from process_live c where ${CHILDREN}) as "childCount",
  (select coalesce(json_agg(x), '[]') from (
     select c.id, c.name, c.status, c.resource_type as "resourceType", c.resource_id as "resourceId",
            case when c.state_field = 'state' then cr.state else coalesce(cr.regions -> c.state_field ->> 'state', '') end as state,
            c.error_message as "errorMessage"
       from process_live c join resource cr on cr.id = c.resource_id
      where ${CHILDREN}
      order by c.status <> 'parked', c.id limit ${NAMED_CHILDREN}) x) as children`;

/** $1 resource. One statement, so that a process that ends meanwhile is either live or finished. */
export const READ_WHY = `
select
  (select to_json(x) from (select ${RESOURCE_COLUMNS}) x) as resource,
  (select coalesce(json_agg(x order by x."stateField" <> 'state', x."stateField"), '[]')
     from (select ${WHY_PROCESS_COLUMNS} from process_live p where p.resource_id = r.id) x) as processes,
  (select to_json(x)
     from (select ${FINISHED_COLUMNS} from process_finished f
            where f.resource_id = r.id order by f.end_time desc, f.id desc limit 1) x) as "lastFinished",
  ${millis('now()')} as "readAt"
  from resource r join resource_data d on d.id = r.id
 where r.id = $1`;

/** What goes on only when somebody does something, the most hopeless first. */
const STUCK_RANK = `array_position(array['parked', 'waitingHandler', 'held'], p.status)`;

export const READ_STUCK = `
select p.id, p.name, p.status, p.resource_type as "resourceType", p.resource_id as "resourceId",
       p.waiting_handler as "waitingHandler", p.held_by as "heldBy", p.error_message as "errorMessage"
  from process_live p
 where ${STUCK_RANK} is not null
 order by ${STUCK_RANK}, p.id limit 10`;
