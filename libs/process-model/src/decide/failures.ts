import { retryDelayMillis } from '@drover/kernel';
import type { BoundStep } from '../handlers/bindings.js';
import { type Continuation, onErrorTarget } from '../states/index.js';
import { beforeTotal } from './attempts.js';
import type { Draft } from './draft.js';
import { ended, followUp } from './endings.js';
import { keepStepBound, retryPolicyOf } from './policies.js';
import { clip, MAX_CODE, type Predecessor } from './progress.js';
import type { StepError } from './reply.js';

/**
 * An attempt failed or timed out: the next one, onError, or parked.
 * @param underWay an attempt that is given up while its handler may still work on it
 */
export function stepFailed(
  draft: Draft,
  error: StepError,
  exit: 'UNKNOWN_EXCEPTION' | 'TIMEOUT',
  underWay: Predecessor | null = null,
): void {
  const definition = draft.definition!;
  const step = draft.currentStep();
  const policy = retryPolicyOf(definition, step?.handler);
  const { attempt } = draft.progress;
  draft.record(exit === 'TIMEOUT' ? 'timeout' : 'failed', error);
  draft.error = { code: clip(error.code, MAX_CODE), message: clip(error.message) };
  draft.deadlineMillis = null;
  draft.waitDeadlineMillis = null;
  keepStepBound(draft);
  const delay = retryDelayMillis(policy, Math.max(1, attempt), `${draft.process.id}/${draft.progress.step}`);
  const inTime = draft.notAfter === null || draft.process.readAt + delay < draft.notAfter;
  if (error.retryable && !policy.nonRetryable.includes(error.code) && attempt < policy.maxAttempts && inTime) {
    draft.closeExecution(exit);
    draft.newExecution();
    draft.status = 'backoff';
    draft.wakeMillis = beforeTotal(delay, draft.process.totalDeadlineInMillis);
    draft.say('yes', clip(`${error.message} (attempt ${attempt} of ${policy.maxAttempts})`));
    return;
  }
  draft.notAfter = null;
  const { beganState } = draft.process;
  const next = onErrorOf(draft, step);
  if (next === null) park(draft, exit);
  else followUp(draft, next, { exit: 'FAILED', beganState, predecessor: underWay ?? draft.progress.predecessor });
}

/**
 * The handler's own onError where it fits this type and state (a handler bound by a glob serves many types), else the definition's.
 * Processes whose failure led here are not started again: two that name each other would go on for ever.
 */
function onErrorOf(draft: Draft, step: BoundStep | undefined): Continuation | null {
  const { type } = draft.around;
  for (const name of [step?.onError?.toLowerCase() ?? null, draft.definition!.onError]) {
    const next = onErrorTarget(type, draft.definition!, draft.region.state, draft.process.beganState, name);
    if (next !== null && !draft.progress.errorPath.includes(next.process.name)) return next;
  }
  return null;
}

/** The budget is spent: live still, but only an operator or a pre-emption moves it. */
export function park(draft: Draft, exit: 'UNKNOWN_EXCEPTION' | 'TIMEOUT' | 'CANCELED'): void {
  draft.closeExecution(exit);
  draft.newExecution();
  draft.status = 'parked';
  draft.wakeMillis = null;
  draft.feedKind = 'error';
  draft.say('error', draft.error!.message);
  draft.effects.push(ended(draft, 'PARKED'));
}
