import type { CommitOutcome, CommitTransition, PauseRow, ProcessRow, ResourceRow } from '@drover/contracts';
import type { JsonObject } from '@drover/kernel';
import { compileType, parseDocuments, type ResourceTypeDocument } from '../definitions/index.js';
import type { HandlerBinding, TypeDefinition } from '../definitions/types.js';
import { NO_WATCHED_REFERENCES } from '../fields/index.js';
import { HandlerTable, parseProcessNames } from '../handlers/bindings.js';
import { isGone, isTransitioning, legalActions, ownProcess } from '../states/index.js';
import { decide, type Decision, type Input } from './decide.js';
import { attemptId, type Effect, regionOf, stepKey } from './draft.js';
import { type Progress, unpackProgress } from './progress.js';
import { type HandlerReply, readReply } from './reply.js';
import { NO_LIMITS } from './limits.js';
import { isPause, NO_PAUSES, Pauses } from './pauses.js';
import { processAfter, resourceAfter } from './rows-after.js';
import { notAvailable, planStart, planStartOn, type StartDecision, type StartRequest } from './start.js';

/** A type small enough to read at a glance, with a little of everything. Attempts take 1,000 ms, budgets are three attempts. */
export const MACHINE = `
apiVersion: drover/v1
kind: ResourceType
name: machine
fields:
  address: { type: string }
  tags: { type: map }
  cpus: { type: int, min: 1 }
stateFields: { disk: { initial: detached } }
defaultProcesses: false
final: [failed]
processes:
  create: { start: [requested], transitioning: creating, done: stopped, delegate: start, ${common()} }
  start: { start: [stopped, creating], transitioning: starting, done: running, ${common()} }
  stop: { start: [running, starting], transitioning: stopping, done: stopped, onCancel: running, ${common()} }
  kill: { start: [running, starting, stopping], transitioning: killing, done: stopped, preempt: immediate, ${common()} }
  update:
    start: [stopped, running]
    transitioning: { stopped: updating-stopped, running: updating-running }
    done: { updating-stopped: stopped, updating-running: running }
    ${common('\n    ')}
  repair: { start: [running], transitioning: repairing, done: running, onError: fail, ${common()} }
  fail: { start: [repairing, running, bending, looping], transitioning: failing, done: failed, ${common()} }
  boot: { start: [stopped], transitioning: booting, done: booted, delegate: { to: warm, always: true }, ${common()} }
  warm: { start: [booted], transitioning: warming, done: running, ${common()} }
  bend: { start: [running, looping], transitioning: bending, done: running, onError: loop, ${common()} }
  loop: { start: [running, bending], transitioning: looping, done: running, onError: bend, ${common()} }
  hurry: { start: [stopped], transitioning: hurrying, done: running, totalMillis: 2500, onError: stop2, ${common()} }
  stop2: { start: [hurrying], transitioning: stopping2, done: stopped, ${common()} }
  remove: { start: [requested, stopped, failed], transitioning: removing, done: removed, ${common()} }
  purge: { start: [removed], transitioning: purging, done: purged, ${common()} }
  attach: { stateField: disk, start: [detached], transitioning: attaching, done: attached, ${common()} }
  detach: { stateField: disk, start: [attached, attaching], transitioning: detaching, done: detached, ${common()} }
`;

function common(separator = ', '): string {
  return [
    'timeoutMillis: 1000',
    'waitMillis: 60000',
    'retry: { maxAttempts: 3, initialMillis: 100, maxMillis: 400, jitter: 0 }',
  ].join(separator);
}

export function compile(yaml: string): TypeDefinition {
  return compileType(parseDocuments(yaml, { format: 'yaml' })[0] as ResourceTypeDocument, {
    version: 1,
    system: false,
  });
}

const types = new Map<string, TypeDefinition>();

/** Frozen, so that lives can share it. */
function compiled(yaml: string): TypeDefinition {
  const type = types.get(yaml) ?? deepFreeze(compile(yaml));
  types.set(yaml, type);
  return type;
}

/** A handler in one line: `handler('demo', 'machine.start,pre.*.stop', { priority: 500 })`. */
export function handler(
  name: string,
  processes: string,
  options: Partial<HandlerBinding> & { onError?: string } = {},
): HandlerBinding {
  const { onError = null, ...rest } = options;
  return {
    name,
    kind: 'external',
    priority: 1_000,
    processes: parseProcessNames(processes).map((process) => ({ ...process, onError })),
    retries: null,
    timeoutMillis: null,
    delivery: 'core',
    limits: null,
    ...rest,
  };
}

export function builtin(name: string, processes: string, options: Parameters<typeof handler>[2] = {}): HandlerBinding {
  return handler(name, processes, { ...options, kind: 'builtin' });
}

/** A reply as a handler writes it. */
export function reply(body: JsonObject = {}): HandlerReply {
  return readReply(body);
}

export const ok = (data: JsonObject = {}): HandlerReply => reply({ data });
export const failure = (message = 'no luck', more: JsonObject = {}): HandlerReply =>
  reply({ transitioning: 'error', transitioningMessage: message, ...more });

/** A live process as the store holds it: clocks are absolute, in the model's database time. */
interface Held {
  row: ProcessRow;
  deadline: number | null;
  waitDeadline: number | null;
  totalDeadline: number | null;
  /** since when a pause stops the total and the waiting clock */
  heldSince: number | null;
  wakeAt: number;
}

export interface FeedRow {
  revision: number;
  from: string;
  to: string;
  stateField: string;
  kind: string;
  process: string | null;
}

export interface Sent {
  id: string;
  key: string;
  process: string;
  step: string;
  attempt: number;
}

/**
 * One resource with the engine around it and a model of the store's commit: guards first, then everything at once. It knows the
 * time, and reads a process as the database does, with clocks as distances from now.
 */
export class Life {
  now = 1_000_000;
  registryRevision = 1;
  readonly type: TypeDefinition;
  handlers: HandlerTable;
  pauses = NO_PAUSES;
  /** what related resources keep from following, with why */
  refusals: ReadonlyMap<string, string> = new Map();
  watched = NO_WATCHED_REFERENCES;
  limits = NO_LIMITS;
  resource: ResourceRow;
  readonly live = new Map<number, Held>();
  readonly finished: { id: number; name: string; exitReason: string; progress: Progress; errorCode: string | null }[] =
    [];
  readonly feed: FeedRow[] = [];
  /** events that went out, in order, external and in-process alike */
  readonly sent: Sent[] = [];
  readonly cancelled: Extract<Effect, { kind: 'cancelNotice' }>[] = [];
  readonly ended: Extract<Effect, { kind: 'ended' }>[] = [];
  readonly withdrawn: Extract<Effect, { kind: 'withdraw' }>[] = [];
  readonly released: string[] = [];
  /** what was asked of the engine about related resources, in order */
  readonly asked: Extract<Effect, { kind: 'related' | 'startChildren' | 'cancelChildren' }>[] = [];
  /** admissions that were asked for */
  readonly admissions: Extract<Effect, { kind: 'admit' }>[] = [];
  /** what circuit breakers were told: `<handler> failed`, or `succeeded` */
  readonly outcomes: string[] = [];
  last: Decision | null = null;
  /** called with every applied commit: where the random walks look */
  onCommit: (transition: CommitTransition, before: ResourceRow) => void = () => undefined;
  private nextId = 1;

  constructor(handlers: HandlerBinding[] = [], state = 'stopped', yaml = MACHINE) {
    this.type = compiled(yaml);
    this.handlers = new HandlerTable(handlers);
    this.resource = {
      id: 7,
      type: this.type.name,
      kind: this.type.name,
      uuid: 'u',
      name: null,
      description: null,
      state,
      transitioning: 'no',
      message: null,
      progress: null,
      regions: Object.fromEntries(
        Object.entries(this.type.stateFields).map(([field, { initial }]) => [
          field,
          { state: initial, transitioning: 'no' as const, message: null, progress: null },
        ]),
      ),
      revision: 1,
      data: {},
      accountId: null,
      created: this.now,
      removed: null,
    };
  }

  get around() {
    return {
      type: this.type,
      handlers: this.handlers,
      pauses: this.pauses,
      limits: this.limits,
      registryRevision: this.registryRevision,
      slot: 1,
      now: this.now,
      refusals: this.refusals,
      watched: this.watched,
    };
  }

  register(...handlers: HandlerBinding[]): void {
    this.handlers = new HandlerTable([...this.handlers.handlers, ...handlers]);
  }

  deactivate(name: string): void {
    this.handlers = new HandlerTable(this.handlers.handlers.filter((one) => one.name !== name));
  }

  /** Sets these pauses and no other: who is held by one that is gone is woken, as the store does. */
  pause(...rows: (Partial<PauseRow> & { scope: string })[]): void {
    this.pauses = new Pauses(rows.map((row) => ({ since: this.now, operator: 'ann', reason: null, ...row })));
    this.registryRevision++;
    for (const { row } of [...this.live.values()])
      if (isPause(row.heldBy) && !rows.some(({ scope }) => scope === row.heldBy))
        this.inputTo(row.id, { kind: 'wake' });
  }

  /** The store gives the process its place at the handler, and an engine wakes it. */
  admit(stateField = 'state'): void {
    this.grant(stateField);
    this.input({ kind: 'wake' }, stateField);
  }

  /** As {@link admit}, before the engine hears of it. */
  grant(stateField = 'state'): void {
    const held = this.heldOf(stateField)!;
    held.row = { ...held.row, version: held.row.version + 1, admitted: held.row.heldBy!.replace('limit/', '') };
  }

  /** The store says, in the commit that ends its parent early, that the process is to cancel itself. It is due then. */
  parentEnds(stateField = 'state'): void {
    const held = this.heldOf(stateField)!;
    held.row = { ...held.row, version: held.row.version + 1, parentEnd: 'ended' };
    held.wakeAt = this.now;
  }

  /** The live process of a state field, as the database reads it now. */
  process(stateField = 'state'): ProcessRow {
    const held = this.heldOf(stateField);
    if (held === undefined) throw new Error(`no live process on ${stateField}`);
    return this.read(held);
  }

  get progress(): Progress {
    return unpackProgress(this.process().progress);
  }

  wakeAt(stateField = 'state'): number {
    return this.heldOf(stateField)!.wakeAt;
  }

  /** Milliseconds until the process is looked at again. */
  wakeIn(stateField = 'state'): number {
    return this.wakeAt(stateField) - this.now;
  }

  isLive(stateField = 'state'): boolean {
    return this.heldOf(stateField) !== undefined;
  }

  /** Starts `<type>.<verb>` as a client does: without reading first; after a conflict, with both rows at hand. */
  start(
    verb: string,
    data: JsonObject = {},
    notify: string | null = null,
    parent: StartRequest['parent'] | null = null,
  ): void {
    const definition = this.type.processes[verb]!;
    const request: StartRequest = {
      data,
      notify,
      token: `token${this.nextId}`,
      commandId: null,
      commandHash: null,
      ...(parent === null ? {} : { parent }),
    };
    const frozen = deepFreeze(request);
    let plan: StartDecision = planStart(definition, this.resource.id, this.around, frozen);
    let outcome = this.commit(plan.transition);
    if (outcome.outcome === 'conflict') {
      const { resource } = this;
      const held = this.heldOf(definition.stateField);
      const legal = legalActions(this.type, resource.state);
      const second = planStartOn(
        definition,
        deepFreeze(structuredClone(resource)),
        held === undefined ? null : deepFreeze(this.read(held)),
        legal,
        this.around,
        frozen,
      );
      if (second instanceof Error) throw second;
      plan = second;
      outcome = this.commit(plan.transition);
    }
    if (outcome.outcome !== 'applied') throw notAvailable(definition, this.resource.state, []);
    this.follow(plan.effects, outcome.processId!);
  }

  /** Gives an input to the live process of a state field, as the engine does: decide, commit, carry out the effects. */
  input(input: Input, stateField = 'state'): Decision {
    return this.inputTo(this.process(stateField).id, input);
  }

  inputTo(processId: number, input: Input): Decision {
    const held = this.live.get(processId);
    if (held === undefined) return { kind: 'ignore', reason: 'no such process' };
    const process = deepFreeze(this.read(held));
    const resource = deepFreeze(structuredClone(this.resource));
    const decision = decide(process, resource, this.around, deepFreeze(input));
    this.last = decision;
    if (decision.kind === 'effects') this.follow(decision.effects, processId);
    if (decision.kind !== 'commit') return decision;
    const outcome = this.commit(decision.transition);
    if (outcome.outcome !== 'applied') throw new Error(`the store answered ${JSON.stringify(outcome)}`);
    this.checkRowsAfter(process, resource, decision.transition, outcome);
    this.follow(decision.effects, outcome.processId ?? processId);
    return decision;
  }

  /** Answers the attempt under way. */
  reply(reply: HandlerReply, dispatch?: number, stateField = 'state'): Decision {
    return this.input({ kind: 'reply', dispatch: dispatch ?? this.process(stateField).dispatch, reply }, stateField);
  }

  operate(action: Extract<Input, { kind: 'operate' }>['action'], state: string | null = null): Decision {
    return this.input({ kind: 'operate', action, state, operator: 'ann' });
  }

  noResponders(): Decision {
    return this.input({ kind: 'noResponders', dispatch: this.process().dispatch });
  }

  /** Lets time pass and wakes what falls due, as often as it does. */
  pass(millis: number): void {
    const until = this.now + millis;
    for (let turns = 0; turns < 1_000; turns++) {
      const due = [...this.live.values()].filter((held) => held.wakeAt <= until).sort((a, b) => a.wakeAt - b.wakeAt)[0];
      if (due === undefined) break;
      this.now = Math.max(this.now, due.wakeAt);
      const before = due.row.version;
      this.inputTo(due.row.id, { kind: 'wake' });
      const after = this.live.get(due.row.id);
      if (after !== undefined && after.row.version === before) throw new Error('a wake-up did nothing');
    }
    this.now = until;
  }

  /** Another engine takes the slot over: what is out is sent again. */
  takeOver(stateField = 'state'): void {
    const held = this.heldOf(stateField)!;
    held.row = { ...held.row, resend: true };
    this.input({ kind: 'wake' }, stateField);
  }

  /** The states the resource went through, `state` field only. */
  get path(): string[] {
    return this.feed.filter((row) => row.stateField === 'state' && row.from !== row.to).map((row) => row.to);
  }

  private heldOf(stateField: string): Held | undefined {
    return [...this.live.values()].find((held) => held.row.stateField === stateField);
  }

  private read(held: Held): ProcessRow {
    const left = (at: number | null, from = this.now): number | null => (at === null ? null : at - from);
    const clock = held.heldSince ?? this.now;
    return structuredClone({
      ...held.row,
      deadlineInMillis: left(held.deadline),
      waitDeadlineInMillis: left(held.waitDeadline, clock),
      totalDeadlineInMillis: left(held.totalDeadline, clock),
      readAt: this.now,
    });
  }

  private ranOut(held: Held, clock: 'deadline' | 'wait' | 'total'): boolean {
    const at = { deadline: held.deadline, wait: held.waitDeadline, total: held.totalDeadline }[clock];
    return at !== null && at <= this.now;
  }

  private follow(effects: Effect[], processId: number): void {
    for (const effect of effects) {
      const held = this.live.get(processId);
      switch (effect.kind) {
        case 'dispatch':
        case 'run': {
          const { row } = held!;
          const progress = unpackProgress(row.progress);
          if ((effect.kind === 'dispatch') !== (row.status === 'dispatched'))
            throw new Error(`${effect.kind} while ${row.status}`);
          this.sent.push({
            id: attemptId(row.id, row.dispatch),
            key: stepKey(row.id, row.name, progress, progress.step!),
            process: row.name,
            step: progress.step!,
            attempt: progress.attempt,
          });
          break;
        }
        case 'advance':
          this.inputTo(processId, { kind: 'advance' });
          break;
        case 'cancelNotice':
          this.cancelled.push(effect);
          break;
        case 'withdraw':
          this.withdrawn.push(effect);
          break;
        case 'release':
          this.released.push(effect.handler);
          break;
        case 'related':
        case 'startChildren':
        case 'cancelChildren':
          this.asked.push(effect);
          break;
        case 'admit':
          this.admissions.push(effect);
          break;
        case 'outcome':
          this.outcomes.push(`${effect.handler} ${effect.failed ? 'failed' : 'succeeded'}`);
          break;
        case 'ended':
          this.ended.push(effect);
      }
    }
  }

  /** The store's commit: every guard is checked before anything is written. */
  commit(transition: CommitTransition): CommitOutcome {
    JSON.stringify(transition);
    const { stateField, change, update, end, start } = transition;
    const before = this.resource;
    const region = regionOf(before, stateField);
    const held = this.heldOf(stateField);
    const guarded = transition.processId === null ? null : this.live.get(transition.processId);
    const conflict =
      (transition.expectType !== null && transition.expectType !== before.type) ||
      (transition.expectRevision !== null && transition.expectRevision !== before.revision) ||
      (transition.expectStates !== null && !transition.expectStates.includes(region.state)) ||
      (guarded !== null && guarded?.row.version !== transition.processVersion) ||
      (transition.expectPassed !== null && !this.ranOut(guarded!, transition.expectPassed)) ||
      (start !== null && transition.processId === null && held !== undefined);
    if (conflict)
      return { outcome: 'conflict', resource: before, process: held === undefined ? null : this.read(held) };
    if (update !== null && end !== null) throw new Error('update and end together');
    const toState =
      change === null || change.toState === null
        ? region.state
        : typeof change.toState === 'string'
          ? change.toState
          : change.toState[region.state];
    if (toState === undefined) throw new Error(`no target state for ${region.state}`);
    if (change !== null) {
      const next = {
        state: toState,
        transitioning: change.transitioning,
        message: change.message,
        progress: change.progress,
      };
      this.resource = {
        ...before,
        revision: before.revision + 1,
        data: { ...before.data, ...change.data },
        name: change.name === undefined ? before.name : change.name,
        description: change.description === undefined ? before.description : change.description,
        ...(stateField === 'state' ? next : { regions: { ...before.regions, [stateField]: next } }),
        removed: before.removed ?? (stateField === 'state' && isGone(toState) ? this.now : null),
      };
      const { revision } = this.resource;
      this.feed.push({
        revision,
        from: region.state,
        to: toState,
        stateField,
        kind: change.feedKind,
        process: change.process,
      });
    }
    let process: Held | null = null;
    const at = (millis: number | 'keep' | null, kept: number | null): number | null =>
      millis === 'keep' ? kept : millis === null ? null : this.now + millis;
    const wake = (millis: number | 'deadline' | 'keep' | null, deadline: number | null): number => {
      if (millis === 'keep') return guarded!.wakeAt;
      if (millis === 'deadline' && deadline === null) throw new Error('a wake-up at a deadline that is not there');
      return millis === null ? Infinity : millis === 'deadline' ? deadline! : this.now + millis;
    };
    if (update !== null) {
      const { deadlineMillis, waitDeadlineMillis, wakeMillis, notAfter, ...fields } = update;
      const cap = notAfter ?? Infinity;
      const until = at(deadlineMillis, guarded!.deadline);
      const deadline = until === null || deadlineMillis === 'keep' ? until : Math.min(until, cap);
      const { heldSince } = guarded!;
      const lasted = heldSince === null || isPause(update.heldBy) ? 0 : this.now - heldSince;
      const later = (clock: number | null): number | null => (clock === null ? null : clock + lasted);
      process = {
        ...guarded!,
        row: { ...guarded!.row, ...fields, version: guarded!.row.version + 1, resend: false },
        deadline,
        waitDeadline: at(waitDeadlineMillis, later(guarded!.waitDeadline)),
        totalDeadline: later(guarded!.totalDeadline),
        heldSince: isPause(update.heldBy) ? (heldSince ?? this.now) : null,
        wakeAt: wakeMillis === 'keep' ? guarded!.wakeAt : Math.min(cap, wake(wakeMillis, deadline)),
      };
    }
    if (end !== null) {
      const { row } = guarded!;
      this.live.delete(row.id);
      const progress = unpackProgress(end.progress);
      this.finished.push({
        id: row.id,
        name: row.name,
        exitReason: end.exitReason,
        progress,
        errorCode: end.errorCode,
      });
    }
    if (start !== null) {
      if (this.heldOf(stateField) !== undefined) throw new Error('two live processes on one state field');
      const { deadlineMillis, waitDeadlineMillis, wakeMillis, totalMillis, beganState, ...fields } = start;
      const deadline = at(deadlineMillis, null);
      process = {
        row: {
          ...fields,
          id: this.nextId++,
          version: 1,
          resourceId: before.id,
          resourceType: before.type,
          beganState: beganState ?? region.state,
          resend: false,
          parentEnd: start.parentId === null ? null : (transition.asChild?.parentEnd ?? guarded?.row.parentEnd ?? null),
          accountId: null,
          startTime: this.now,
          deadlineInMillis: null,
          totalDeadlineInMillis: null,
          waitDeadlineInMillis: null,
          readAt: this.now,
        },
        deadline,
        waitDeadline: at(waitDeadlineMillis, null),
        totalDeadline: at(totalMillis, null),
        heldSince: isPause(start.heldBy) ? this.now : null,
        wakeAt: wake(wakeMillis, deadline),
      };
    }
    if (process !== null) this.live.set(process.row.id, process);
    this.onCommit(transition, before);
    return {
      outcome: 'applied',
      resourceId: before.id,
      revision: this.resource.revision,
      state: toState,
      fromState: region.state,
      processId: process?.row.id ?? null,
      processVersion: process?.row.version ?? null,
      now: this.now,
      before: transition.returnResource ? before : null,
    };
  }

  /** The rows an engine remembers after a commit are those the database would read. */
  private checkRowsAfter(
    before: ProcessRow,
    resource: ResourceRow,
    transition: CommitTransition,
    applied: Extract<CommitOutcome, { outcome: 'applied' }>,
  ): void {
    const remembered = {
      process: processAfter(before, transition, applied),
      resource: resourceAfter(resource, transition, applied),
    };
    const held = applied.processId === null ? null : this.live.get(applied.processId)!;
    const stored = { process: held === null ? null : this.read(held), resource: this.resource };
    if (JSON.stringify(sorted(remembered)) !== JSON.stringify(sorted(stored)))
      throw new Error(`remembered ${JSON.stringify(remembered)}\nstored ${JSON.stringify(stored)}`);
  }

  /**
   * What must hold between any two commits (design §5: 2, 4, 7, 8), as a list of what is wrong.
   */
  violations(): string[] {
    const wrong: string[] = [];
    for (const stateField of ['state', ...Object.keys(this.type.stateFields)]) {
      const { state } = regionOf(this.resource, stateField);
      const holders = [...this.live.values()].filter((held) => held.row.stateField === stateField);
      const transitional = Object.values(this.type.processes).some(
        (process) => process.stateField === stateField && isTransitioning(process, state),
      );
      if (transitional !== (holders.length === 1)) wrong.push(`${stateField} is ${state}, held by ${holders.length}`);
      for (const { row, wakeAt } of holders) {
        if (!isTransitioning(ownProcess(this.type, row.name)!, state)) wrong.push(`${row.name} holds ${state}`);
        if (row.status === 'parked' || isPause(row.heldBy) ? wakeAt !== Infinity : !Number.isFinite(wakeAt))
          wrong.push(`${row.status} wakes at ${wakeAt}`);
        if (row.status === 'waitingHandler' && row.waitingHandler === null) wrong.push('waits for nobody');
      }
    }
    const revisions = this.feed.map((row) => row.revision);
    if (revisions.some((revision, i) => revision !== i + 2)) wrong.push(`feed ${revisions.join(' ')}`);
    if (this.resource.revision !== this.feed.length + 1) wrong.push(`revision ${this.resource.revision}`);
    const ids = this.finished.map((row) => row.id);
    if (new Set(ids).size !== ids.length) wrong.push('a process finished twice');
    return wrong;
  }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, entry]) => [key, sorted(entry)]),
  );
}

/** Makes a mutation a TypeError. */
export function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === 'object' && !Object.isFrozen(value) && !(value instanceof HandlerTable)) {
    Object.freeze(value);
    for (const entry of Object.values(value)) deepFreeze(entry);
  }
  return value;
}
