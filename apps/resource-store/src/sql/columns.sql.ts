/**
 * What a transition carries, as columns of `json_to_recordset`; its position in the batch is `n`, from 1. Missing keys are null.
 * Written by libs/contracts/src/commit-wire.ts. `p_*` are the fields of the process that is updated or started, `e_*` those of its end, `c_*`
 * those of the resource's change. What is stored as it came is `json`: it is passed on as text, never taken apart.
 */
const CHANGE = `
  c_to text, c_map json, c_kind text, c_proc text, c_trans text, c_msg text, c_prog smallint, c_data jsonb, c_refs text[]`;

const PROCESS = `
  p_name text, p_status text, p_waiting text, p_slot smallint, p_dispatch int, p_execs int, p_progress json,
  p_pred bigint, p_held text, p_adm text, p_code text, p_msg text,
  p_dl double precision, p_dlkeep boolean, p_wdl double precision, p_wdlkeep boolean, p_wake double precision, p_wakedl boolean`;

const START = `
  p_began text, p_defver int, p_token text, p_data json, p_notify text, p_prio int, p_total double precision,
  p_parent bigint, p_pdisp int`;

/** Of an update: what the two common statements need not read. */
const CLOCKS = `xpast text, p_wakekeep boolean, p_cap double precision`;

const END = `par bigint, e_exit text, e_progress json, e_code text, e_msg text`;

/** Of an existing resource. What the filters of the statement read comes first: a row is unpacked from the left. */
const GUARDS = `
  res bigint, pid bigint, chg boolean, cmd uuid, hash text, reg bigint, field text, pver int, xtype text, xrev int, xstates text[],
  c_setname boolean, c_name text, c_setdesc boolean, c_desc text`;

/** Columns of each kind of batch: a statement pays for every column, at its start and for every row. */
export const TRANSITION_COLUMNS = {
  starts: `start boolean, ret boolean, ${GUARDS}, ${CHANGE}, ${PROCESS}, ${START}`,
  ends: `fin boolean, ${GUARDS}, ${CHANGE}, ${END}`,
  steps: `upd boolean, fin boolean, start boolean, ret boolean, ${GUARDS}, ${CHANGE}, ${PROCESS}, ${START}, ${END}, ${CLOCKS}`,
};

/** Of a new resource. */
export const INSERT_COLUMNS = `
  start boolean, cmd uuid, hash text, reg bigint, field text, chg boolean, ret boolean,
  i_type text, i_kind text, i_uuid text, i_name text, i_desc text, i_data jsonb, i_account bigint, i_regions jsonb, i_refs text[],
  ${CHANGE}, ${PROCESS}, ${START}`;

/** Milliseconds since the epoch of a timestamptz, as a bigint. */
export const millis = (column: string): string => `floor(date_part('epoch', ${column}) * 1000)::bigint`;

/** now() plus milliseconds; null stays null. */
export const fromNow = (column: string): string => `now() + ${column} * interval '1 millisecond'`;

/** An instant given as epoch milliseconds; null stays null. */
export const instant = (column: string): string => `to_timestamp(${column} / 1000)`;

/** States of a resource that is but a record: nothing starts in its other regions. */
export const GONE_STATES = `('removed', 'purging', 'purged')`;

/** States in which an external handler's registration is handed out: while it is being updated it must not vanish. */
export const HANDLER_STATES = `('active', 'updating-active')`;

/** States in which an external handler does not hold its name. */
const NAMELESS_STATES = `('requested', 'inactive', 'updating-inactive', 'removing', 'removed', 'purging', 'purged', 'error')`;

/** The name that a resource holds alone in a state, or null. */
export const claimOf = (type: string, state: string, name: string): string =>
  `case when ${type} = 'externalHandler' and ${state} not in ${NAMELESS_STATES} then 'externalHandler/' || (${name}) end`;

/** Does this gate stop the clocks? Pauses do; waiting for a handler that works at its limit is the handler's own time. */
export const isPause = (gate: string): string => `(${gate} is not null and ${gate} not like 'limit/%')`;

/** `next_wake_at`: what the engine asks for, never later than the total or the waiting clock, infinity where only an operator can act. */
export const wakeAt = (t: { wake: string; wakeAtDeadline: string; deadline: string; wait: string; total: string }) => `
  case
    when ${t.wakeAtDeadline} then coalesce(least(${t.deadline},
           case when ${t.wait} > now() then ${t.wait} end, case when ${t.total} > now() then ${t.total} end), 'infinity')
    when ${t.wake} is null then 'infinity'
    else least(${fromNow(t.wake)},
           case when ${t.wait} > now() then ${t.wait} end, case when ${t.total} > now() then ${t.total} end)
  end`;
