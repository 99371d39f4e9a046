import { DroverError } from '@drover/kernel';
import type { CommitTransition, ProcessFields, ProcessInsert } from './commit.js';
import type { RelationRef } from './store.js';

/**
 * The statement a transition goes into. A new resource; a start on a free region (or fields alone); the end of a process; everything
 * else. Each has a lane of its own in the store.
 */
export type CommitKind = 'inserts' | 'starts' | 'ends' | 'steps';

/** What the store reads of a transition before it commits it. */
export interface TransitionHead {
  kind: CommitKind;
  /** null: a new one */
  resourceId: number | null;
  stateField: string;
  commandId: string | null;
  commandHash: string | null;
  /** of a new resource */
  uuid: string | null;
  returnResource: boolean;
  /** the guarded process, and the one that waits for its end: a batch writes each process once */
  processId: number | null;
  wakeParent: number | null;
  /** of a process that starts with a parent: its number; `parentEnd` only of a child that its parent starts */
  child?: { parentId: number; parentEnd?: 'leave' | null };
  /** children of what the transition ends are woken */
  orphans?: true;
  unless?: RelationRef[];
  relates?: number[];
}

/**
 * A transition on its way to the database: encoded once, by whoever decided it. The store reads the head; the row goes into the
 * statement as it is (apps/resource-store/src/sql/columns.sql.ts), so that no service takes apart and puts together what only passes.
 */
export interface EncodedTransition {
  head: TransitionHead;
  /** a JSON object without line breaks: an absent column is null */
  row: string;
}

/** What a statement reads of one transition. */
type Columns = Record<string, unknown>;

/**
 * Flattens a transition. Guards against what no statement can make sense of, so that it costs one caller an answer, not a batch.
 * @throws DroverError Internal: a caller's bug
 */
export function encodeTransition(transition: CommitTransition): EncodedTransition {
  const problem = problemOf(transition);
  if (problem !== null) throw new DroverError('Internal', `The transition makes no sense: ${problem}`);
  const { resourceId, stateField, commandId, commandHash, insert, returnResource, processId, wakeParent } = transition;
  const head: TransitionHead = {
    kind: kindOf(transition),
    resourceId,
    stateField,
    commandId,
    commandHash,
    uuid: insert?.uuid ?? null,
    returnResource,
    processId,
    wakeParent,
  };
  if (transition.start !== null && transition.start.parentId !== null)
    head.child = { parentId: transition.start.parentId, ...transition.asChild };
  if (transition.orphans === true) head.orphans = true;
  if (transition.unless !== undefined) head.unless = transition.unless;
  if (transition.relates !== undefined) head.relates = transition.relates;
  return { head, row: JSON.stringify(columnsOf(transition)) };
}

function kindOf({ insert, processId, start, update, end, expectPassed, returnResource }: CommitTransition): CommitKind {
  if (insert !== null) return 'inserts';
  if (processId === null) return 'starts';
  return end !== null && start === null && update === null && expectPassed === null && !returnResource
    ? 'ends'
    : 'steps';
}

/** A batch as the wire carries it: a line of heads, then a line for each row. JSON has no line breaks of its own. */
export const commitBatch = {
  encode(batch: readonly EncodedTransition[]): string {
    return [JSON.stringify(batch.map(({ head }) => head)), ...batch.map(({ row }) => row)].join('\n');
  },

  /** @throws DroverError InvalidBodyContent */
  decode(text: string): EncodedTransition[] {
    const [first = '', ...rows] = text.split('\n');
    const heads = JSON.parse(first) as TransitionHead[] | null;
    if (!Array.isArray(heads) || heads.length !== rows.length)
      throw new DroverError('InvalidBodyContent', 'A commit batch is a line of heads and a line for each row');
    return heads.map((head, i) => ({ head, row: rows[i]! }));
  },
};

function columnsOf(transition: CommitTransition): Columns {
  const { insert, change, update, end, start } = transition;
  const row: Columns = { reg: transition.registryRevision, field: transition.stateField };
  put(row, 'chg', change === null ? null : true);
  put(row, 'upd', update === null ? null : true);
  put(row, 'fin', end === null ? null : true);
  put(row, 'start', start === null ? null : true);
  put(row, 'ret', transition.returnResource ? true : null);
  put(row, 'cmd', transition.commandId);
  put(row, 'hash', transition.commandHash);
  put(row, 'res', transition.resourceId);
  put(row, 'xtype', transition.expectType);
  put(row, 'xrev', transition.expectRevision);
  put(row, 'xstates', transition.expectStates);
  put(row, 'pid', transition.processId);
  put(row, 'pver', transition.processVersion);
  put(row, 'xpast', transition.expectPassed);
  put(row, 'par', transition.wakeParent);
  if (change !== null) {
    put(row, typeof change.toState === 'string' ? 'c_to' : 'c_map', change.toState);
    row['c_kind'] = change.feedKind;
    put(row, 'c_proc', change.process);
    row['c_trans'] = change.transitioning;
    put(row, 'c_msg', change.message);
    put(row, 'c_prog', change.progress === null ? null : Math.round(change.progress));
    put(row, 'c_data', change.data);
    put(row, 'c_refs', change.refs);
    if (change.name !== undefined) {
      row['c_setname'] = true;
      put(row, 'c_name', change.name);
    }
    if (change.description !== undefined) {
      row['c_setdesc'] = true;
      put(row, 'c_desc', change.description);
    }
  }
  if (end !== null) {
    row['e_exit'] = end.exitReason;
    row['e_progress'] = end.progress;
    put(row, 'e_code', end.errorCode);
    put(row, 'e_msg', end.errorMessage);
  }
  if (update !== null) {
    putFields(row, update);
    put(row, 'p_cap', update.notAfter);
  }
  if (start !== null) putStart(row, start);
  if (insert !== null) {
    row['i_type'] = insert.type;
    row['i_kind'] = insert.kind;
    row['i_uuid'] = insert.uuid;
    put(row, 'i_name', insert.name);
    put(row, 'i_desc', insert.description);
    row['i_data'] = insert.data;
    put(row, 'i_account', insert.accountId);
    put(row, 'i_refs', insert.refs);
    row['i_regions'] = regionsOf(insert.regions, transition);
  }
  return row;
}

function putFields(row: Columns, fields: ProcessFields): void {
  row['p_name'] = fields.name;
  row['p_status'] = fields.status;
  put(row, 'p_waiting', fields.waitingHandler);
  put(row, 'p_slot', fields.slot);
  row['p_dispatch'] = fields.dispatch;
  row['p_execs'] = fields.executionCount;
  row['p_progress'] = fields.progress;
  put(row, 'p_pred', fields.predecessorId);
  put(row, 'p_held', fields.heldBy);
  put(row, 'p_adm', fields.admitted);
  put(row, 'p_code', fields.errorCode);
  put(row, 'p_msg', fields.errorMessage);
  putClock(row, 'p_dl', fields.deadlineMillis);
  putClock(row, 'p_wdl', fields.waitDeadlineMillis);
  if (fields.wakeMillis === 'deadline') row['p_wakedl'] = true;
  else if (fields.wakeMillis === 'keep') row['p_wakekeep'] = true;
  else put(row, 'p_wake', fields.wakeMillis);
}

function putStart(row: Columns, start: ProcessInsert): void {
  putFields(row, start);
  put(row, 'p_began', start.beganState);
  row['p_defver'] = start.definitionVersion;
  row['p_token'] = start.token;
  row['p_data'] = start.data;
  put(row, 'p_notify', start.notify);
  row['p_prio'] = start.priority;
  put(row, 'p_parent', start.parentId);
  put(row, 'p_pdisp', start.parentDispatch);
  put(row, 'p_total', start.totalMillis);
}

function putClock(row: Columns, key: string, millis: number | 'keep' | null): void {
  if (millis === 'keep') row[`${key}keep`] = true;
  else put(row, key, millis);
}

function put(row: Columns, key: string, value: unknown): void {
  if (value !== null && value !== undefined) row[key] = value;
}

/** Regions of a new resource as they are stored; the one that the first process moves is already in its transitioning state. */
function regionsOf(initial: Record<string, string>, { change, stateField }: CommitTransition): unknown {
  const names = Object.keys(initial);
  if (names.length === 0) return undefined;
  const rest = { transitioning: 'no', message: null, progress: null };
  const regions = Object.fromEntries(names.map((name) => [name, { state: initial[name]!, ...rest }]));
  if (stateField !== 'state' && change !== null && typeof change.toState === 'string') {
    const { toState: state, transitioning, message, progress } = change;
    regions[stateField] = { state, transitioning, message, progress } as never;
  }
  return regions;
}

function problemOf(t: CommitTransition): string | null {
  if ((t.insert === null) === (t.resourceId === null)) return 'exactly one of insert and resourceId is needed';
  if (t.processId === null && (t.update !== null || t.end !== null)) return 'update and end need a processId';
  if (t.processId !== null && t.processVersion === null) return 'a processId needs its version';
  if (t.expectPassed !== null && t.processId === null) return 'only the guarded process has clocks';
  if (t.start?.wakeMillis === 'keep') return 'a process that starts has no wake-up to keep';
  if (t.update !== null && (t.end !== null || t.start !== null)) return 'update excludes end and start';
  if (t.processId !== null && t.start !== null && t.end === null) return 'the region is held: start needs end';
  if (t.wakeParent !== null && t.processId === null) return 'only the guarded process has a parent to wake';
  if (t.asChild !== undefined && t.start?.parentId == null) return 'a child has a parent';
  if (t.orphans === true && t.end === null) return 'only what ends leaves orphans';
  if (t.unless !== undefined && t.resourceId === null) return 'a new resource has no relations';
  if (t.insert !== null && t.processId !== null) return 'a new resource has no process';
  if (t.start !== null && t.start.stateField !== t.stateField)
    return 'a process starts in the region of its transition';
  return null;
}
