import type { CommitTransition, FeedKind, ProcessRow, ProgressDocument, ResourceRow } from '@drover/contracts';

/** A live process as the model of the store holds it: clocks are absolute, in database milliseconds. */
export interface LiveProcess {
  /** without the clocks, which {@link readProcess} adds; replaced, never changed */
  row: ProcessRow;
  deadline: number | null;
  waitDeadline: number | null;
  totalDeadline: number | null;
  /** Infinity: only an operator can act */
  wakeAt: number;
  /** since when a pause holds it, or null */
  heldSince: number | null;
}

/** A finished process; like a row of `process_finished`. */
export interface FinishedProcess {
  row: ProcessRow;
  exitReason: string;
  progress: ProgressDocument;
  errorCode: string | null;
  errorMessage: string | null;
  endTime: number;
}

/** A row of the feed, in the order of the commits. */
export interface FeedEntry {
  /** the feed's sequence: drawn inside the transaction */
  id: number;
  /** when its transaction ends, database milliseconds: nobody sees it before */
  visibleAt: number;
  resourceId: number;
  processId: number | null;
  revision: number;
  kind: FeedKind;
  process: string | null;
  stateField: string;
  from: string;
  to: string;
}

/** A resource with the live process of each of its state fields. */
export interface StoredResource {
  row: ResourceRow;
  /** what its reference fields point at, `<field>:<number>` */
  refs: readonly string[];
  live: Map<string, LiveProcess>;
  /** when it was purged, or null */
  purged: number | null;
}

/** A handler's gate: the row that its admissions pass one after the other. */
export interface Gate {
  failures: number;
  /** null: the circuit is closed */
  openedUntil: number | null;
}

/**
 * Does this gate stop the clocks? Waiting for a place at a handler does not. The decisions have such a function too; the model and the
 * checks go by this one, so that they do not agree with a mistake in the other.
 */
export function isPause(gate: string | null): boolean {
  return gate !== null && !gate.startsWith('limit/');
}

/** What one applied transition did: what the checks of a simulation look at. */
export interface Applied {
  transition: CommitTransition;
  /** null: it was inserted */
  before: ResourceRow | null;
  after: ResourceRow;
  /** the guarded process as it was */
  guarded: LiveProcess | null;
  /** the process that is live in the region now because of this transition */
  live: LiveProcess | null;
  /** processes that this transition ended, the guarded one first */
  ended: FinishedProcess[];
}

const left = (at: number | null, now: number): number | null => (at === null ? null : at - now);

/** A live process as the database reads it: clocks as distances from now; those that a pause stops, from when it began. */
export function readProcess(held: LiveProcess, now: number): ProcessRow {
  const clock = held.heldSince ?? now;
  const { row } = held;
  return {
    id: row.id,
    version: row.version,
    resourceId: row.resourceId,
    resourceType: row.resourceType,
    stateField: row.stateField,
    name: row.name,
    definitionVersion: row.definitionVersion,
    beganState: row.beganState,
    status: row.status,
    waitingHandler: row.waitingHandler,
    slot: row.slot,
    dispatch: row.dispatch,
    token: row.token,
    resend: row.resend,
    executionCount: row.executionCount,
    progress: row.progress,
    data: row.data,
    notify: row.notify,
    predecessorId: row.predecessorId,
    parentId: row.parentId,
    parentDispatch: row.parentDispatch,
    parentEnd: row.parentEnd,
    heldBy: row.heldBy,
    admitted: row.admitted,
    priority: row.priority,
    accountId: row.accountId,
    startTime: row.startTime,
    errorCode: row.errorCode,
    errorMessage: row.errorMessage,
    deadlineInMillis: left(held.deadline, now),
    totalDeadlineInMillis: left(held.totalDeadline, clock),
    waitDeadlineInMillis: left(held.waitDeadline, clock),
    readAt: now,
  };
}
