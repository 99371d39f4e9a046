import type { OperatorAction } from '@drover/contracts';
import { DroverError } from '@drover/kernel';
import type { TypeDefinition } from '../definitions/types.js';
import { attemptId, type Draft, stepKey } from './draft.js';
import { advance, ended, startAttempt } from './steps.js';

export interface OperatorInput {
  kind: 'operate';
  action: OperatorAction;
  /** for `force`: where to */
  state: string | null;
  /** who, for the record */
  operator: string | null;
}

/** Statuses in which no handler works: a step may be repeated or skipped without two working at once. */
const IDLE: ReadonlySet<string> = new Set(['parked', 'backoff', 'delayed', 'waitingHandler', 'ready']);

/** What an operator may do with a live process in this status. */
export function operatorActions(status: string): OperatorAction[] {
  return IDLE.has(status) ? ['retry', 'skip', 'cancel', 'force', 'replay'] : ['cancel', 'force'];
}

/** An operator's act, recorded with who did it. */
export function operate(draft: Draft, input: OperatorInput): DroverError | null {
  if (!operatorActions(draft.status).includes(input.action))
    return new DroverError(
      'ActionNotAvailable',
      `${input.action} is not available while the process is ${draft.status}; available: ${operatorActions(draft.status).join(', ')}`,
    );
  const audit = { code: `Operator.${input.action}`, message: `by ${input.operator ?? 'operator'}` };
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
      });
      return again(draft);
    case 'skip':
      if (draft.progress.step === null) return new DroverError('ActionNotAvailable', 'There is no step to skip');
      draft.record('skipped', audit);
      draft.progress.done.push(draft.progress.step);
      draft.progress.step = null;
      return again(draft);
    case 'cancel':
      return leave(draft, draft.definition!.onCancel ?? draft.process.beganState, 'canceled', audit);
    case 'force':
      return force(draft, input.state, audit);
  }
}

/** Goes on at the step that failed, with a fresh budget. */
function again(draft: Draft): null {
  draft.error = null;
  draft.replan();
  draft.progress.executionStart = draft.around.now;
  draft.say('yes', null);
  const step = draft.currentStep();
  if (step === undefined) {
    draft.progress.step = null;
    advance(draft);
  } else {
    draft.progress.attempt = 1;
    startAttempt(draft, step);
  }
  return null;
}

function force(draft: Draft, state: string | null, audit: { code: string; message: string }): DroverError | null {
  const known = statesOf(draft.around.type, draft.process.stateField);
  if (state === null || !known.all.has(state))
    return new DroverError('InvalidOption', `force needs a state of the type: ${[...known.resting].join(', ')}`, {
      fieldName: 'state',
    });
  if (!known.resting.has(state))
    return new DroverError('InvalidOption', `${state} is a transitioning state, and no process would hold it`, {
      fieldName: 'state',
    });
  return leave(draft, state, 'forced', audit);
}

/** Ends the process and puts the resource into a resting state. */
function leave(
  draft: Draft,
  state: string,
  kind: 'canceled' | 'forced',
  audit: { code: string; message: string },
): DroverError | null {
  if (!statesOf(draft.around.type, draft.process.stateField).resting.has(state))
    return new DroverError(
      'ActionNotAvailable',
      `Cannot rest in ${state}, where the run began; use force with a state`,
    );
  const { step } = draft.progress;
  const working = draft.status === 'dispatched' || draft.status === 'running';
  draft.record('canceled', audit);
  if (working && step !== null)
    draft.effects.push({
      kind: 'cancelNotice',
      handler: step.slice(step.indexOf('.') + 1),
      id: attemptId(draft.process.id, draft.dispatch),
      key: stepKey(draft.process.id, draft.name, draft.progress, step),
      reason: audit.message,
    });
  draft.move(state, kind, 'canceled');
  draft.say('no', null);
  draft.end('CANCELED');
  draft.effects.push(ended(draft, 'CANCELED'));
  return null;
}

/** All states of a region, and those among them in which a resource may rest. */
export function statesOf(type: TypeDefinition, stateField: string): { all: Set<string>; resting: Set<string> } {
  const all = new Set<string>([stateField === 'state' ? 'requested' : (type.stateFields[stateField]?.initial ?? '')]);
  const passing = new Set<string>();
  for (const process of Object.values(type.processes)) {
    if (process.stateField !== stateField) continue;
    for (const state of [...process.startStates, ...Object.values(process.done)]) all.add(state);
    for (const state of Object.keys(process.done)) {
      all.add(state);
      passing.add(state);
    }
  }
  return { all, resting: new Set([...all].filter((state) => !passing.has(state))) };
}
