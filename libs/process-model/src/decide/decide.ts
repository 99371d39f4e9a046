import type { CommitTransition, ProcessRow, ResourceRow } from '@drover/contracts';
import { DroverError, type JsonObject } from '@drover/kernel';
import { predecessorAnswered, replied } from './answers.js';
import { neverTaken } from './cancel.js';
import { Draft, type Effect, type Surroundings } from './draft.js';
import { type DeliveryCheck, notStored, stored } from './durable.js';
import { notAdmitted } from './gates.js';
import { operate, type OperatorInput } from './operate.js';
import { type RelatedInput, relatedRead } from './related.js';
import type { HandlerReply } from './reply.js';
import { advance } from './steps.js';
import { heard, sendAgain, unheard, woken } from './wake.js';

/** What happened to a live process. */
export type Input =
  /** nothing is being worked on: go on */
  | { kind: 'advance' }
  /** an answer to one attempt, in-process or over NATS */
  | { kind: 'reply'; dispatch: number; reply: HandlerReply }
  /** `next_wake_at` has come; for a durable attempt, with what the broker says about its event, when it could be asked */
  | { kind: 'wake'; delivery?: DeliveryCheck }
  /** the broker stored the event of a durable attempt */
  | { kind: 'stored'; dispatch: number; sequence: number; stream: number }
  /** the broker did not take the event of a durable attempt */
  | { kind: 'notStored'; dispatch: number; reason: string }
  /** the event of a durable attempt that was given up is out of the stream, and nobody had taken it: no answer will come */
  | { kind: 'withdrawn'; dispatch: number }
  /** the event of this attempt was sent to a handler that had been absent, and the broker did not say that nobody listens */
  | { kind: 'heard'; dispatch: number }
  /** the event of this attempt was not sent: the engine's lease was over */
  | { kind: 'unsent'; dispatch: number }
  /** the broker knows no subscriber for the event of this attempt */
  | { kind: 'noResponders'; dispatch: number }
  /** no place was free at the handler; `failures`: in a row, where its circuit is not closed, else null */
  | { kind: 'notAdmitted'; handler: string; failures: number | null }
  /** the attempt that pre-emption cancelled has answered */
  | { kind: 'predecessorAnswered'; predecessorId: number; data: JsonObject }
  /** what was read for a step of related work */
  | RelatedInput
  | OperatorInput;

export type Decision =
  /** commit this; when it is applied, carry out the effects */
  | { kind: 'commit'; transition: CommitTransition; effects: Effect[] }
  /** nothing changes, and this is to be done */
  | { kind: 'effects'; effects: Effect[] }
  /** nothing changes: a late or repeated input */
  | { kind: 'ignore'; reason: string }
  /** an operator's act that makes no sense now */
  | { kind: 'refuse'; error: DroverError };

/**
 * The decision core: what follows from one input to one live process. A total function of its arguments: no I/O, no clock, no
 * randomness; the rows are not modified.
 */
export function decide(process: ProcessRow, resource: ResourceRow, around: Surroundings, input: Input): Decision {
  const draft = new Draft(process, resource, around);
  if (draft.definition === undefined) return { kind: 'ignore', reason: `process ${process.name} is not defined` };
  const refusal = apply(draft, input);
  if (refusal instanceof DroverError) return { kind: 'refuse', error: refusal };
  if (refusal !== null) return { kind: 'ignore', reason: refusal };
  if (draft.unchanged) return { kind: 'effects', effects: draft.effects };
  const transition = draft.build();
  if (input.kind === 'operate') {
    transition.commandId = input.commandId ?? null;
    transition.commandHash = input.commandHash ?? null;
  }
  return { kind: 'commit', transition, effects: draft.effects };
}

/** Works an input into the draft; a text says why nothing follows from it. */
function apply(draft: Draft, input: Input): string | DroverError | null {
  switch (input.kind) {
    case 'advance':
      if (draft.status !== 'ready') return `status is ${draft.status}`;
      advance(draft);
      return null;
    case 'reply':
      return replied(draft, input.dispatch, input.reply);
    case 'wake':
      return woken(draft, input.delivery ?? null);
    case 'stored':
      return stored(draft, input.dispatch, input.sequence, input.stream);
    case 'notStored':
      return notStored(draft, input.dispatch, input.reason);
    case 'withdrawn':
      return draft.status === 'canceling' ? neverTaken(draft, input.dispatch) : 'the attempt is over';
    case 'heard':
      return heard(draft, input.dispatch);
    case 'unsent':
      if (input.dispatch !== draft.dispatch || draft.status !== 'dispatched') return 'the attempt is over';
      return sendAgain(draft, 'dispatch');
    case 'noResponders':
      if (draft.status === 'canceling') return neverTaken(draft, input.dispatch);
      return unheard(draft, input.dispatch);
    case 'notAdmitted':
      return notAdmitted(draft, input.handler, input.failures);
    case 'predecessorAnswered':
      return predecessorAnswered(draft, input.predecessorId, input.data);
    case 'related':
      return relatedRead(draft, input);
    case 'operate':
      return operate(draft, input);
  }
}
