import { DroverError } from '@drover/kernel';
import { chainIsDone, delegateTarget, doneFor, ownProcess } from '../states/index.js';
import { startAttempt } from './attempts.js';
import { type Draft, splitStep } from './draft.js';
import { chainOf, delegateIsDone, finish } from './endings.js';
import { stepFailed } from './failures.js';
import { addBehind } from './related.js';
import type { HandlerReply } from './reply.js';

/** Goes on with the next step, or ends the process when none is left. */
export function advance(draft: Draft): void {
  const step = draft.nextStep();
  draft.progress.step = null;
  draft.progress.bounds = null;
  draft.waitDeadlineMillis = null;
  if (step === undefined) finish(draft);
  else {
    draft.progress.step = step.key;
    draft.progress.attempt = 1;
    startAttempt(draft, step);
  }
}

/** A terminal reply of the attempt under way. */
export function stepDone(draft: Draft, reply: Extract<HandlerReply, { kind: 'done' }>): void {
  try {
    if (reply.chainProcess !== null) checkChain(draft, reply.chainProcess);
    draft.merge(reply.data);
    if (reply.related !== undefined) addBehind(draft, reply.related);
  } catch (error) {
    if (!(error instanceof DroverError)) throw error;
    stepFailed(draft, { code: error.code, message: error.message, retryable: false }, 'UNKNOWN_EXCEPTION');
    return;
  }
  const { progress } = draft;
  const chain = reply.chainProcess?.toLowerCase() ?? null;
  draft.record('done', unmet(draft, chain, reply.delegate));
  progress.done.push(progress.step!);
  if (reply.endPhase) progress.endedPhases.push(splitStep(progress.step!)[0]);
  if (reply.delegate) progress.delegate = true;
  if (chain !== null) progress.chain = chain;
  progress.attempt = 0;
  draft.error = null;
  draft.say('yes', null);
  advance(draft);
}

/** What a result asked for and does not get, or what it takes from an earlier one: whoever asked must be able to see why. */
function unmet(draft: Draft, chain: string | null, delegate: boolean): { code: string; message: string } | undefined {
  const { definition, name, progress } = draft;
  // The last one wins.
  if (chain !== null && progress.chain !== null && chain !== progress.chain)
    return { code: 'ChainReplaced', message: `${chain} instead of ${progress.chain}, asked for before` };
  if (
    delegate &&
    delegateTarget(draft.around.type, definition!, draft.region.state) === null &&
    !delegateIsDone(draft)
  ) {
    const why =
      definition!.delegate === null ? 'has no delegate' : `cannot go on in ${definition!.delegate.process} here`;
    return { code: 'NoDelegate', message: `${name} ${why}; it ends as without this request` };
  }
  return undefined;
}

function checkChain(draft: Draft, name: string): void {
  if (chainOf(draft, name) !== null) return;
  const { state } = draft.region;
  const next = ownProcess(draft.around.type, name.toLowerCase());
  if (next !== null && chainIsDone(draft.definition!, state, next)) return;
  const why =
    next === null
      ? `is no process of ${draft.around.type.name}`
      : `starts on ${next.stateField} from ${next.startStates.join(', ')}, not from ${state} or ${doneFor(draft.definition!, state)}`;
  throw new DroverError('HandlerDataRefused', `chainProcess "${name}" ${why}`);
}
