import type { OperatorAction } from '@drover/contracts';
import { DroverError } from '@drover/kernel';
import { isGone, restingStates } from '../states/index.js';
import { cancel, leave } from './cancel.js';
import type { Draft } from './draft.js';
import { clip } from './progress.js';
import { startAttempt } from './attempts.js';
import { advance } from './steps.js';

export interface OperatorInput {
  kind: 'operate';
  action: OperatorAction;
  /** for `force`: where to */
  state: string | null;
  /** who, for the record */
  operator: string | null;
  /** repeat detection, as in every command */
  commandId?: string | null;
  commandHash?: string | null;
}

/** Statuses in which no handler works: a step may be repeated or skipped without two working at once. */
const IDLE: ReadonlySet<string> = new Set(['parked', 'backoff', 'delayed', 'waitingHandler', 'held', 'ready']);

/** Acts that go on with the same process. */
const REPEATS: ReadonlySet<string> = new Set(['retry', 'skip', 'replay']);

/** What an operator may do with a live process in this status. */
export function operatorActions(status: string): OperatorAction[] {
  if (status === 'canceling') return ['force'];
  return IDLE.has(status) ? ['retry', 'skip', 'cancel', 'force', 'replay'] : ['cancel', 'force'];
}

/** An operator's act, recorded with who did it. @returns a text when nothing follows from it, an error when it makes no sense */
export function operate(draft: Draft, input: OperatorInput): string | DroverError | null {
  if (draft.status === 'canceling' && input.action === 'cancel') return 'it is being cancelled already';
  if (!operatorActions(draft.status).includes(input.action))
    return new DroverError(
      'ActionNotAvailable',
      `${input.action} is not available while the process is ${draft.status}; available: ${operatorActions(draft.status).join(', ')}`,
    );
  if (REPEATS.has(input.action) && (draft.process.totalDeadlineInMillis ?? 1) <= 0)
    return new DroverError(
      'ActionNotAvailable',
      `${input.action} is not available: the process has reached the end of its longest life; cancel or force it`,
    );
  const audit = operatorAudit(input.action, input.operator);
  switch (input.action) {
    case 'retry':
      draft.record('failed', audit);
      return again(draft);
    case 'replay':
      draft.record('failed', audit);
      Object.assign(draft.progress, {
        done: [],
        endedPhases: [],
        step: null,
        attempt: 0,
        chain: null,
        delegate: false,
        joins: {},
        behind: [],
      });
      return again(draft);
    case 'skip':
      if (draft.progress.step === null) return new DroverError('ActionNotAvailable', 'There is no step to skip');
      draft.record('skipped', audit);
      draft.progress.done.push(draft.progress.step);
      draft.progress.step = null;
      draft.progress.attempt = 0;
      return again(draft);
    case 'cancel':
      return cancel(draft, audit);
    case 'force':
      return force(draft, input.state, audit);
  }
}

/** What an execution's record says of an operator's act: who did what; its time is the record's. */
export function operatorAudit(
  action: OperatorAction,
  operator: string | null,
  what = '',
): { code: string; message: string } {
  const whom = `by ${clip(operator ?? 'operator', 200)}`;
  return { code: `Operator.${action}`, message: what === '' ? whom : `${whom}: ${what}` };
}

/** Goes on at the step that failed, with a fresh budget. */
function again(draft: Draft): null {
  draft.error = null;
  draft.waitDeadlineMillis = null;
  draft.progress.bounds = null;
  draft.replan();
  draft.progress.executionStart = draft.around.now;
  draft.say('yes', null);
  const step = draft.currentStep();
  if (step === undefined) advance(draft);
  else {
    draft.progress.attempt = 1;
    startAttempt(draft, step);
  }
  return null;
}

function force(draft: Draft, state: string | null, audit: { code: string; message: string }): DroverError | null {
  // What is removed stays so: its other regions have ended, and whoever related to it has gone on.
  const gone = isGone(draft.resource.state);
  const resting = [...restingStates(draft.around.type, draft.process.stateField)].filter((one) => !gone || isGone(one));
  if (state === null || !resting.includes(state))
    return new DroverError('InvalidOption', `force needs a state to rest in: ${resting.join(', ')}`, {
      fieldName: 'state',
    });
  draft.record('canceled', audit);
  draft.noticeCancel(audit.message);
  leave(draft, state, 'forced');
  return null;
}
