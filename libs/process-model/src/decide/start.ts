import type {
  CommitTransition,
  ProcessRow,
  RelationRef,
  ResourceChange,
  ResourceInsert,
  ResourceRow,
} from '@drover/contracts';
import { DroverError, type JsonObject } from '@drover/kernel';
import type { ProcessDefinition, RelatedWork, TypeDefinition } from '../definitions/types.js';
import { isGone, restingStates, transitioningFor } from '../states/index.js';
import { Draft, type Effect, guards, regionOf, relate, type Surroundings } from './draft.js';
import { ended } from './endings.js';
import { beginProcess } from './begin.js';

/** A request to start a process. */
export interface StartRequest {
  data: JsonObject;
  notify: string | null;
  token: string;
  commandId: string | null;
  commandHash: string | null;
  /** also write these fields in the same transaction (an update); guarded by `expectRevision` */
  write?: Pick<ResourceChange, 'data' | 'name' | 'description' | 'refs'>;
  expectRevision?: number;
  /** the process that starts this one on a related resource, and the number of its dispatch */
  parent?: { id: number; dispatch: number; onParentEnd: RelatedWork['onParentEnd'] };
  /** relations that must be empty */
  unless?: RelationRef[];
  /** the operator's act that it is, for the record */
  audit?: { code: string; message: string };
}

export interface StartDecision {
  transition: CommitTransition;
  effects: Effect[];
}

/**
 * Schedules a process without reading the resource first: the guard is in the statement, which picks the transitioning state by
 * the present one. A resource held by another process answers a conflict; then {@link planStartOn} decides with both rows.
 */
export function planStart(
  definition: ProcessDefinition,
  resourceId: number,
  around: Surroundings,
  request: StartRequest,
  accountId?: number | null,
): StartDecision {
  const { insert, effects, message } = beginProcess(definition, around, {
    resourceId,
    ...(accountId === undefined ? {} : { accountId }),
    data: request.data,
    notify: request.notify,
    token: request.token,
    beganState: null,
    parentId: request.parent?.id ?? null,
    parentDispatch: request.parent?.dispatch ?? null,
    ...(request.audit === undefined ? {} : { audit: request.audit }),
  });
  const transition: CommitTransition = {
    ...guards(around.registryRevision),
    commandId: request.commandId,
    commandHash: request.commandHash,
    resourceId,
    stateField: definition.stateField,
    expectType: around.type.name,
    expectRevision: request.expectRevision ?? null,
    expectStates: freeStartStates(around.type, definition),
    change: entering(definition, definition.transitioning, message, request.write),
    start: insert,
    returnResource: true,
  };
  guardStart(transition, around, request);
  return { transition, effects };
}

/** What a start is bound to beside its resource. */
function guardStart(transition: CommitTransition, around: Surroundings, request: StartRequest): void {
  const { parent, unless, write } = request;
  if (unless !== undefined && unless.length > 0) transition.unless = unless;
  relate(transition, around, write?.refs);
  if (parent !== undefined) transition.asChild = { parentEnd: parent.onParentEnd === 'leave' ? 'leave' : null };
}

const freeStarts = new WeakMap<ProcessDefinition, string[]>();

/** The start states in which no process works; kept, since every start needs them and a definition never changes. */
function freeStartStates(type: TypeDefinition, definition: ProcessDefinition): string[] {
  let states = freeStarts.get(definition);
  if (states === undefined) {
    const resting = restingStates(type, definition.stateField);
    states = definition.startStates.filter((state) => resting.has(state));
    freeStarts.set(definition, states);
  }
  return states;
}

/** Inserts a resource and starts its create process, as one transition; without such a process, the resource alone. */
export function planCreate(
  definition: ProcessDefinition | undefined,
  insert: ResourceInsert,
  around: Surroundings,
  request: StartRequest,
): StartDecision {
  const base: CommitTransition = {
    ...guards(around.registryRevision),
    commandId: request.commandId,
    commandHash: request.commandHash,
    insert,
    returnResource: true,
  };
  relate(base, around, insert.refs);
  const toState = definition?.stateField === 'state' ? transitioningFor(definition, 'requested') : null;
  if (definition === undefined || toState === null) return { transition: base, effects: [] };
  const planned = planStart(definition, 0, around, request, insert.accountId);
  return {
    transition: {
      ...base,
      change: entering(definition, toState, planned.transition.change!.message, undefined),
      start: { ...planned.transition.start!, beganState: 'requested' },
    },
    effects: planned.effects,
  };
}

/** Writes fields and starts nothing: the update of a type without an update process. */
export function planWrite(resource: ResourceRow, around: Surroundings, request: StartRequest): StartDecision {
  const { state: _state, ...region } = regionOf(resource, 'state');
  const transition: CommitTransition = {
    ...guards(around.registryRevision),
    commandId: request.commandId,
    commandHash: request.commandHash,
    resourceId: resource.id,
    expectType: around.type.name,
    expectRevision: resource.revision,
    change: { toState: null, feedKind: 'changed', process: null, ...region, data: null, ...request.write },
    returnResource: true,
  };
  relate(transition, around, request.write?.refs);
  return { transition, effects: [] };
}

function entering(
  definition: ProcessDefinition,
  toState: ResourceChange['toState'],
  message: string | null,
  write: StartRequest['write'],
): ResourceChange {
  return {
    toState,
    feedKind: 'transitioning',
    process: definition.name,
    transitioning: 'yes',
    message,
    progress: null,
    data: write?.data ?? null,
    ...(write?.refs === undefined ? {} : { refs: write.refs }),
    ...(write?.name === undefined ? {} : { name: write.name }),
    ...(write?.description === undefined ? {} : { description: write.description }),
  };
}

/**
 * Decides a start with the present rows at hand, after a conflict: pre-emption of the live process where the definition allows it, the
 * plain start where the region is free by now, or the refusal, which names the present state and the legal actions.
 */
export function planStartOn(
  definition: ProcessDefinition,
  resource: ResourceRow,
  live: ProcessRow | null,
  legal: string[],
  around: Surroundings,
  request: StartRequest,
): StartDecision | DroverError {
  const { state } = regionOf(resource, definition.stateField);
  const entry = transitioningFor(definition, state);
  if (definition.stateField !== 'state' && isGone(resource.state))
    return notAvailable(definition, resource.state, legal);
  if (entry === null || live?.name === definition.name) return notAvailable(definition, state, legal);
  if (live === null) {
    const planned = planStart(definition, resource.id, around, request, resource.accountId);
    return { ...planned, transition: { ...planned.transition, expectRevision: resource.revision } };
  }
  return preempt(definition, resource, live, entry, around, request);
}

export function notAvailable(definition: ProcessDefinition, state: string, legal: string[]): DroverError {
  return new DroverError(
    'ActionNotAvailable',
    `${definition.name} cannot start in state ${state}; it starts from ${definition.startStates.join(', ')}. Available now: ${legal.length === 0 ? 'nothing' : legal.join(', ')}`,
    { detail: { state, actions: legal, startStates: definition.startStates } },
  );
}

/** The running process is cancelled and the new one holds the state, in one transaction. */
function preempt(
  definition: ProcessDefinition,
  resource: ResourceRow,
  live: ProcessRow,
  entry: string,
  around: Surroundings,
  request: StartRequest,
): StartDecision {
  const draft = new Draft(live, resource, around);
  const from = draft.region.state;
  draft.endsEarly = true;
  const outstanding = draft.attemptUnderWay() ?? draft.progress.predecessor;
  if (draft.progress.step !== null) draft.record('canceled', { code: 'Preempted', message: `by ${definition.name}` });
  draft.move(entry, 'canceled', 'transitioning');
  draft.say('yes', null);
  draft.feedProcess = definition.name;
  draft.end('CANCELED');
  draft.effects.push(ended(draft, 'CANCELED'));
  draft.noticeCancel(`pre-empted by ${definition.name}`);
  const begun = beginProcess(definition, around, {
    resourceId: resource.id,
    accountId: resource.accountId,
    data: request.data,
    notify: request.notify,
    token: request.token,
    beganState: live.beganState,
    parentId: request.parent?.id ?? null,
    parentDispatch: request.parent?.dispatch ?? null,
    entry: { from, to: entry },
    predecessor: definition.preempt === 'wait' ? outstanding : null,
    readAt: live.readAt,
  });
  if (begun.message !== null) draft.say('yes', begun.message);
  draft.successor = begun.insert;
  const transition: CommitTransition = {
    ...draft.build(),
    commandId: request.commandId,
    commandHash: request.commandHash,
    returnResource: true,
  };
  guardStart(transition, around, request);
  if (request.write !== undefined && transition.change !== null) Object.assign(transition.change, request.write);
  return { transition, effects: [...draft.effects, ...begun.effects] };
}
