import type { ProcessRow, ProcessView, ResourceRow } from '@drover/contracts';
import { formatId, type JsonObject, PROCESS_INSTANCE_PREFIX } from '@drover/kernel';
import {
  dates,
  legalActions,
  operatorActions,
  splitStep,
  type TypeDefinition,
  unpackProgress,
} from '@drover/process-model';

/** A live process with what its notes say about the attempt under way. */
interface Work {
  process: ProcessRow;
  phase: string | null;
  /** the handler that is awaited, or whose next attempt is */
  handler: string | null;
  /** number of the attempt under way, or of the last one */
  attempt: number;
}

/**
 * Why a resource is as it is: one sentence for people, and the facts it is made of.
 * @param live its processes that go on
 * @param history its processes, newest first
 */
export function whyJson(
  row: ResourceRow,
  type: TypeDefinition,
  live: readonly ProcessRow[],
  history: readonly ProcessView[],
): JsonObject {
  const work = live.map(workOf);
  const resourceId = formatId(type.idPrefix, row.id);
  return {
    type: 'why',
    resourceId,
    sentence: sentence(row, `${type.name} ${resourceId}`, work),
    state: row.state,
    transitioning: row.transitioning,
    processes: work.map(processFacts),
    lastFinished: lastFinished(live, history),
    actions: legalActions(type, row.state, statesOfRegions(row)),
  };
}

function workOf(process: ProcessRow): Work {
  const { step, attempt, predecessor } = unpackProgress(process.progress);
  const [phase, handler] = step === null ? [null, null] : splitStep(step);
  const awaited = process.status === 'waitingPredecessor' ? (predecessor?.handler ?? handler) : handler;
  return { process, phase, handler: process.waitingHandler ?? awaited, attempt };
}

function processFacts({ process, phase, handler, attempt }: Work): JsonObject {
  const waits = process.status === 'waitingHandler';
  return {
    id: formatId(PROCESS_INSTANCE_PREFIX, process.id),
    processName: process.name,
    stateField: process.stateField,
    status: process.status,
    phase,
    handler,
    attempt,
    error: errorOf(process),
    waitingForHandler: process.waitingHandler,
    deadlineInMillis: waits ? process.waitDeadlineInMillis : process.deadlineInMillis,
    actions: operatorActions(process.status),
  };
}

function lastFinished(live: readonly ProcessRow[], history: readonly ProcessView[]): JsonObject | null {
  const isLive = new Set(live.map(({ id }) => id));
  const ended = history.flatMap((view) => (view.live || isLive.has(view.id) ? [] : [view]));
  const [last] = ended.toSorted((a, b) => b.endTime - a.endTime);
  if (last === undefined) return null;
  return {
    id: formatId(PROCESS_INSTANCE_PREFIX, last.id),
    processName: last.name,
    exitReason: last.exitReason,
    error: errorOf(last),
    ...dates('endTime', last.endTime),
  };
}

function errorOf(row: { errorCode: string | null; errorMessage: string | null }): JsonObject | null {
  return row.errorCode === null ? null : { code: row.errorCode, message: row.errorMessage };
}

function statesOfRegions(row: ResourceRow): Record<string, string> {
  return Object.fromEntries(Object.entries(row.regions).map(([name, { state }]) => [name, state]));
}

function sentence(row: ResourceRow, subject: string, work: readonly Work[]): string {
  if (work.length > 0) return `${subject} ${work.map((one) => `${placeOf(row, one)}${clauseOf(one)}`).join('; and ')}`;
  const failed = row.transitioning === 'error' && row.message !== null ? ` after a failure: ${row.message}` : '';
  return `${subject} rests in ${row.state}${failed}; nothing is going on`;
}

/** What the process works on: the state, or a region besides it. */
function placeOf(row: ResourceRow, { process }: Work): string {
  if (process.stateField === 'state') return `is ${row.state}: `;
  return `has ${process.stateField} ${row.regions[process.stateField]?.state ?? 'unknown'}: `;
}

function clauseOf(work: Work): string {
  const { name, status, errorMessage } = work.process;
  const by = work.handler === null ? '' : `handler ${work.handler}`;
  const attempt = `(attempt ${work.attempt})`;
  const failure = errorMessage === null ? '' : `: ${errorMessage}`;
  switch (status) {
    case 'ready':
      return `${name} goes on in a moment`;
    case 'running':
      return `${name} runs the built-in ${by} ${attempt}`;
    case 'dispatched':
      return `${name} waits for the answer of ${by} ${attempt}${timeLeft(work.process)}${failure === '' ? '' : `; so far${failure}`}`;
    case 'backoff':
      return `${name} soon tries ${by} again; ${attempt.slice(1, -1)} failed${failure}`;
    case 'delayed':
      return `${name} waits, as ${by} asked to be called later`;
    case 'waitingHandler':
      return `${name} waits for ${by} ${attempt}, which has no subscriber`;
    case 'waitingPredecessor':
      return `${name} waits until ${by} answers or gives up the attempt that was cancelled`;
    case 'held':
      return `${name} is held by ${work.process.heldBy}`;
    case 'waitingChildren':
      return `${name} waits for processes of related resources`;
    case 'canceling':
      return `${name} was cancelled and waits until ${by} answers or its time is up`;
    case 'parked':
      return `${name} is parked${attemptsOf(work)}${failure}; retry, skip, cancel or force it`;
  }
}

function attemptsOf({ attempt }: Work): string {
  if (attempt === 0) return '';
  return ` after ${attempt} ${attempt === 1 ? 'attempt' : 'attempts'}`;
}

function timeLeft({ deadlineInMillis }: ProcessRow): string {
  if (deadlineInMillis === null) return '';
  return deadlineInMillis <= 0 ? ', whose time is up' : `, for at most ${Math.ceil(deadlineInMillis / 1_000)} s more`;
}
