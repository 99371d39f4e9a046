import { GONE_STATES as GONE } from '@drover/contracts';

/**
 * What a transition carries, as columns of `json_to_recordset`: missing keys are null. Written by libs/contracts/src/commit-wire.ts, which
 * sends what most transitions of a batch have in common, its `shape`, once. `p_*` are the fields of the process that is updated or started,
 * `e_*` those of its end, `c_*` those of the resource's change. What is stored as it came is `json`: it is passed on as text, never taken apart.
 */
export interface BatchColumns {
  /** what nearly every transition has of its own */
  row: string;
  shape: string;
}

const CHANGE = `
  c_to text, c_map json, c_kind text, c_proc text, c_trans text, c_msg text, c_prog smallint, c_refs text[]`;

const PROCESS = `
  p_name text, p_status text, p_waiting text, p_slot smallint, p_dispatch int, p_execs int,
  p_pred bigint, p_held text, p_adm text, p_code text, p_msg text,
  p_dl double precision, p_dlkeep boolean, p_wdl double precision, p_wdlkeep boolean, p_wake double precision, p_wakedl boolean`;

const START = `
  p_began text, p_defver int, p_prio int, p_total double precision, p_parent bigint, p_pdisp int`;

const START_ROW = `p_token text, p_data json, p_notify text`;

const END = `e_exit text, e_code text, e_msg text`;

const END_ROW = `par bigint, e_progress json`;

/** Of an existing resource. What the filters of the statement read comes first: a row is unpacked from the left. */
const GUARDS = `
  chg boolean, reg bigint, field text, xtype text, xstates text[], c_setname boolean, c_name text, c_setdesc boolean, c_desc text`;

const GUARDS_ROW = `res bigint, pid bigint, cmd uuid, hash text, pver int, xrev int, c_data jsonb`;

/** Columns of each kind of batch: a statement pays for every column, at its start and for every row. */
export const TRANSITION_COLUMNS = {
  starts: {
    row: `${GUARDS_ROW}, ${START_ROW}`,
    shape: `start boolean, ret boolean, ${GUARDS}, ${CHANGE}, ${PROCESS}, p_progress json, ${START}`,
  },
  ends: {
    row: `${GUARDS_ROW}, ${END_ROW}`,
    shape: `fin boolean, ${GUARDS}, ${CHANGE}, ${END}`,
  },
  // xpast, p_wakekeep and p_cap are of an update: what the two common statements need not read.
  steps: {
    row: `${GUARDS_ROW}, ${START_ROW}, ${END_ROW}, p_progress json, p_cap double precision`,
    shape: `upd boolean, fin boolean, start boolean, ret boolean, ${GUARDS}, ${CHANGE}, ${PROCESS}, ${START}, ${END}, xpast text, p_wakekeep boolean`,
  },
};

/** Of a new resource. */
export const INSERT_COLUMNS: BatchColumns = {
  row: `cmd uuid, hash text, i_uuid text, i_name text, i_desc text, i_data jsonb, i_refs text[], c_data jsonb, ${START_ROW}`,
  shape: `
  start boolean, reg bigint, field text, chg boolean, ret boolean, i_type text, i_kind text, i_account bigint, i_regions jsonb,
  ${CHANGE}, ${PROCESS}, p_progress json, ${START}`,
};

/** Names of columns, without their types. */
export const namesOf = (columns: string): string[] => columns.split(',').map((column) => column.trim().split(' ')[0]!);

/**
 * The transitions of a batch, each put together again; its position is `n`, from 1.
 * $1 the rows, $4 the position of each one's shape, $5 the shapes
 */
export const batchOf = ({ row, shape }: BatchColumns): string => `
      select x.ordinality::int as n, ${[...namesOf(row), ...namesOf(shape)].join(', ')}
        from rows from (json_to_recordset($1::json) as (${row}), unnest($4::int[])) with ordinality x
        join rows from (json_to_recordset($5::json) as (${shape})) with ordinality s on s.ordinality = x.unnest + 1`;

/** Milliseconds since the epoch of a timestamptz, as a bigint. */
export const millis = (column: string): string => `floor(date_part('epoch', ${column}) * 1000)::bigint`;

/** now() plus milliseconds; null stays null. */
export const fromNow = (column: string): string => `now() + ${column} * interval '1 millisecond'`;

/** An instant given as epoch milliseconds; null stays null. */
export const instant = (column: string): string => `to_timestamp(${column} / 1000)`;

export const GONE_STATES = `('${GONE.join("', '")}')`;

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
