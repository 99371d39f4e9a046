import type {
  CommitOutcome,
  CommitTransition,
  ProcessFields,
  ProcessRow,
  ResourceRow,
  SweptProcess,
  WorkRow,
} from '@drover/contracts';
import { canonicalJson, DroverError } from '@drover/kernel';
import type { Input } from './decide.js';
import { attemptId, type Effect, splitStep, stepKey } from './draft.js';
import { awaited, unpackProgress } from './progress.js';
import { processAfter, resourceAfter } from './rows-after.js';

/** A transition's outcome. `repeated`: an earlier try went unanswered, so a conflict may be our own success. */
export interface Committed {
  outcome: CommitOutcome;
  repeated: boolean;
}

/** What an engine does after the commit of a step of a live process. */
export type AfterStep =
  /** it is committed: carry out the effects. `process`: the live one now, null when none is left */
  | {
      kind: 'carryOut';
      process: ProcessRow | null;
      resource: ResourceRow;
      /** until its wake-up, as committed; null: not known here */
      wakeMillis: ProcessFields['wakeMillis'];
      /** beside those of the decision: what ended with the resource is told */
      effects: Effect[];
    }
  /** another writer was first: decide again with these rows */
  | {
      kind: 'again';
      process: ProcessRow;
      resource: ResourceRow;
      /** what was to follow is refused while related resources are there: decide with why ({@link Surroundings.refusals}) */
      related: boolean;
    }
  /** another writer was first, and it was but a wake-up: that writer has set the next one. Not where it is held: it is looked at again */
  | { kind: 'overtaken' }
  /** load the registry anew, and decide again with the same rows */
  | { kind: 'staleRegistry' }
  /** the process ended meanwhile */
  | { kind: 'gone' }
  /** the same command was carried out by another try of it. `ours`: by this one, so that its effects may be still to be carried out */
  | { kind: 'settled'; ours: boolean }
  | { kind: 'fail'; error: DroverError };

/**
 * What follows from the answer to a step's commit. A conflict after an unanswered try may be our own success: the rows tell.
 * @param before the rows that the transition was decided on
 * @param input  what it was decided on: what the broker said about a durable event is true of that attempt only
 */
export function afterStep(
  transition: CommitTransition,
  before: WorkRow,
  { outcome, repeated }: Committed,
  input: Input,
): AfterStep {
  switch (outcome.outcome) {
    case 'applied':
      return {
        kind: 'carryOut',
        process: processAfter(before.process, transition, outcome),
        resource: resourceAfter(before.resource, transition, outcome),
        wakeMillis: (transition.start ?? transition.update)?.wakeMillis ?? null,
        effects: (outcome.swept ?? []).flatMap(sweptEffects),
      };
    case 'conflict': {
      const { process, resource } = outcome;
      if (repeated && wasOurs(transition, before.process, process))
        return { kind: 'carryOut', process, resource: resource ?? before.resource, wakeMillis: null, effects: [] };
      if (resource === null || process?.id !== before.process.id) return { kind: 'gone' };
      // Of what is held no attempt is out, and whoever held it on need not have looked whether it still has to be.
      const goesOn = process.version !== before.process.version && process.status !== 'held';
      if (input.kind === 'wake' && goesOn) return { kind: 'overtaken' };
      return { kind: 'again', process, resource, related: outcome.related === true };
    }
    case 'staleRegistry':
      return { kind: 'staleRegistry' };
    case 'repeat':
      return { kind: 'settled', ours: repeated };
    default: {
      const message = `the store answered ${outcome.outcome} to a step of process ${before.process.id}`;
      return { kind: 'fail', error: new DroverError('Internal', message) };
    }
  }
}

/** A process that its resource's removal ended: its handler is told, its event is taken back, and whoever waits for it hears. */
function sweptEffects({ id, name, status, dispatch, notify, progress: document }: SweptProcess): Effect[] {
  const progress = unpackProgress(document);
  const { step, work } = progress;
  const effects: Effect[] = [{ kind: 'ended', processId: id, notify, exitReason: 'CANCELED' }];
  if (step === null) return effects;
  const [, handler] = splitStep(step);
  if (status === 'dispatched' || status === 'running' || work !== null) {
    const key = stepKey(id, name, progress, step);
    const reason = 'the resource was removed';
    effects.push({ kind: 'cancelNotice', handler, id: attemptId(id, dispatch), key, reason });
  }
  if (work !== null && work.sequence > 0)
    effects.push({ kind: 'withdraw', handler, processId: id, dispatch, ...work, answered: false });
  return effects;
}

/** Does the present row show that a transition whose answer was lost had been applied? */
function wasOurs(transition: CommitTransition, before: ProcessRow, present: ProcessRow | null): boolean {
  if (transition.start !== null)
    return present !== null && present.id !== before.id && present.token === transition.start.token;
  if (transition.update === null) return present === null || present.id !== before.id;
  return (
    present !== null &&
    present.id === before.id &&
    present.version === before.version + 1 &&
    present.dispatch === transition.update.dispatch &&
    present.status === transition.update.status &&
    canonicalJson(present.progress) === canonicalJson(transition.update.progress)
  );
}

/** What an engine does after the commit of a client's command: a create, a start or a write of fields. */
export type AfterStart =
  | { kind: 'started'; applied: Extract<CommitOutcome, { outcome: 'applied' }> }
  /** it had been applied before. `ours`: by this try, so that its effects may be still to be carried out */
  | { kind: 'repeated'; repeat: Extract<CommitOutcome, { outcome: 'repeat' }>; ours: boolean }
  /** plan with the present rows */
  | { kind: 'planOn'; process: ProcessRow | null; resource: ResourceRow }
  /** load the registry anew, and plan from the beginning */
  | { kind: 'staleRegistry' }
  | { kind: 'refuse'; error: DroverError };

/** What follows from the answer to a command's commit. */
export function afterStart(transition: CommitTransition, { outcome, repeated }: Committed): AfterStart {
  switch (outcome.outcome) {
    case 'applied':
      return { kind: 'started', applied: outcome };
    case 'repeat':
      return { kind: 'repeated', repeat: outcome, ours: repeated };
    case 'conflict': {
      const { process, resource } = outcome;
      const foreign = transition.expectType !== null && resource?.type !== transition.expectType;
      if (resource === null || foreign || transition.insert !== null)
        return { kind: 'refuse', error: new DroverError('NotFound', 'There is no such resource') };
      return { kind: 'planOn', process, resource };
    }
    case 'staleRegistry':
      return { kind: 'staleRegistry' };
    case 'parentEnded': {
      const message = 'The parent process has ended, or waits for no children any more';
      return { kind: 'refuse', error: new DroverError('ActionNotAvailable', message) };
    }
    case 'commandReused':
      return {
        kind: 'refuse',
        error: new DroverError('IdempotencyKeyReused', 'This key was used for another request'),
      };
    case 'notUnique': {
      const { field: fieldName } = outcome;
      const error = new DroverError('NotUnique', `Another resource has this ${fieldName}`, { fieldName });
      return { kind: 'refuse', error };
    }
    case 'refused':
      return {
        kind: 'refuse',
        error: new DroverError('InvalidBodyContent', 'The database refuses a value of this request'),
      };
  }
}

/** A start whose commit went unanswered may have happened without its effects: what is to be done again. */
export function resumeEffects({ status }: ProcessRow): Effect[] {
  if (status === 'dispatched') return [{ kind: 'dispatch' }];
  if (status === 'running') return [{ kind: 'run' }];
  if (status === 'waitingChildren') return [{ kind: 'related' }];
  return status === 'ready' ? [{ kind: 'advance' }] : [];
}

/** Numbers of the processes whose cancelled attempts this one waits for. */
export function awaitedProcesses({ predecessorId, progress }: ProcessRow): number[] {
  return predecessorId === null ? [] : awaited(unpackProgress(progress).predecessor).map(({ processId }) => processId);
}

/**
 * An answer of a process that pre-emption ended, as the input of the process that waits for it; null: it is none of its business.
 * @param processId whose answer it is
 * @param token     names that process's secret where the answer came from outside, else null
 */
export function passOn(successor: ProcessRow, processId: number, input: Input, token: string | null): Input | null {
  if (input.kind !== 'reply' && input.kind !== 'withdrawn') return null;
  if (input.kind === 'reply' && (input.reply.kind === 'progress' || input.reply.kind === 'rejected')) return null;
  const predecessor = awaited(unpackProgress(successor.progress).predecessor).find(
    (one) => one.processId === processId,
  );
  if (predecessor?.dispatch !== input.dispatch || (token !== null && predecessor.token !== token)) return null;
  const data = input.kind === 'withdrawn' || !('data' in input.reply) ? {} : input.reply.data;
  return { kind: 'predecessorAnswered', predecessorId: processId, data };
}
