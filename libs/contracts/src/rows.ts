import type { ErrorBody, JsonObject } from '@drover/kernel';

export type TransitioningFlag = 'yes' | 'no' | 'error';

/** A region besides `state`: one entry of `regions`, by the name of its state field. */
export interface RegionRow {
  state: string;
  transitioning: TransitioningFlag;
  message: string | null;
  progress: number | null;
}

/** A resource as the services pass it between each other. Times are epoch milliseconds of the database. */
export interface ResourceRow {
  id: number;
  /** as declared, camelCase */
  type: string;
  kind: string;
  uuid: string;
  name: string | null;
  description: string | null;
  state: string;
  transitioning: TransitioningFlag;
  message: string | null;
  /** 0..100 */
  progress: number | null;
  /** other state fields, by name; empty when the type has none */
  regions: Record<string, RegionRow>;
  /** +1 per change, guards compare-and-set */
  revision: number;
  /** declared fields and, under `data`, the free-form map */
  data: JsonObject;
  accountId: number | null;
  created: number;
  removed: number | null;
}

/** What a live process is doing; `next_wake_at` in the database says until when. */
export type ProcessStatus =
  /** an engine should advance it now */
  | 'ready'
  /** an in-process handler runs in the engine that holds the slot */
  | 'running'
  /** an external handler was asked; the deadline runs */
  | 'dispatched'
  /** waits for the next attempt of a step */
  | 'backoff'
  /** a handler asked to be called later */
  | 'delayed'
  /** nobody listens for the handler; no attempt is spent */
  | 'waitingHandler'
  /** the first step waits for the attempt that was cancelled by pre-emption */
  | 'waitingPredecessor'
  /** a gate (`heldBy`) keeps the next attempt from beginning */
  | 'held'
  /** processes of related resources are under way */
  | 'waitingChildren'
  /** cancelled while an attempt was under way: leaves when that answers, or its deadline passes */
  | 'canceling'
  /** the attempt budget is spent: waits for an operator */
  | 'parked';

/** One line of an execution's record. Times are epoch milliseconds of the database as the engine knew it. */
export interface StepRecord {
  execution: number;
  process: string;
  phase: string;
  handler: string;
  attempt: number;
  start: number;
  stop: number;
  outcome: 'done' | 'failed' | 'timeout' | 'canceled' | 'delayed' | 'rejected' | 'skipped' | 'noHandler';
  error?: ErrorBody | { code: string; message: string };
}

/** One move of a state, as an execution records it. */
export interface TransitionRecord {
  from: string;
  to: string;
  kind: 'transitioning' | 'done' | 'delegate' | 'chain' | 'error' | 'canceled' | 'forced';
}

/**
 * The engine's own notes on a live process. The store keeps them as they are (one jsonb) and looks inside nothing; the shape is
 * defined by `libs/process-model/decide`.
 */
export type ProgressDocument = JsonObject;

/** A live process as the store keeps it. */
export interface ProcessRow {
  id: number;
  /** +1 per commit that touches the process; guards it */
  version: number;
  resourceId: number;
  resourceType: string;
  stateField: string;
  /** process name; changes when the process continues in a delegate */
  name: string;
  definitionVersion: number;
  /** state in which the run began */
  beganState: string;
  status: ProcessStatus;
  /** handler awaited while `waitingHandler` */
  waitingHandler: string | null;
  /** reply slot of the last dispatch, or of the engine that runs an in-process step */
  slot: number | null;
  /** number of the last dispatch, 0 before the first */
  dispatch: number;
  /** secret part of the reply subjects of this process */
  token: string;
  /** the last dispatch should be sent again with the same id (set by a take-over) */
  resend: boolean;
  executionCount: number;
  progress: ProgressDocument;
  /** process data: the body of the action */
  data: JsonObject;
  /** subject to publish the end on, or null */
  notify: string | null;
  /** process whose cancelled attempt this one waits for */
  predecessorId: number | null;
  /** process that started this one on a related resource, and the number of its dispatch that did; a successor inherits both */
  parentId: number | null;
  parentDispatch: number | null;
  /**
   * what an early end of its parent means to it. Null: it is cancelled; `leave`: nothing; `ended`: its parent has ended early, and it is to
   * cancel itself at its next wake-up
   */
  parentEnd: 'leave' | 'ended' | null;
  /**
   * what keeps the next attempt from beginning while `held`: a pause (`cluster`, `type/<name>`, `resource/<number>`, `handler/<name>`),
   * `limit/<handler>`, its in-flight maximum or open circuit, or `limit/<scope>`, a limit of account, type or process
   */
  heldBy: string | null;
  /** handler whose in-flight limit counts this process, or the scope of the limit that has just admitted it */
  admitted: string | null;
  priority: number;
  accountId: number | null;
  startTime: number;
  errorCode: string | null;
  errorMessage: string | null;
  /**
   * Facts about the clocks, computed by the database when the row was read; negative: passed. Null: no such clock.
   * Epoch milliseconds never travel as deadlines: only the database compares times. While a pause holds the process, the total and the
   * waiting clock stand still.
   */
  deadlineInMillis: number | null;
  totalDeadlineInMillis: number | null;
  waitDeadlineInMillis: number | null;
  /** the database's clock when the row was read, epoch milliseconds */
  readAt: number;
}

/** A finished process: one row, written by the commit that ended it. */
export interface FinishedProcessRow {
  id: number;
  resourceId: number;
  resourceType: string;
  stateField: string;
  name: string;
  definitionVersion: number;
  exitReason: string;
  executionCount: number;
  progress: ProgressDocument;
  data: JsonObject;
  /** process that started this one on a related resource */
  parentId: number | null;
  parentDispatch: number | null;
  priority: number;
  accountId: number | null;
  startTime: number;
  endTime: number;
  errorCode: string | null;
  errorMessage: string | null;
}
