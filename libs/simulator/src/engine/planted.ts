import type { CommitTransition, ProcessRow, WorkRow } from '@drover/contracts';
import { type HandlerBinding, HandlerTable, type Input, NO_PAUSES, type Surroundings } from '@drover/process-model';
import type { Mutant } from '../mutants.js';

/** What a decision is made of. */
export interface Question {
  process: ProcessRow;
  input: Input;
  around: Surroundings;
}

/** a world has one planted defect, and tables of its own: one change of each */
const changedTables = new WeakMap<HandlerTable, HandlerTable>();

/** The planted defects of an engine that change what is decided on. */
export function spoiled(mutant: Mutant | null, question: Question): Question {
  const { process, input, around } = question;
  switch (mutant) {
    case 'attempt-ignored':
      return input.kind === 'reply' ? { ...question, input: { ...input, dispatch: process.dispatch } } : question;
    case 'retries-without-bound':
      return process.status === 'backoff'
        ? { ...question, process: { ...process, progress: { ...process.progress, attempt: 0 } } }
        : question;
    case 'done-step-again': {
      if (process.status !== 'backoff' || input.kind !== 'wake') return question;
      const { done: _done, step: _step, ...progress } = process.progress;
      return { ...question, process: { ...process, status: 'ready', progress } };
    }
    case 'pause-ignored':
      return { ...question, around: { ...around, pauses: NO_PAUSES } };
    case 'limit-ignored':
      return { ...question, around: withHandlers(around, { limits: null }) };
    case 'heartbeat-ignored':
      return { ...question, around: withHandlers(around, { heartbeatMillis: null }) };
    case 'handler-total-ignored': {
      const { bounds, ...progress } = process.progress as { bounds?: object };
      if (bounds === undefined) return question;
      const kept = { ...progress, bounds: { ...bounds, stepUntil: null } } as ProcessRow['progress'];
      return { input, process: { ...process, progress: kept }, around: withHandlers(around, { totalMillis: null }) };
    }
    case 'total-ignored':
      return { ...question, process: { ...process, totalDeadlineInMillis: null } };
    case 'stored-is-taken':
      return input.kind === 'wake' && input.delivery?.event === 'undelivered'
        ? { ...question, input: { ...input, delivery: { ...input.delivery, event: 'acknowledged' } } }
        : question;
    case 'undelivered-sent-again':
      return input.kind === 'wake' && input.delivery?.event === 'undelivered'
        ? { ...question, input: { ...input, delivery: { ...input.delivery, event: 'lost' } } }
        : question;
    default:
      return question;
  }
}

function withHandlers(around: Surroundings, change: Partial<HandlerBinding>): Surroundings {
  const { handlers: table } = around;
  let handlers = changedTables.get(table);
  if (handlers === undefined) {
    handlers = new HandlerTable(table.handlers.map((one) => ({ ...one, ...change })));
    changedTables.set(table, handlers);
  }
  return { ...around, handlers };
}

/** The rows that an engine would have after a commit that it does not wait for; null: nothing would be sent. */
export function unwaited(work: WorkRow, { update }: CommitTransition): WorkRow | null {
  if (update === null) return null;
  const { status, dispatch, progress, slot } = update;
  return { ...work, process: { ...work.process, status, dispatch, progress, slot } };
}
