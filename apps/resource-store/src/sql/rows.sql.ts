import { millis } from './columns.sql.js';

/** Columns of a ResourceRow, of `resource r` and `resource_data d`. */
export const RESOURCE_COLUMNS = `
  r.id, r.type, r.kind, d.uuid, d.name, d.description, r.state, r.transitioning, r.message, r.progress,
  coalesce(r.regions, '{}') as regions, r.revision, d.data, r.account_id as "accountId",
  ${millis('d.created')} as created, ${millis('d.removed')} as removed`;

export const inMillis = (column: string, from = 'now()'): string =>
  `floor(date_part('epoch', ${column} - ${from}) * 1000)::float8`;

/** From when the clocks that a pause stops are read. */
const CLOCK = 'coalesce(p.held_since, now())';

/** Columns of a ProcessRow, of `process_live p`. */
export const PROCESS_COLUMNS = `
  p.id, p.version, p.resource_id as "resourceId", p.resource_type as "resourceType", p.state_field as "stateField", p.name,
  p.definition_version as "definitionVersion", p.began_state as "beganState", p.status, p.waiting_handler as "waitingHandler",
  p.slot, p.dispatch, p.token, p.resend, p.execution_count as "executionCount", p.progress, p.data, p.notify,
  p.predecessor_id as "predecessorId", p.parent_id as "parentId", p.parent_dispatch as "parentDispatch",
  p.parent_end as "parentEnd", p.held_by as "heldBy", p.admitted, p.priority, p.account_id as "accountId", ${millis('p.start_time')} as "startTime",
  p.error_code as "errorCode", p.error_message as "errorMessage",
  ${inMillis('p.deadline')} as "deadlineInMillis", ${inMillis('p.total_deadline', CLOCK)} as "totalDeadlineInMillis",
  ${inMillis('p.wait_deadline', CLOCK)} as "waitDeadlineInMillis", ${millis('now()')} as "readAt"`;

/** Columns of a FinishedProcessRow, of `process_finished f`. */
export const FINISHED_COLUMNS = `
  f.id, f.resource_id as "resourceId", f.resource_type as "resourceType", f.state_field as "stateField", f.name,
  f.definition_version as "definitionVersion", f.exit_reason as "exitReason", f.execution_count as "executionCount",
  f.progress, f.data, f.parent_id as "parentId", f.parent_dispatch as "parentDispatch", f.priority, f.account_id as "accountId", ${millis('f.start_time')} as "startTime",
  ${millis('f.end_time')} as "endTime", f.error_code as "errorCode", f.error_message as "errorMessage"`;
