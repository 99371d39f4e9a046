import type { ProcessFields, ProcessInsert, ProcessRow, StepRecord } from '@drover/contracts';
import { DroverError, type JsonObject, retryDelayMillis } from '@drover/kernel';
import type { ProcessDefinition } from '../definitions/types.js';
import type { BoundStep } from '../handlers/bindings.js';
import { stepsOf } from '../handlers/steps-of.js';
import {
  chainIsDone,
  chainTarget,
  type Continuation,
  delegateTarget,
  doneFor,
  onErrorTarget,
  ownProcess,
} from '../states/index.js';
import { LOOK_MILLIS } from './durable.js';
import { type Draft, type Effect, splitStep, type Surroundings } from './draft.js';
import { heldAtStart, isHeld } from './gates.js';
import {
  clip,
  MAX_CODE,
  newProgress,
  packProgress,
  type Predecessor,
  predecessorLeftMillis,
  type Progress,
  unpackProgress,
} from './progress.js';
import { arm, keepStepBound, retryPolicyOf } from './policies.js';
import { addBehind, beginRelated } from './related.js';
import type { HandlerReply, StepError } from './reply.js';

/** A process that only needs its next decision is looked at again after this long, should the engine that owes it die. */
export const READY_LEASE_MILLIS = 5_000;

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

/** Begins an attempt of a step: a new id, the same key. */
export function startAttempt(draft: Draft, step: BoundStep): void {
  const definition = draft.definition!;
  draft.progress.stepStart = draft.around.now;
  const { predecessor } = draft.progress;
  if (predecessor !== null && step.handler.kind === 'external') {
    draft.status = 'waitingPredecessor';
    draft.deadlineMillis = predecessorLeftMillis(predecessor, draft.process.readAt);
    draft.wakeMillis = beforeTotal(draft.deadlineMillis, draft.process.totalDeadlineInMillis);
    return;
  }
  if (isHeld(draft, step)) return;
  draft.dispatch++;
  sendAttempt(draft, step, definition);
}

/** Sends the attempt under way, for the first time or, with the same id, once more: the attempt clock starts. */
export function sendAttempt(draft: Draft, step: BoundStep, definition: ProcessDefinition): void {
  if (step.related !== undefined) {
    beginRelated(draft, step.related);
    return;
  }
  if (isDurable(step)) {
    sendDurably(draft, definition);
    return;
  }
  draft.progress.work = null;
  draft.slot = draft.around.slot;
  const { deadlineMillis, bounds } = arm(definition, step.handler, draft.progress.bounds?.stepUntil ?? null);
  draft.progress.bounds = bounds;
  draft.notAfter = bounds?.stepUntil ?? null;
  draft.deadlineMillis = deadlineMillis;
  draft.wakeMillis = beforeTotal(deadlineMillis, draft.process.totalDeadlineInMillis);
  const external = step.handler.kind === 'external';
  draft.status = external ? 'dispatched' : 'running';
  draft.effects.push({ kind: external ? 'dispatch' : 'run' });
}

function isDurable({ handler }: BoundStep): boolean {
  return handler.kind === 'external' && handler.delivery === 'durable';
}

/** Into the work stream, where it waits for its handler: only the waiting clock runs. */
function sendDurably(draft: Draft, definition: ProcessDefinition): void {
  const again = draft.dispatch === draft.process.dispatch && draft.progress.work !== null;
  draft.progress.work = { sequence: 0, stream: 0 };
  // The stored event, if it was stored, names the slot of its first try: its answer comes there.
  draft.slot = again ? (draft.process.slot ?? draft.around.slot) : draft.around.slot;
  draft.status = 'dispatched';
  draft.deadlineMillis = null;
  draft.waitDeadlineMillis ??= definition.waitMillis;
  draft.wakeMillis = beforeTotal(LOOK_MILLIS, draft.process.totalDeadlineInMillis);
  draft.effects.push({ kind: 'dispatch' });
}

/** Clocks of the attempt under way, milliseconds. */
export interface AttemptClocks {
  /** how long it may take: the handler's own time, else the process's */
  timeoutMillis: number;
  /** longest silence, or null */
  heartbeatMillis: number | null;
}

export function attemptClocks(process: ProcessRow, around: Surroundings): AttemptClocks {
  const { step } = unpackProgress(process.progress);
  const handler = stepsOf(around, process.name).find((candidate) => candidate.key === step)?.handler;
  const definition = ownProcess(around.type, process.name);
  return {
    timeoutMillis: handler?.timeoutMillis ?? definition?.timeoutMillis ?? 0,
    heartbeatMillis: handler?.heartbeatMillis ?? definition?.heartbeatMillis ?? null,
  };
}

/** The wake-up for a clock: never later than the end of the process's whole life. */
export function beforeTotal(millis: number, totalInMillis: number | null): number {
  return Math.max(0, Math.min(millis, totalInMillis ?? millis));
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

/** Where a chain asked for by a result goes. */
function chainOf(draft: Draft, name: string): Continuation | null {
  const next = ownProcess(draft.around.type, name.toLowerCase());
  return next === null ? null : chainTarget(draft.definition!, draft.region.state, next);
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

/** No step is left: chain, delegate, or rest in the done state. */
export function finish(draft: Draft): void {
  const definition = draft.definition!;
  const done = doneFor(definition, draft.region.state);
  if (done === null) {
    // The state is not on this process's path (only a hand in the database does that): there is nothing to hold.
    draft.say('no', null);
    draft.end('CANCELED');
    draft.effects.push(ended(draft, 'CANCELED'));
    return;
  }
  if (isHeld(draft, null)) return;
  const chain = draft.progress.chain === null ? null : chainOf(draft, draft.progress.chain);
  if (chain !== null) {
    followUp(draft, chain, { exit: 'CHAIN', beganState: done, predecessor: draft.progress.predecessor });
    return;
  }
  if (draft.progress.chain !== null) {
    // What was asked for is reached without it.
    rest(draft, done, 'ALREADY_DONE');
    return;
  }
  const goesOn = definition.delegate !== null && (definition.delegate.always || draft.progress.delegate);
  const delegate = goesOn ? delegateTarget(draft.around.type, definition, draft.region.state) : null;
  if (delegate !== null) continueIn(draft, delegate);
  else rest(draft, done, goesOn && delegateIsDone(draft) ? 'ALREADY_DONE' : 'DONE');
}

/** Is the delegate's work done where the process ends? Only a delegate that cannot start there is asked for it. */
function delegateIsDone({ definition, around, region }: Draft): boolean {
  const to = ownProcess(around.type, definition!.delegate?.process ?? '');
  return to !== null && chainIsDone(definition!, region.state, to);
}

/** The resource rests in the done state, and the process has ended. */
function rest(draft: Draft, done: string, exit: 'DONE' | 'ALREADY_DONE'): void {
  draft.move(done, 'done', 'done');
  const { cause } = draft.progress;
  if (cause === null) draft.say('no', null);
  else draft.say('error', cause.message);
  draft.end(exit);
  draft.effects.push(ended(draft, exit));
}

/** The same instance goes on in another definition, without resting in done. */
function continueIn(draft: Draft, delegate: Continuation): void {
  draft.closeExecution('DELEGATE');
  draft.name = delegate.process.name;
  draft.move(delegate.transitioning, 'delegate', 'transitioning');
  draft.say('yes', null);
  Object.assign(draft.progress, { done: [], endedPhases: [], step: null, attempt: 0, delegate: false, behind: [] });
  draft.progress.hop++;
  draft.newExecution();
  if (draft.nextStep() === undefined) restReady(draft);
  else advance(draft);
}

/** Nothing to call: the move to done is a revision of its own, so it is the next commit. */
function restReady(draft: Draft): void {
  draft.status = 'ready';
  draft.deadlineMillis = null;
  draft.wakeMillis = READY_LEASE_MILLIS;
  draft.effects.push({ kind: 'advance' });
}

/** Ends this process and starts another on the same region, in one commit. */
function followUp(
  draft: Draft,
  next: Continuation,
  { exit, beganState, predecessor }: { exit: 'CHAIN' | 'FAILED'; beganState: string; predecessor: Predecessor | null },
): void {
  const from = draft.region.state;
  draft.move(next.transitioning, exit === 'CHAIN' ? 'chain' : 'error', 'transitioning');
  draft.say('yes', exit === 'FAILED' ? (draft.error?.message ?? null) : null);
  draft.feedProcess = next.process.name;
  draft.end(exit);
  const begun = beginProcess(next.process, draft.around, {
    resourceId: draft.resource.id,
    data: draft.process.data,
    notify: draft.process.notify,
    token: draft.process.token,
    beganState,
    parentId: draft.process.parentId,
    parentDispatch: draft.process.parentDispatch,
    entry: { from, to: next.transitioning },
    cause: exit === 'FAILED' ? draft.error : null,
    errorPath: exit === 'FAILED' ? [...draft.progress.errorPath, draft.name] : [],
    predecessor,
    readAt: draft.process.readAt,
  });
  if (begun.message !== null) draft.say('yes', begun.message);
  draft.successor = begun.insert;
  draft.effects.push(...begun.effects);
}

export interface BeginOptions {
  /** 0: the commit makes the resource, so no pause of it is set */
  resourceId: number;
  data: JsonObject;
  notify: string | null;
  /** secret of the reply subjects, made by the engine: decisions have no randomness */
  token: string;
  /** null: the region's state before the commit */
  beganState: string | null;
  /** the move that begins it, where it is known */
  entry?: { from: string; to: string };
  cause?: { code: string; message: string } | null;
  errorPath?: string[];
  predecessor?: Predecessor | null;
  /** the operator's act that started it */
  audit?: { code: string; message: string };
  /** the process that started this one on a related resource */
  parentId?: number | null;
  parentDispatch?: number | null;
  /** when the database read the row that the predecessor's deadline comes from */
  readAt?: number;
}

function startedBy(process: string, now: number, error: { code: string; message: string }): StepRecord {
  return {
    execution: 1,
    process,
    phase: 'handle',
    handler: '-',
    attempt: 0,
    start: now,
    stop: now,
    outcome: 'done',
    error,
  };
}

/**
 * A new process with its first step under way, or held before it: what schedule, chain, onError and pre-emption insert. `message`:
 * what the resource says while it is held, or null.
 */
export function beginProcess(
  definition: ProcessDefinition,
  around: Surroundings,
  options: BeginOptions,
): { insert: ProcessInsert; effects: Effect[]; message: string | null } {
  const steps = stepsOf(around, definition.name);
  const { predecessor = null, cause = null, errorPath = [], entry, readAt = 0 } = options;
  const progress: Progress = {
    ...newProgress(),
    plan: steps.map((step) => step.key),
    predecessor,
    cause,
    errorPath,
    transitions: entry === undefined ? [] : [{ ...entry, kind: 'transitioning' }],
  };
  if (options.audit !== undefined) progress.steps = [startedBy(definition.name, around.now, options.audit)];
  const base: ProcessFields & Omit<ProcessInsert, keyof ProcessFields> = {
    name: definition.name,
    status: 'ready',
    waitingHandler: null,
    slot: around.slot,
    dispatch: 0,
    executionCount: 1,
    progress: {},
    predecessorId: predecessor?.processId ?? null,
    parentId: options.parentId ?? null,
    parentDispatch: options.parentDispatch ?? null,
    heldBy: null,
    admitted: null,
    errorCode: null,
    errorMessage: null,
    deadlineMillis: null,
    waitDeadlineMillis: null,
    wakeMillis: READY_LEASE_MILLIS,
    definitionVersion: around.type.version,
    stateField: definition.stateField,
    token: options.token,
    data: options.data,
    notify: options.notify,
    beganState: options.beganState,
    priority: definition.priority,
    totalMillis: definition.totalMillis,
  };
  const first = steps[0];
  if (first !== undefined) {
    progress.step = first.key;
    progress.attempt = 1;
  }
  const waits = predecessor !== null && first?.handler.kind === 'external';
  const held = waits ? null : heldAtStart(definition, around, options.resourceId, first ?? null);
  if (held !== null) {
    const insert = { ...base, ...held.fields, progress: packProgress(progress) };
    return { insert, effects: held.effects, message: held.message };
  }
  if (first === undefined)
    return { insert: { ...base, progress: packProgress(progress) }, effects: [{ kind: 'advance' }], message: null };
  if (waits) {
    const wait = predecessorLeftMillis(predecessor, readAt);
    const wakeMillis = beforeTotal(wait, definition.totalMillis);
    const waiting = { status: 'waitingPredecessor', deadlineMillis: wait, wakeMillis } as const;
    return { insert: { ...base, ...waiting, progress: packProgress(progress) }, effects: [], message: null };
  }
  if (first.related !== undefined) {
    const waiting = { status: 'waitingChildren', slot: null, dispatch: 1 } as const;
    const wakeMillis = beforeTotal(READY_LEASE_MILLIS, definition.totalMillis);
    return {
      insert: { ...base, ...waiting, wakeMillis, progress: packProgress(progress) },
      effects: [{ kind: 'related' }],
      message: null,
    };
  }
  if (isDurable(first)) {
    progress.work = { sequence: 0, stream: 0 };
    const { waitMillis: waitDeadlineMillis, totalMillis } = definition;
    const out = { status: 'dispatched', dispatch: 1, waitDeadlineMillis } as const;
    const wakeMillis = beforeTotal(LOOK_MILLIS, totalMillis);
    return {
      insert: { ...base, ...out, wakeMillis, progress: packProgress(progress) },
      effects: [{ kind: 'dispatch' }],
      message: null,
    };
  }
  const external = first.handler.kind === 'external';
  const { deadlineMillis, bounds } = arm(definition, first.handler, null);
  progress.bounds = bounds;
  return {
    insert: {
      ...base,
      progress: packProgress(progress),
      status: external ? 'dispatched' : 'running',
      dispatch: 1,
      deadlineMillis,
      wakeMillis: beforeTotal(deadlineMillis, definition.totalMillis),
    },
    effects: [{ kind: external ? 'dispatch' : 'run' }],
    message: null,
  };
}

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
  draft.effects.push({
    kind: 'ended',
    processId: draft.process.id,
    notify: draft.process.notify,
    exitReason: 'PARKED',
  });
}

export function ended(draft: Draft, exitReason: 'DONE' | 'ALREADY_DONE' | 'CANCELED'): Effect {
  return { kind: 'ended', processId: draft.process.id, notify: draft.process.notify, exitReason };
}
