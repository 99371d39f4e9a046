import { DroverError } from '@drover/kernel';
import type { CommitTransition } from './commit.js';
import { isPlain } from './plain.js';
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
  /** a batch of nothing else goes into a shorter statement (plain.ts) */
  plain?: true;
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
 * A transition on its way to the database: encoded once, by whoever decided it. The store reads the head; row and shape go into the
 * statement as they are (apps/resource-store/src/sql/columns.sql.ts), so that no service takes apart and puts together what only passes.
 */
export interface EncodedTransition {
  head: TransitionHead;
  /** what nearly every transition has of its own: a JSON object without line breaks; an absent column is null */
  row: string;
  /** what most transitions of a batch have in common, as `row`: each text of it is sent, and read by the database, once */
  shape: string;
}

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
  if (isPlain(transition)) head.plain = true;
  if (transition.start !== null && transition.start.parentId !== null)
    head.child = { parentId: transition.start.parentId, ...transition.asChild };
  if (transition.orphans === true) head.orphans = true;
  if (transition.unless !== undefined) head.unless = transition.unless;
  if (transition.relates !== undefined) head.relates = transition.relates;
  return { head, row: JSON.stringify(rowOf(transition)), shape: JSON.stringify(shapeOf(transition)) };
}

function kindOf({ insert, processId, start, update, end, expectPassed, returnResource }: CommitTransition): CommitKind {
  if (insert !== null) return 'inserts';
  if (processId === null) return 'starts';
  return end !== null && start === null && update === null && expectPassed === null && !returnResource
    ? 'ends'
    : 'steps';
}

/** Heads of the wire, and for each the position of its shape. */
interface BatchLine {
  heads: TransitionHead[];
  shapes: number[];
}

/** A batch as the wire carries it: a line of heads, a line for each row, a line for each shape. JSON has no line breaks of its own. */
export const commitBatch = {
  encode(batch: readonly EncodedTransition[]): string {
    const { shapes, positions } = shapesOf(batch);
    const first: BatchLine = { heads: batch.map(({ head }) => head), shapes: positions };
    return [JSON.stringify(first), ...batch.map(({ row }) => row), ...shapes].join('\n');
  },

  /** @throws DroverError InvalidBodyContent */
  decode(text: string): EncodedTransition[] {
    const [first = '', ...lines] = text.split('\n');
    const { heads, shapes } = (JSON.parse(first) ?? {}) as Partial<BatchLine>;
    if (!Array.isArray(heads) || !Array.isArray(shapes) || shapes.length !== heads.length) throw malformed();
    return heads.map((head, i) => {
      const shape = lines[heads.length + shapes[i]!];
      if (shape === undefined) throw malformed();
      return { head, row: lines[i]!, shape };
    });
  },
};

const malformed = (): DroverError =>
  new DroverError(
    'InvalidBodyContent',
    'A commit batch is a line of heads, a line for each row and one for each shape',
  );

/** The shapes of a batch, each once, and the position among them of each transition's own. */
export function shapesOf(batch: readonly EncodedTransition[]): { shapes: string[]; positions: number[] } {
  const known = new Map<string, number>();
  const positions = batch.map(({ shape }) => {
    const at = known.get(shape) ?? known.size;
    if (at === known.size) known.set(shape, at);
    return at;
  });
  return { shapes: [...known.keys()], positions };
}

/** What is undefined is left out of the text. A literal that names every column costs less than one that grows key by key. */
const given = <T>(value: T | null | undefined): T | undefined => value ?? undefined;
const flag = (condition: boolean): true | undefined => (condition ? true : undefined);

function rowOf(transition: CommitTransition): object {
  const { insert, change, update, end, start } = transition;
  return {
    cmd: given(transition.commandId),
    hash: given(transition.commandHash),
    res: given(transition.resourceId),
    xrev: given(transition.expectRevision),
    pid: given(transition.processId),
    pver: given(transition.processVersion),
    par: given(transition.wakeParent),
    c_data: given(change?.data),
    e_progress: end?.progress,
    p_progress: isShared(transition) ? undefined : (update ?? start)?.progress,
    p_cap: given(update?.notAfter),
    p_token: start?.token,
    p_data: start?.data,
    p_notify: given(start?.notify),
    i_uuid: insert?.uuid,
    i_name: given(insert?.name),
    i_desc: given(insert?.description),
    i_data: insert?.data,
    i_refs: insert?.refs,
  };
}

/** The progress of a process that begins is that of its neighbours; where it goes on, or follows another one, their pasts differ. */
const isShared = ({ processId }: CommitTransition): boolean => processId === null;

function shapeOf(transition: CommitTransition): object {
  const { insert, change, update, end, start } = transition;
  const fields = update ?? start;
  const toState = given(change?.toState);
  const progress = given(change?.progress);
  const wake = fields?.wakeMillis;
  return {
    reg: transition.registryRevision,
    field: transition.stateField,
    chg: flag(change !== null),
    upd: flag(update !== null),
    fin: flag(end !== null),
    start: flag(start !== null),
    ret: flag(transition.returnResource),
    xtype: given(transition.expectType),
    xstates: given(transition.expectStates),
    xpast: given(transition.expectPassed),
    c_to: typeof toState === 'string' ? toState : undefined,
    c_map: typeof toState === 'string' ? undefined : toState,
    c_kind: change?.feedKind,
    c_proc: given(change?.process),
    c_trans: change?.transitioning,
    c_msg: given(change?.message),
    c_prog: progress === undefined ? undefined : Math.round(progress),
    c_refs: change?.refs,
    c_setname: flag(change?.name !== undefined),
    c_name: given(change?.name),
    c_setdesc: flag(change?.description !== undefined),
    c_desc: given(change?.description),
    e_exit: end?.exitReason,
    e_code: given(end?.errorCode),
    e_msg: given(end?.errorMessage),
    p_name: fields?.name,
    p_status: fields?.status,
    p_waiting: given(fields?.waitingHandler),
    p_slot: given(fields?.slot),
    p_dispatch: fields?.dispatch,
    p_execs: fields?.executionCount,
    p_progress: isShared(transition) ? start?.progress : undefined,
    p_pred: given(fields?.predecessorId),
    p_held: given(fields?.heldBy),
    p_adm: given(fields?.admitted),
    p_code: given(fields?.errorCode),
    p_msg: given(fields?.errorMessage),
    p_dl: clock(fields?.deadlineMillis),
    p_dlkeep: flag(fields?.deadlineMillis === 'keep'),
    p_wdl: clock(fields?.waitDeadlineMillis),
    p_wdlkeep: flag(fields?.waitDeadlineMillis === 'keep'),
    p_wake: clock(wake),
    p_wakedl: flag(wake === 'deadline'),
    p_wakekeep: flag(wake === 'keep'),
    p_began: given(start?.beganState),
    p_defver: start?.definitionVersion,
    p_prio: start?.priority,
    p_parent: given(start?.parentId),
    p_pdisp: given(start?.parentDispatch),
    p_total: given(start?.totalMillis),
    i_type: insert?.type,
    i_kind: insert?.kind,
    i_account: given(insert?.accountId),
    i_regions: insert === null ? undefined : regionsOf(insert.regions, transition),
  };
}

const clock = (millis: number | string | null | undefined): number | undefined =>
  typeof millis === 'number' ? millis : undefined;

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
