import type { ProcessRow, RelationRef, ResourceRow } from '@drover/contracts';
import { DroverError, formatId } from '@drover/kernel';
import type { RelatedDocument } from '../definitions/document.js';
import { relatedWork } from '../definitions/relationships.js';
import type { ProcessDefinition, RelatedWork } from '../definitions/types.js';
import { relationOf } from '../fields/index.js';
import { relatedStep } from '../handlers/steps-of.js';
import { isDone, isStart } from '../states/index.js';
import { Draft, splitStep, type Surroundings } from './draft.js';
import { leaveWithoutChildren } from './cancel.js';
import { clip } from './progress.js';
import type { StepError } from './reply.js';
import { beforeTotal } from './attempts.js';
import { READY_LEASE_MILLIS } from './begin.js';
import { stepFailed } from './failures.js';
import { stepDone } from './steps.js';

/** A process that waits for children is woken by their ends; this is for what nobody foresaw. */
export const CHILDREN_WAKE_MILLIS = 10 * 60_000;
/** A related resource that another process holds is looked at again after this long. */
const BUSY_MILLIS = 1_000;
/** Children of one step that are live at one time, at most. */
export const MAX_CHILDREN = 256;
/** Related resources of one step, at most. */
export const MAX_MEMBERS = 5_000;
/** Failures that a message names; the rest is counted. */
const MAX_NAMED = 3;

/** A resource of the relationship, as narrow as the decision needs it. */
export interface RelatedMember {
  id: number;
  /** of the state field that the child process moves */
  state: string;
  /** name of the live process there, or null */
  live: string | null;
}

/** A child process, live or finished; also one that the first child's `onError` or chain started. */
export interface RelatedChild {
  id: number;
  resourceId: number;
  name: string;
  /** of a live one, else null */
  status: string | null;
  /** of a finished one, else null */
  exitReason: string | null;
  errorCode: string | null;
  errorMessage: string | null;
}

/** What the engine read for a step of related work, or for a cancel that waits for children. */
export interface RelatedInput {
  kind: 'related';
  dispatch: number;
  /** of the process when it was read: what changed since may be the end of a child that was not seen */
  version: number;
  /** the child process's definition; null: it is not declared */
  target: ProcessDefinition | null;
  /** of the related type */
  idPrefix: string;
  members: RelatedMember[];
  children: RelatedChild[];
  /** more than {@link MAX_MEMBERS} */
  tooMany: boolean;
  /** what this look has tried already, by resource (starts) or process (cancels); null: it was accepted */
  tried: ReadonlyMap<number, StepError | null>;
}

/** What an engine reads before it can give a {@link RelatedInput}. */
export interface RelatedNeed {
  dispatch: number;
  /** numbers of the dispatches that the children are known by */
  parentDispatches: number[];
  /** null: nothing is related, or only the children matter */
  relation: RelationRef | null;
  /** the child process and its type */
  process: string;
  type: string;
}

/** What is to be read for a process that waits for children; null: it does not. */
export function relatedNeed(process: ProcessRow, resource: ResourceRow, around: Surroundings): RelatedNeed | null {
  const draft = new Draft(process, resource, around);
  const { leaving } = draft.progress;
  if (process.status === 'canceling' && leaving !== null)
    return { dispatch: process.dispatch, parentDispatches: leaving.dispatches, relation: null, process: '', type: '' };
  const work = process.status === 'waitingChildren' ? draft.currentStep()?.related : undefined;
  if (work === undefined) return null;
  const relationship = around.type.relationships[work.forEach]!;
  return {
    dispatch: process.dispatch,
    parentDispatches: [dispatchOf(draft)],
    relation: relationOf(relationship, resource),
    process: work.process,
    type: relationship.type,
  };
}

/** The dispatch that the children of the step under way are known by: a join waits for those that its `with` step began. */
function dispatchOf(draft: Draft): number {
  const [phase, name] = splitStep(draft.progress.step ?? '');
  return (phase === 'join' ? draft.progress.joins[name] : undefined) ?? draft.dispatch;
}

/** Begins a step of related work: the engine looks at once, and soon again should it die. */
export function beginRelated(draft: Draft, work: RelatedWork): void {
  draft.status = 'waitingChildren';
  draft.progress.family = true;
  draft.deadlineMillis = null;
  draft.wakeMillis = beforeTotal(READY_LEASE_MILLIS, draft.process.totalDeadlineInMillis);
  draft.say('yes', `waiting for ${work.process} of ${work.forEach}`);
  draft.effects.push({ kind: 'related' });
}

/** What follows from the present state of the related resources and the children. */
export function relatedRead(draft: Draft, input: RelatedInput): string | null {
  if (input.dispatch !== draft.dispatch) return 'the attempt is over';
  if (draft.process.version !== input.version) return lookAgain(draft);
  if (draft.status === 'canceling' && draft.progress.leaving !== null) return leaving(draft, input);
  const work = draft.status === 'waitingChildren' ? draft.currentStep()?.related : undefined;
  if (work === undefined) return 'no children are waited for';
  if (input.target === null) {
    fail(draft, `${work.process} is not declared; declare it, then retry`);
    return null;
  }
  if (input.tooMany) {
    fail(draft, `${work.forEach} holds more than ${MAX_MEMBERS} resources`);
    return null;
  }
  judge(draft, work, input, input.target);
  return null;
}

/** Nothing is known yet: the engine reads, and comes back with it. */
export function lookAgain(draft: Draft): null {
  draft.effects.push({ kind: 'related' });
  draft.unchanged = true;
  return null;
}

interface Findings {
  live: RelatedChild[];
  startable: number[];
  busy: string[];
  failures: string[];
}

function judge(draft: Draft, work: RelatedWork, input: RelatedInput, target: ProcessDefinition): void {
  const [phase] = splitStep(draft.progress.step!);
  const found = look(work, input, target);
  const { live, startable, busy } = found;
  const failures = work.onFailure === 'ignore' ? [] : found.failures;
  const room = work.order === 'sequence' ? (live.length > 0 || busy.length > 0 ? 0 : 1) : MAX_CHILDREN - live.length;
  const start = failures.length > 0 ? [] : startable.slice(0, Math.max(0, room));
  if (start.length > 0) {
    draft.effects.push({
      kind: 'startChildren',
      process: work.process,
      resourceIds: start,
      dispatch: dispatchOf(draft),
      onParentEnd: work.onParentEnd,
    });
    draft.unchanged = true;
    return;
  }
  if (phase === 'with') {
    // What could be started is: the handlers begin, and the join waits for all of it.
    draft.progress.joins = { ...draft.progress.joins, [splitStep(draft.progress.step!)[1]]: draft.dispatch };
    finishStep(draft);
    return;
  }
  if (live.length > 0 || (busy.length > 0 && failures.length === 0)) {
    const parked = live.find(({ status }) => status === 'parked');
    const id = (child: RelatedChild): string => formatId(input.idPrefix, child.resourceId);
    const message =
      parked !== undefined
        ? `waiting for ${work.process} of ${work.forEach}: ${parked.name} of ${id(parked)} is parked (${parked.errorMessage ?? 'an operator must act'})`
        : live.length === 0
          ? `waiting for ${work.process} of ${work.forEach}: ${busy[0]!}`
          : `waiting for ${work.process} of ${work.forEach}`;
    wait(draft, message, busy.length > 0 ? BUSY_MILLIS : CHILDREN_WAKE_MILLIS);
    return;
  }
  if (failures.length > 0) {
    const more = failures.length > MAX_NAMED ? `; and ${failures.length - MAX_NAMED} more` : '';
    fail(
      draft,
      `${work.process} failed for ${failures.length} of ${work.forEach}: ${failures.slice(0, MAX_NAMED).join('; ')}${more}`,
    );
    return;
  }
  finishStep(draft);
}

/** Sorts the related resources: what is under way, what can start, what must wait, what failed. The rest is done. */
function look(work: RelatedWork, input: RelatedInput, target: ProcessDefinition): Findings {
  const found: Findings = { live: [], startable: [], busy: [], failures: [] };
  const byResource = new Map<number, RelatedChild[]>();
  for (const child of [...input.children].sort((a, b) => a.id - b.id))
    byResource.set(child.resourceId, [...(byResource.get(child.resourceId) ?? []), child]);
  const members = new Map(input.members.map((member) => [member.id, member]));
  const id = (resourceId: number): string => formatId(input.idPrefix, resourceId);
  for (const [resourceId, children] of byResource) {
    const last = children.at(-1)!;
    const member = members.get(resourceId);
    const failed = children.find(({ exitReason }) => exitReason === 'FAILED');
    if (last.exitReason === null) found.live.push(last);
    else if (failed !== undefined) found.failures.push(`${id(resourceId)}: ${failed.errorMessage ?? 'failed'}`);
    else if (last.exitReason === 'CANCELED' && !(member !== undefined && isDone(target, member.state)))
      found.failures.push(`${id(resourceId)}: ${last.name} was canceled`);
  }
  for (const member of [...input.members].sort((a, b) => a.id - b.id)) {
    if (byResource.has(member.id) || (work.states !== null && !work.states.includes(member.state))) continue;
    // A state may be start and done at once (update): then there is something to start.
    if (isStart(target, member.state) && member.live !== target.name) {
      const refusal = input.tried.get(member.id);
      if (refusal === undefined) found.startable.push(member.id);
      else if (refusal === null || refusal.retryable)
        found.busy.push(`${id(member.id)} is busy${refusal === null ? '' : ` (${refusal.message})`}`);
      else found.failures.push(`${id(member.id)}: ${refusal.message}`);
    } else if (isDone(target, member.state)) continue;
    else if (member.live !== null) found.busy.push(`${id(member.id)} is ${member.state}, held by ${member.live}`);
    else
      found.failures.push(
        `${id(member.id)} is ${member.state}; ${target.name} starts from ${target.startStates.join(', ')}`,
      );
  }
  return found;
}

function finishStep(draft: Draft): void {
  forgetJoin(draft, 'join');
  stepDone(draft, { kind: 'done', data: {}, chainProcess: null, delegate: false, endPhase: false });
}

function fail(draft: Draft, message: string): void {
  // A retry of the join begins anew, with children of its own.
  forgetJoin(draft, 'join');
  stepFailed(draft, { code: 'ChildFailed', message: clip(message), retryable: false }, 'UNKNOWN_EXCEPTION');
}

function forgetJoin(draft: Draft, phase: string): void {
  const [present, name] = splitStep(draft.progress.step!);
  if (present !== phase) return;
  const { [name]: _joined, ...rest } = draft.progress.joins;
  draft.progress.joins = rest;
}

/**
 * Related work that an in-process handler's result asked for: steps behind its own.
 * @throws DroverError HandlerDataRefused: no such relationship, or asked for already
 */
export function addBehind(draft: Draft, documents: readonly RelatedDocument[]): void {
  const { relationships } = draft.around.type;
  const { progress } = draft;
  const keys: string[] = [];
  for (const document of documents) {
    const work = relatedWork(document, relationships);
    const refuse = (why: string): DroverError =>
      new DroverError('HandlerDataRefused', `related asks for ${work.process} of "${work.forEach}": ${why}`);
    if (!Object.hasOwn(relationships, work.forEach))
      throw refuse(
        `${draft.around.type.name} has the relationships ${Object.keys(relationships).join(', ') || 'none'}`,
      );
    const { key } = relatedStep('behind', work);
    if (progress.plan.includes(key) || keys.includes(key)) throw refuse('that was asked for already');
    progress.behind.push({ after: progress.step!, work });
    keys.push(key);
  }
  const at = progress.plan.indexOf(progress.step!);
  progress.plan.splice(at + 1, 0, ...keys);
}

/** In the database, until a child's end wakes it. */
function wait(draft: Draft, message: string, millis: number): void {
  draft.deadlineMillis = null;
  draft.wakeMillis = beforeTotal(millis, draft.process.totalDeadlineInMillis);
  if (draft.region.message !== clip(message)) draft.say('yes', clip(message));
}

/** The dispatches whose children a cancel of the process cancels first; none: it may leave at once. */
export function childrenToCancel(draft: Draft): number[] {
  const steps = draft.steps();
  const dispatches: number[] = [];
  for (const [name, dispatch] of Object.entries(draft.progress.joins))
    if (steps.find(({ key }) => key === `join.${name}`)?.related?.onCancel === 'cancel') dispatches.push(dispatch);
  // Also a parked step's: one that reached the end of its longest life may have left children at work. One that is held has begun none.
  const work = draft.process.status === 'held' ? undefined : draft.currentStep()?.related;
  if (work?.onCancel === 'cancel') dispatches.push(dispatchOf(draft));
  return [...new Set(dispatches)];
}

/** A cancel whose children go first. */
export function cancelChildrenFirst(draft: Draft, dispatches: number[]): void {
  draft.status = 'canceling';
  draft.progress.leaving = { dispatches };
  draft.deadlineMillis = null;
  draft.waitDeadlineMillis = null;
  draft.wakeMillis = READY_LEASE_MILLIS;
  draft.say('yes', clip(`canceling ${draft.progress.cancel?.reason ?? ''}: its children first`));
  draft.effects.push({ kind: 'related' });
}

function leaving(draft: Draft, input: RelatedInput): null {
  const left = input.children.filter(({ exitReason }) => exitReason === null);
  const tell = left.filter(({ id, status }) => status !== 'canceling' && !input.tried.has(id));
  if (tell.length > 0) {
    draft.effects.push({ kind: 'cancelChildren', processIds: tell.slice(0, MAX_CHILDREN).map(({ id }) => id) });
    draft.unchanged = true;
    return null;
  }
  if (left.length > 0) {
    const refused = left.find(({ id }) => (input.tried.get(id) ?? null) !== null);
    const why = refused === undefined ? '' : `: ${refused.name}: ${input.tried.get(refused.id)!.message}`;
    wait(draft, `canceling: waiting for ${left.length} of its children${why}`, CHILDREN_WAKE_MILLIS);
    return null;
  }
  leaveWithoutChildren(draft);
  return null;
}
