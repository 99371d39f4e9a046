import type { WhyProcess } from '@drover/contracts';
import {
  type BoundStep,
  heartbeatOf,
  isScope,
  type Limits,
  type ProcessDefinition,
  retryPolicyOf,
  splitScope,
  splitStep,
  unpackProgress,
} from '@drover/process-model';
import type { DurableHandler } from './durable-handlers.js';
import type { Listening } from './listeners.js';

/** What the gateway knows of a live process besides its row. */
export interface Around {
  /** as of the version that the process began on; null: it cannot be read */
  definition: ProcessDefinition | null;
  /** the step's handler, if it still is one */
  step: BoundStep | null;
  /** does somebody listen for the step's events, or take them? null: no external handler is concerned */
  listening: Listening | null;
  /** of a handler with durable delivery; null: it is none, or the broker did not answer */
  durable: DurableHandler | null;
  /** of concurrency, as of the present revision */
  limits: Limits;
}

/** A live process with what its notes say about the attempt under way. */
export interface Work extends Around {
  process: WhyProcess;
  /** of the region that it moves */
  state: string;
  phase: string | null;
  /** the handler that is awaited, or whose next attempt is */
  handler: string | null;
  /** number of the attempt under way, or of the last one */
  attempt: number;
  /** attempts in all, or null: unknown */
  maxAttempts: number | null;
  /** the process whose cancelled attempt is waited for */
  predecessorId: number | null;
  clock: NextWake | null;
}

/** The clock that moves the process on when nothing else does. */
export interface NextWake {
  clock: 'attempt' | 'heartbeat' | 'waiting' | 'total' | 'backoff' | 'delay' | 'predecessor' | 'engine';
  /** milliseconds; 0: it rings now */
  inMillis: number;
}

/** The step's handler as the notes name it, also when it is no handler any more. */
export function stepOf(process: WhyProcess): { key: string; phase: string; handler: string } | null {
  const { step } = unpackProgress(process.progress);
  if (step === null) return null;
  const [phase, handler] = splitStep(step);
  return { key: step, phase, handler };
}

export function workOf(process: WhyProcess, state: string, around: Around): Work {
  const { attempt, predecessor } = unpackProgress(process.progress);
  const step = stepOf(process);
  const awaited = process.status === 'waitingPredecessor' ? predecessor?.handler : process.waitingHandler;
  return {
    process,
    state,
    ...around,
    phase: step?.phase ?? null,
    handler: awaited ?? step?.handler ?? null,
    attempt,
    maxAttempts: maxAttemptsOf(around),
    predecessorId: predecessor?.processId ?? null,
    clock: named(nextWake(process), process, around),
  };
}

/** Without the definition, only what the handler says of itself is known. */
function maxAttemptsOf({ definition, step }: Around): number | null {
  const handler = step?.handler;
  return definition === null ? (handler?.retries ?? null) : retryPolicyOf(definition, handler).maxAttempts;
}

/** The limit whose place the process waits for: of a handler or of a scope. Null: none, or it is set no more. */
export function maxInFlightOf({ process, step, limits }: Work): number | null {
  const [kind, target] = splitScope(process.heldBy);
  if (kind === 'limit' && isScope(target)) return limits.maximumOf(target);
  return kind === 'limit' && step?.handler.name === target ? (step.handler.limits?.maxInFlight ?? null) : null;
}

/** Which clock each status waits for, besides the process's whole life. */
function ownClock(process: WhyProcess): [NextWake['clock'], number | null] {
  const { deadlineInMillis, waitDeadlineInMillis, wakeInMillis } = process;
  switch (process.status) {
    case 'dispatched':
    case 'running':
    case 'canceling':
      return ['attempt', deadlineInMillis];
    case 'waitingPredecessor':
      return ['predecessor', deadlineInMillis];
    case 'waitingHandler':
      return ['waiting', waitDeadlineInMillis];
    case 'backoff':
      return ['backoff', wakeInMillis];
    case 'delayed':
      return ['delay', wakeInMillis];
    case 'ready':
      return ['engine', wakeInMillis];
    case 'held':
    case 'waitingChildren':
    case 'parked':
      return ['engine', null];
  }
}

/** The attempt's clock is that of the heartbeat while silence ends the attempt sooner than its whole time does. */
function named(next: NextWake | null, process: WhyProcess, { step, definition }: Around): NextWake | null {
  const handler = step?.handler;
  const heartbeat = definition === null ? (handler?.heartbeatMillis ?? null) : heartbeatOf(definition, handler);
  const works = process.status === 'dispatched' || process.status === 'running';
  if (next?.clock !== 'attempt' || heartbeat === null || !works) return next;
  const until = unpackProgress(process.progress).bounds?.attemptUntil ?? null;
  return until !== null && process.readAt + next.inMillis >= until ? next : { ...next, clock: 'heartbeat' };
}

function nextWake(process: WhyProcess): NextWake | null {
  const [clock, own] = ownClock(process);
  // While only an operator can act, no clock runs.
  const total = process.wakeInMillis === null ? null : process.totalDeadlineInMillis;
  if (own === null && total === null) return null;
  const next: NextWake =
    total !== null && (own === null || total <= own) ? { clock: 'total', inMillis: total } : { clock, inMillis: own! };
  return { ...next, inMillis: Math.max(0, next.inMillis) };
}
