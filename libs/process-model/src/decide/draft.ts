import type {
  CommitTransition,
  FeedKind,
  ProcessFields,
  ProcessInsert,
  ProcessRow,
  RegionRow,
  RelationRef,
  ResourceRow,
  StepRecord,
  TransitionRecord,
} from '@drover/contracts';
import { formatId, jsonEquals, type JsonObject, PROCESS_INSTANCE_PREFIX } from '@drover/kernel';
import type { ProcessDefinition, RelatedWork, TypeDefinition } from '../definitions/types.js';
import { hindrances, refsAfter, validateHandlerData, type WatchedReferences } from '../fields/index.js';
import type { BoundStep, HandlerTable } from '../handlers/bindings.js';
import { relatedStep, stepsOf } from '../handlers/steps-of.js';
import { isGone, ownProcess } from '../states/index.js';
import type { ExitReason } from './exit-reasons.js';
import { isScope, type Limits } from './limits.js';
import type { Pauses } from './pauses.js';
import { timeoutOf } from './policies.js';
import { clip, MAX_RECORD_MESSAGE, packProgress, type Predecessor, type Progress, unpackProgress } from './progress.js';

/** What a decision may look at besides the rows and the input. No clock but `now`, which only goes into records. */
export interface Surroundings {
  /** the version of the type that the process is bound to */
  type: TypeDefinition;
  handlers: HandlerTable;
  pauses: Pauses;
  limits: Limits;
  registryRevision: number;
  /** reply slot of the engine that decides */
  slot: number;
  /** the database's clock as the engine knows it, epoch milliseconds */
  now: number;
  /** references that some type's `refuseWhile` looks at; absent: none */
  watched?: WatchedReferences;
  /** processes of the type that their `refuseWhile` kept from following in a commit that was tried, with why; absent: none was tried */
  refusals?: ReadonlyMap<string, string>;
}

/** What the engine does once the commit is applied. */
export type Effect =
  /** send the process event of the attempt under way */
  | { kind: 'dispatch' }
  /** run the in-process handler of the step under way */
  | { kind: 'run' }
  /** decide again: nothing is being worked on */
  | { kind: 'advance' }
  /** read the related resources and the children of the step under way, and decide with them */
  | { kind: 'related' }
  /** start this process on each of these related resources, as children of the dispatch; then look again */
  | {
      kind: 'startChildren';
      process: string;
      resourceIds: number[];
      dispatch: number;
      onParentEnd: RelatedWork['onParentEnd'];
    }
  /** cancel these children; then look again */
  | { kind: 'cancelChildren'; processIds: number[] }
  /** a handler is back, or gone for good: whoever waits for it is decided again */
  | { kind: 'release'; handler: string }
  /** take the event of an attempt that is over out of the work stream. `answered`: its handler is about to acknowledge it */
  | {
      kind: 'withdraw';
      handler: string;
      processId: number;
      dispatch: number;
      sequence: number;
      stream: number;
      answered: boolean;
    }
  /** a handler with limits has something to admit: `waits`: this process, else one that takes the place it gave up */
  | { kind: 'admit'; handler: string; waits: boolean }
  /** tell a handler's circuit breaker what became of an attempt */
  | { kind: 'outcome'; handler: string; failed: boolean }
  /** tell a handler that its attempt was cancelled */
  | { kind: 'cancelNotice'; handler: string; id: string; key: string; reason: string }
  /** the process ended, or is parked */
  | { kind: 'ended'; processId: number; notify: string | null; exitReason: ExitReason | 'PARKED' };

/** The region of a resource that a process moves. */
export function regionOf(resource: ResourceRow, stateField: string): RegionRow {
  if (stateField === 'state') {
    const { state, transitioning, message, progress } = resource;
    return { state, transitioning, message, progress };
  }
  return resource.regions[stateField] ?? { state: '', transitioning: 'no', message: null, progress: null };
}

/** Statuses in which an attempt is under way, so that it takes a place at its handler; `held`: it was admitted and has not begun. */
const PLACED: ReadonlySet<string> = new Set(['held', 'dispatched', 'running', 'waitingHandler', 'canceling']);

/** The event id of an attempt. */
export function attemptId(processId: number, dispatch: number): string {
  return `${formatId(PROCESS_INSTANCE_PREFIX, processId)}.${dispatch}`;
}

/** The idempotency key of a step: the same for all its attempts, another after a delegate. */
export function stepKey(processId: number, processName: string, progress: Progress, step: string): string {
  const hop = progress.hop === 0 ? '' : `${processName.slice(processName.indexOf('.') + 1)}.`;
  return `${formatId(PROCESS_INSTANCE_PREFIX, processId)}.${hop}${step}`;
}

/** A decision while it is being made: copies of the rows' parts that may change. Built into one commit transition at the end. */
export class Draft {
  readonly progress: Progress;
  readonly region: RegionRow;
  name: string;
  status: ProcessFields['status'];
  waitingHandler: string | null = null;
  heldBy: string | null = null;
  admitted: string | null;
  slot: number | null;
  dispatch: number;
  executionCount: number;
  error: { code: string; message: string } | null;
  deadlineMillis: ProcessFields['deadlineMillis'] = null;
  waitDeadlineMillis: ProcessFields['waitDeadlineMillis'];
  wakeMillis: ProcessFields['wakeMillis'] = null;
  notAfter: number | null = null;
  /** the clock whose end the decision is made of: the commit asks the database whether it has run out */
  expectPassed: CommitTransition['expectPassed'] = null;
  readonly effects: Effect[] = [];
  /** the durable event that was out when the decision began */
  private readonly out: Progress['work'];
  /** the handler has answered the attempt under way */
  answered = false;
  /** changed top-level keys of the resource's data, with their whole values */
  data: JsonObject | null = null;
  resourceName: string | null | undefined;
  description: string | null | undefined;
  feedKind: FeedKind | null = null;
  ended: ExitReason | null = null;
  /** relations that must be empty for this to be committed */
  unless: RelationRef[] | null = null;
  /** it ends by force, by a failure or by pre-emption: its children may still be at work */
  endsEarly = false;
  successor: ProcessInsert | null = null;
  /** nothing is to be committed: only the effects follow */
  unchanged = false;
  /** process the feed names when it is not this one */
  feedProcess: string | null = null;

  constructor(
    readonly process: ProcessRow,
    readonly resource: ResourceRow,
    readonly around: Surroundings,
  ) {
    this.progress = unpackProgress(process.progress);
    this.out = this.progress.work;
    this.takePlace();
    this.region = { ...regionOf(resource, process.stateField) };
    this.name = process.name;
    this.status = process.status;
    this.admitted = process.admitted;
    this.slot = process.slot;
    this.dispatch = process.dispatch;
    this.executionCount = process.executionCount;
    this.waitDeadlineMillis = process.waitDeadlineInMillis === null ? null : 'keep';
    this.error = process.errorCode === null ? null : { code: process.errorCode, message: process.errorMessage ?? '' };
  }

  /** Its parent has ended early, and it is to cancel itself. */
  get orphaned(): boolean {
    return this.process.parentEnd === 'ended' && !this.progress.parentEnded;
  }

  /** A limit of concurrency has admitted it: it has that place from now on, whatever is decided. */
  private takePlace(): void {
    const { admitted } = this.process;
    const { places } = this.progress;
    if (admitted !== null && isScope(admitted) && !places.includes(admitted)) places.push(admitted);
  }

  /** At its end, and while it waits for an operator or for children, a process keeps no place from others. */
  private givePlaces(): void {
    const { places } = this.progress;
    if (places.length === 0 || (this.ended === null && this.status !== 'parked' && this.status !== 'waitingChildren'))
      return;
    for (const handler of places) this.effects.push({ kind: 'admit', handler, waits: false });
    this.progress.places = [];
  }

  get definition(): ProcessDefinition | undefined {
    return ownProcess(this.around.type, this.name) ?? undefined;
  }

  /** The attempt a handler works on right now, as something the next process waits for. */
  attemptUnderWay(): Predecessor | null {
    const { process, progress } = this;
    // Nobody knows yet whether a durable event was taken.
    const perhaps = process.status === 'waitingHandler' && this.out !== null;
    const canceling = process.status === 'canceling' && progress.cancel?.attempt === true;
    const works = process.status === 'dispatched' || process.status === 'running' || canceling || perhaps;
    if (!works || progress.step === null) return null;
    const left = process.deadlineInMillis ?? (this.out === null ? 0 : this.attemptMillis());
    return {
      processId: process.id,
      dispatch: process.dispatch,
      token: process.token,
      handler: splitStep(progress.step)[1],
      until: process.readAt + Math.max(0, left),
      ...(progress.predecessor === null ? {} : { next: progress.predecessor }),
    };
  }

  /** How long an attempt of the step under way may take, milliseconds. */
  private attemptMillis(): number {
    return this.definition === undefined ? 0 : timeoutOf(this.definition, this.currentStep()?.handler);
  }

  /** Tells the handler that its attempt is not wanted any more; nothing when none is under way. */
  noticeCancel(reason: string): void {
    const attempt = this.attemptUnderWay();
    if (attempt === null) return;
    const { processId, dispatch, handler } = attempt;
    const key = stepKey(processId, this.process.name, this.progress, this.progress.step!);
    this.effects.push({ kind: 'cancelNotice', handler, id: attemptId(processId, dispatch), key, reason });
  }

  /** The steps of this execution that still have a handler, in order. */
  plannedSteps(): BoundStep[] {
    const bound = this.steps();
    return this.progress.plan.flatMap((key) => bound.find((step) => step.key === key) ?? []);
  }

  nextStep(): BoundStep | undefined {
    const { done, endedPhases } = this.progress;
    return this.plannedSteps().find((step) => !done.includes(step.key) && !endedPhases.includes(step.phase));
  }

  currentStep(): BoundStep | undefined {
    const key = this.progress.step;
    return key === null ? undefined : this.steps().find((step) => step.key === key);
  }

  /** The steps as they are bound now, with the related work that results asked for behind the steps that asked. */
  steps(): BoundStep[] {
    const steps = stepsOf(this.around, this.name);
    const { behind } = this.progress;
    if (behind.length === 0) return steps;
    return steps.flatMap((step) => [
      step,
      ...behind.filter(({ after }) => after === step.key).map(({ work }) => relatedStep('behind', work)),
    ]);
  }

  /**
   * Merges a handler's data into the resource.
   * @throws DroverError HandlerDataRefused, DataTooLarge and the field codes: the step has then failed for good
   */
  merge(patch: JsonObject): void {
    if (Object.keys(patch).length === 0) return;
    const present = { ...this.resource.data, ...this.data };
    const valid = validateHandlerData(this.around.type, present, patch);
    for (const [key, value] of Object.entries(valid.data))
      if (!jsonEquals(present[key], value)) this.data = { ...this.data, [key]: value };
    if (valid.name !== undefined && valid.name !== this.resource.name) this.resourceName = valid.name;
    if (valid.description !== undefined && valid.description !== this.resource.description)
      this.description = valid.description;
  }

  move(to: string, kind: TransitionRecord['kind'], feedKind: FeedKind): void {
    this.recordBeginning();
    this.progress.transitions.push({ from: this.region.state, to, kind });
    this.region.state = to;
    this.region.progress = null;
    this.feedKind = feedKind;
  }

  /** A start does not know its state when it is planned; the first decision after it does. */
  private recordBeginning(): void {
    const { transitions, dropped } = this.progress;
    if (transitions.length === 0 && dropped === 0)
      transitions.push({ from: this.process.beganState, to: this.region.state, kind: 'transitioning' });
  }

  say(transitioning: RegionRow['transitioning'], message: string | null, progress: number | null = null): void {
    this.region.transitioning = transitioning;
    this.region.message = message;
    this.region.progress = progress;
  }

  record(outcome: StepRecord['outcome'], error?: { code: string; message: string }): void {
    const [phase, handler] = splitStep(this.progress.step ?? 'handle.-');
    this.progress.steps.push({
      execution: this.executionCount,
      process: this.name,
      phase,
      handler,
      attempt: this.progress.attempt,
      start: this.progress.stepStart,
      // The engine's idea of the database's clock is corrected now and then: no step ends before it began.
      stop: Math.max(this.progress.stepStart, this.around.now),
      outcome,
      ...(error === undefined ? {} : { error: { code: error.code, message: clip(error.message, MAX_RECORD_MESSAGE) } }),
    });
  }

  closeExecution(exitReason: ExitReason): void {
    this.progress.executions.push({
      n: this.executionCount,
      process: this.name,
      start: this.progress.executionStart,
      stop: Math.max(this.progress.executionStart, this.around.now),
      exitReason,
    });
  }

  /** Begins another execution: the handler list is taken anew, finished steps stay finished. */
  newExecution(): void {
    this.executionCount++;
    this.progress.executionStart = this.around.now;
    this.replan();
  }

  replan(): void {
    this.progress.plan = this.steps().map((step) => step.key);
  }

  end(exitReason: ExitReason): void {
    this.closeExecution(exitReason);
    this.ended = exitReason;
  }

  fields(): ProcessFields {
    return {
      name: this.name,
      status: this.status,
      waitingHandler: this.waitingHandler,
      slot: this.slot,
      dispatch: this.dispatch,
      executionCount: this.executionCount,
      progress: packProgress(this.progress),
      predecessorId: this.progress.predecessor?.processId ?? null,
      heldBy: this.heldBy,
      admitted: this.place(),
      errorCode: this.error?.code ?? null,
      errorMessage: this.error?.message ?? null,
      deadlineMillis: this.deadlineMillis,
      waitDeadlineMillis: this.waitDeadlineMillis,
      // Whatever was decided before it was woken leaves its wake-up alone.
      wakeMillis: this.orphaned && this.status !== 'canceling' ? 0 : this.wakeMillis,
      notAfter: this.notAfter,
    };
  }

  /** The place at a handler is kept until the attempt it was given for has ended. */
  private place(): string | null {
    return this.ended === null && PLACED.has(this.status) ? this.admitted : null;
  }

  /** The one commit transition that this decision is. */
  build(): CommitTransition {
    this.recordBeginning();
    this.withdraw();
    this.givePlaces();
    const { admitted } = this.process;
    if (admitted !== null && !isScope(admitted) && this.place() !== admitted)
      this.effects.push({ kind: 'admit', handler: admitted, waits: false });
    const transition: CommitTransition = {
      ...guards(this.around.registryRevision),
      resourceId: this.resource.id,
      stateField: this.process.stateField,
      expectType: this.resource.type,
      expectRevision: this.resource.revision,
      processId: this.process.id,
      processVersion: this.process.version,
      expectPassed: this.expectPassed,
      change: this.change(),
      update: this.ended === null ? this.fields() : null,
      end:
        this.ended === null
          ? null
          : {
              exitReason: this.ended,
              progress: packProgress(this.progress),
              errorCode: this.error?.code ?? null,
              errorMessage: this.error?.message ?? null,
            },
      start: this.successor,
      wakeParent: this.concernsParent() ? this.process.parentId : null,
    };
    if (this.leavesOrphans()) transition.orphans = true;
    if (this.unless !== null) transition.unless = this.unless;
    relate(transition, this.around, transition.change?.refs);
    return transition;
  }

  /** Its parent waits for its end, and says that it is parked as long as it is. */
  private concernsParent(): boolean {
    return this.ended !== null || this.status === 'parked' || this.process.status === 'parked';
  }

  /** Why this process may not follow, null: it may, provided that its `refuseWhile` still holds in the commit. */
  hindrance(next: ProcessDefinition): string | null {
    if (next.refuseWhile.length === 0) return null;
    const refusal = this.around.refusals?.get(next.name) ?? null;
    if (refusal !== null) return refusal;
    const { id, data } = this.resource;
    const relations = hindrances(next, this.around.type, { id, data: { ...data, ...this.data } });
    if (relations.length > 0) this.unless = relations;
    return null;
  }

  /** May children go on without a parent after this? Also those of the processes in other regions that its resource's removal ends. */
  private leavesOrphans(): boolean {
    if (this.ended === null) return false;
    if (this.endsEarly && this.progress.family) return true;
    const { relationships, stateFields } = this.around.type;
    return (
      this.process.stateField === 'state' &&
      isGone(this.region.state) &&
      Object.keys(stateFields).length > 0 &&
      Object.keys(relationships).length > 0
    );
  }

  /** An event whose attempt is over must not be delivered any more. */
  private withdraw(): void {
    const { process, out } = this;
    const open = this.ended === null && (this.status === 'dispatched' || this.status === 'waitingHandler');
    if (!open) this.progress.work = null;
    if (out === null || out.sequence === 0) return;
    if (open && this.dispatch === process.dispatch && this.progress.work !== null) return;
    const handler = handlerOfStep(unpackProgress(process.progress).step);
    const { id: processId, dispatch } = process;
    this.effects.push({ kind: 'withdraw', handler, processId, dispatch, ...out, answered: this.answered });
  }

  private change(): CommitTransition['change'] {
    const before = regionOf(this.resource, this.process.stateField);
    const { state, transitioning, message, progress } = this.region;
    const same =
      state === before.state &&
      transitioning === before.transitioning &&
      message === before.message &&
      progress === before.progress &&
      this.feedKind === null &&
      this.data === null &&
      this.resourceName === undefined &&
      this.description === undefined;
    if (same) return null;
    const refs = refsAfter(this.around.type, this.resource.data, this.data);
    return {
      toState: state,
      feedKind: this.feedKind ?? 'changed',
      process: this.feedProcess ?? this.name,
      transitioning,
      message,
      progress,
      data: this.data,
      ...(refs === undefined ? {} : { refs }),
      ...(this.resourceName === undefined ? {} : { name: this.resourceName }),
      ...(this.description === undefined ? {} : { description: this.description }),
    };
  }
}

/** Says which resources gain a relation that a start may hang on. */
export function relate(
  transition: CommitTransition,
  { type, watched }: Surroundings,
  refs: readonly string[] | undefined,
): void {
  const targets = watched?.targets(type.name, refs) ?? [];
  if (targets.length > 0) transition.relates = targets;
}

/** The parts of a transition that most decisions leave empty. */
export function guards(registryRevision: number): CommitTransition {
  return {
    commandId: null,
    commandHash: null,
    registryRevision,
    insert: null,
    resourceId: null,
    stateField: 'state',
    expectType: null,
    expectRevision: null,
    expectStates: null,
    processId: null,
    processVersion: null,
    expectPassed: null,
    change: null,
    update: null,
    end: null,
    start: null,
    wakeParent: null,
    returnResource: false,
  };
}

/** The handler of a step, by the step's key; empty without one. */
export function handlerOfStep(key: string | null): string {
  return splitStep(key ?? '')[1];
}

export function splitStep(key: string): [phase: string, handler: string] {
  const dot = key.indexOf('.');
  return [key.slice(0, dot), key.slice(dot + 1)];
}
