import type { JsonObject } from '@drover/kernel';
import type { RelatedWork } from '../definitions/types.js';
import type { ProgressDocument, StepRecord, TransitionRecord } from '@drover/contracts';
import type { ExitReason } from './exit-reasons.js';

/** A finished attempt at advancing an instance; the one under way is implied. Times are epoch milliseconds of the database. */
export interface ExecutionRecord {
  n: number;
  process: string;
  start: number;
  stop: number;
  exitReason: ExitReason;
}

/** The attempt that pre-emption cancelled and the first step waits for. */
export interface Predecessor {
  processId: number;
  dispatch: number;
  /** secret of its reply subjects: its answer must name it */
  token: string;
  handler: string;
  /** its deadline, epoch milliseconds of the database; compared only with times the database read */
  until: number;
  /** what that attempt's process waited for itself and is still to be waited for after it */
  next?: Predecessor;
}

/** Ends of clocks that the deadline of the process does not hold; epoch milliseconds of the database. */
export interface Bounds {
  /** the attempt's first deadline lies this long after its beginning */
  armedMillis: number;
  /** when the attempt ends, however alive its handler is; null: not known yet */
  attemptUntil: number | null;
  /** when the handler's total over its attempts ends; null: it has none, or it is not known yet */
  stepUntil: number | null;
}

/** The engine's notes on a live process; travels and rests as the `progress` document. */
export interface Progress {
  /** keys of the steps of this execution, in order: fixed until the next execution */
  plan: string[];
  /** keys of the finished steps: what a retry and a take-over go by */
  done: string[];
  /** phases ended early by `shouldContinue: false` */
  endedPhases: string[];
  /** the step that is being worked on */
  step: string | null;
  /** attempts of that step, this one included; 0 before the first */
  attempt: number;
  /** when the attempt began; 0: with the process */
  stepStart: number;
  /** when the execution under way began; 0: with the process */
  executionStart: number;
  /** a result asked to continue in the definition's delegate */
  delegate: boolean;
  /** a result asked for this process at the end; the last one wins */
  chain: string | null;
  /** delegates gone through: makes step keys of later hops their own */
  hop: number;
  predecessor: Predecessor | null;
  /** the event of a durable attempt that is out: where it is in the work stream, and which stream that is; sequence 0: not stored yet */
  work: { sequence: number; stream: number } | null;
  /** of a step with a heartbeat or a handler's total */
  bounds: Bounds | null;
  /** limits of concurrency in which it has a place, by scope */
  places: string[];
  /** an operator cancelled it; `attempt`: the attempt that was under way then has not ended yet */
  cancel: { reason: string; attempt: boolean } | null;
  /** related work that the handlers' phase began and that is still to be joined: name of the step → dispatch of its children */
  joins: Record<string, number>;
  /** related work that results asked for: each is a step behind the one that asked */
  behind: { after: string; work: RelatedWork }[];
  /** it has begun work on related resources: there may be children */
  family: boolean;
  /** it has heeded that its parent ended early */
  parentEnded: boolean;
  /** a cancel that waits until the children of these dispatches have ended */
  leaving: { dispatches: number[] } | null;
  /** set in a process that an `onError` started: what went wrong, shown when it ends */
  cause: { code: string; message: string } | null;
  /** processes whose failures led here, through `onError`: none of them is started again that way */
  errorPath: string[];
  executions: ExecutionRecord[];
  steps: StepRecord[];
  transitions: TransitionRecord[];
  /** records dropped to keep the document bounded */
  dropped: number;
}

/** Records of each sort that one process keeps; older ones are dropped and counted. */
export const MAX_RECORDS = 50;
/** Longest error or progress message kept, characters. */
export const MAX_MESSAGE = 1_000;
/** Longest error message in a step's record, characters: records travel in every commit; the last message is kept whole beside them. */
export const MAX_RECORD_MESSAGE = 200;
/** Longest error code kept, characters. */
export const MAX_CODE = 100;

const NO_JOINS: Record<string, number> = Object.freeze({});

export function newProgress(): Progress {
  return {
    plan: [],
    done: [],
    endedPhases: [],
    step: null,
    attempt: 0,
    stepStart: 0,
    executionStart: 0,
    delegate: false,
    chain: null,
    hop: 0,
    predecessor: null,
    work: null,
    bounds: null,
    places: [],
    cancel: null,
    joins: NO_JOINS,
    behind: [],
    family: false,
    parentEnded: false,
    leaving: null,
    cause: null,
    errorPath: [],
    executions: [],
    steps: [],
    transitions: [],
    dropped: 0,
  };
}

const FRESH = newProgress();

/**
 * Writes only what differs from a new progress: these bytes are in every commit. By key: the entries of an object of this width are as
 * many arrays (5.4 µs for 0.6, twice in a process).
 */
export function packProgress(progress: Progress): ProgressDocument {
  const packed: JsonObject = {};
  const fresh = FRESH as unknown as JsonObject;
  const whole = bounded(progress) as unknown as JsonObject;
  for (const key in whole) {
    const value = whole[key]!;
    const blank = Array.isArray(value) ? value.length === 0 : value === fresh[key];
    if (!blank) packed[key] = value;
  }
  return packed;
}

/** The notes with every key present. Lists are copies, so that a decision may add to them; their entries are never changed. */
export function unpackProgress(document: ProgressDocument): Progress {
  const progress = newProgress() as unknown as Record<string, unknown>;
  for (const key in document) {
    const value = document[key];
    progress[key] = Array.isArray(value) ? value.slice() : value;
  }
  return progress as unknown as Progress;
}

function bounded(progress: Progress): Progress {
  const over = (list: unknown[]): number => Math.max(0, list.length - MAX_RECORDS);
  const dropped = over(progress.executions) + over(progress.steps) + over(progress.transitions);
  if (dropped === 0) return progress;
  return {
    ...progress,
    executions: progress.executions.slice(-MAX_RECORDS),
    steps: progress.steps.slice(-MAX_RECORDS),
    transitions: progress.transitions.slice(-MAX_RECORDS),
    dropped: progress.dropped + dropped,
  };
}

/** Text from outside as it may be stored: bounded, without U+0000 and lone surrogates. */
export function clip(text: string, length: number = MAX_MESSAGE): string {
  const short = text.length <= length ? text : `${text.slice(0, length - 1)}…`;
  return short.replaceAll('\u0000', '').toWellFormed();
}

/** What a resource says while nobody takes the event of its process. */
export function waitingFor(handler = ''): string {
  return `waiting for handler ${handler}`;
}

/** Until the awaited attempt's deadline, milliseconds from when the database read the row. */
export function predecessorLeftMillis(predecessor: Predecessor, readAt: number): number {
  return Math.max(0, predecessor.until - readAt);
}

/** The attempts that a process waits for: the one it pre-empted first, then what that one waited for itself. */
export function awaited(first: Predecessor | null): Predecessor[] {
  const all: Predecessor[] = [];
  for (let one = first; one !== null; one = one.next ?? null) all.push(one);
  return all;
}

/** The same attempts but for those of one process. */
export function without(first: Predecessor, processId: number): Predecessor | null {
  const rest = awaited(first).filter((one) => one.processId !== processId);
  return rest.reduceRight<Predecessor | null>(
    (next, { next: _, ...one }) => (next === null ? one : { ...one, next }),
    null,
  );
}
