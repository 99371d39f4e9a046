import type { CommitTransition, ProcessRow, ResourceRow, WorkRow } from '@drover/contracts';
import {
  afterStep,
  type BoundStep,
  type Committed,
  decide,
  type Effect,
  type Input,
  NO_LIMITS,
  NO_PAUSES,
  passOn,
  progressPeriodMillis,
  resumeEffects,
  SlotLeases,
  stepsOf,
  type Surroundings,
  unpackProgress,
} from '@drover/process-model';
import type { Cause } from '../world/checks.js';
import { Commands } from './commands.js';
import { CommitLane } from './commit-lane.js';
import type { Address, EngineLink, Registry } from './link.js';
import { Related } from './related.js';
import { ReplyReader } from './reply-reader.js';

const MAX_TRIES = 50;
const READ_MILLIS = 3_000;
const POLL_MILLIS = 1_000;
const CLAIM_LIMIT = 200;
const CLAIM_LEASE_MILLIS = 5_000;
const LEASE_ANSWER_MILLIS = 2_000;
const RENEW_MILLIS = 1_500;
const RETRY_MILLIS = 100;
const REGISTRY_POLL_MILLIS = 2_000;
const PRESENCE_MILLIS = 250;
const RELEASE_BATCH = 500;

/** `done`: something was committed; `ignored`: a late or repeated input; `failed`: nobody knows, or it is to be repeated. */
export type Worked = 'done' | 'ignored' | 'failed';

interface Task {
  processId: number;
  input: Input;
  token: string | null;
  known: WorkRow | null;
  from: Address | null;
  worked: (worked: Worked) => void;
}

/**
 * One life of a process-engine: the loop of apps/process-engine with callbacks in place of promises. What is decided, and what an
 * answer means, is the product's own code; here is only the order in which it is called. All of it is lost when the engine dies.
 */
export class SimEngine {
  readonly commands: Commands;
  readonly leases = new SlotLeases();
  private readonly cache = new Map<number, WorkRow>();
  private readonly turns = new Map<number, Task[]>();
  private readonly starts: CommitLane;
  private readonly steps: CommitLane;
  private readonly replies: ReplyReader;
  private readonly related: Related;
  private registry: Registry | null = null;
  private waitingForRegistry: (() => void)[] | null = null;
  private waitingForHome: (() => void)[] = [];
  private readonly running = new Set<string>();
  private readonly absent = new Set<string>();
  private readonly probes = new Set<string>();
  private claiming = false;
  private hinted = false;
  private claims = 0;

  constructor(
    readonly name: string,
    readonly link: EngineLink,
  ) {
    this.starts = new CommitLane(link);
    this.steps = new CommitLane(link);
    this.commands = new Commands(this);
    this.replies = new ReplyReader(this);
    this.related = new Related(this);
    this.renew();
    this.pollRegistry();
    this.claim();
  }

  /** How long progress of a process may be kept back, as the engine has it. */
  progressPeriodOf(processId: number): number {
    const work = this.cache.get(processId);
    return progressPeriodMillis(work === undefined ? 0 : work.process.deadlineInMillis);
  }

  /** The store says that work has fallen due, or will soon. */
  hurry(): void {
    if (this.claiming) this.hinted = true;
    else this.claim();
  }

  /** The connection to the broker is back. */
  reconnected(): void {
    this.replies.reconnected();
  }

  registryHint(): void {
    this.refreshRegistry(() => undefined);
  }

  /** Whether a send on this slot is allowed now. */
  mayEmit(slot: number | null): boolean {
    if (slot === null) return false;
    return this.leases.holds(slot, this.link.mutant === 'no-fence' ? 0 : this.link.monotonic());
  }

  handle(task: Task): void {
    const turn = this.turns.get(task.processId);
    if (turn !== undefined) {
      turn.push(task);
      return;
    }
    this.turns.set(task.processId, [task]);
    this.work(task);
  }

  /** A process whose start went unanswered: its effects are carried out now. */
  resume(processId: number, resumed: () => void): void {
    this.load(processId, ({ live }) => {
      if (live === null) return resumed();
      this.aroundProcess(live.process, (around) => {
        this.keep(live);
        this.carryOut(resumeEffects(live.process), live.process, live.resource, null, around);
        resumed();
      });
    });
  }

  commit(transition: CommitTransition, cause: Cause, committed: (committed: Committed | null) => void): void {
    this.link.crashPoint();
    (transition.processId === null ? this.starts : this.steps).add({ transition, cause, committed });
  }

  /** What a decision on a live process goes by: waits for the home slot and the registry. */
  aroundProcess(process: ProcessRow, then: (around: Surroundings) => void): void {
    this.whenReady((registry, slot) =>
      then(this.around(registry, slot, process.resourceType, process.definitionVersion)),
    );
  }

  whenReady(then: (registry: Registry, slot: number) => void): void {
    const { registry } = this;
    if (registry === null) return this.refreshRegistry(() => this.whenReady(then));
    const slot = this.leases.home(this.link.mutant === 'no-fence' ? 0 : this.link.monotonic());
    if (slot === null) this.waitingForHome.push(() => this.whenReady(then));
    else then(registry, slot);
  }

  around(registry: Registry, slot: number, type: string, version: number): Surroundings {
    const { revision: registryRevision, handlers } = registry;
    const now = this.link.databaseNow();
    return {
      type: this.link.typeAt(type, version),
      handlers,
      pauses: NO_PAUSES,
      limits: NO_LIMITS,
      registryRevision,
      slot,
      now,
    };
  }

  refreshRegistry(then: () => void): void {
    if (this.waitingForRegistry !== null) {
      // Begun before this was asked: it may not see what was committed meanwhile.
      this.waitingForRegistry.push(() => this.refreshRegistry(then));
      return;
    }
    this.waitingForRegistry = [];
    this.link.request<Registry>(
      READ_MILLIS,
      () => this.link.readRegistry(),
      (registry) => {
        const waiting = this.waitingForRegistry!;
        this.waitingForRegistry = null;
        if (registry === null) return this.refreshRegistry(() => [then, ...waiting].forEach((one) => one()));
        this.registry = registry;
        then();
        for (const one of waiting) one();
      },
    );
  }

  /** Remembers what a commit left, and carries its effects out. */
  carryOut(
    effects: Effect[],
    process: ProcessRow | null,
    resource: ResourceRow,
    before: WorkRow | null,
    around: Surroundings,
  ): void {
    if (before !== null && before.process.id !== process?.id) this.cache.delete(before.process.id);
    const after = process === null ? null : { process, resource };
    if (after !== null) this.keep(after);
    else if (before === null) return;
    const work = after ?? { process: before!.process, resource };
    if (work.process.status === 'waitingHandler' && work.process.waitingHandler !== null)
      this.absent.add(work.process.waitingHandler);
    this.runEffects(effects, work, around, before?.process ?? null);
  }

  private runEffects(effects: Effect[], work: WorkRow, around: Surroundings, before: ProcessRow | null): void {
    for (const effect of effects) {
      this.link.crashPoint();
      this.effect(effect, work, around, before);
    }
  }

  load(processId: number, loaded: (work: { live: WorkRow | null; successor: WorkRow | null }) => void): void {
    this.link.request(
      READ_MILLIS,
      () => this.link.store.load(processId),
      (answer) => (answer === null ? this.load(processId, loaded) : loaded(answer)),
    );
  }

  stepOf(work: WorkRow, around: Surroundings): BoundStep | undefined {
    const { step } = unpackProgress(work.process.progress);
    return stepsOf(around, work.process.name).find((bound) => bound.key === step);
  }

  private effect(effect: Effect, work: WorkRow, around: Surroundings, before: ProcessRow | null): void {
    const { process } = work;
    switch (effect.kind) {
      case 'dispatch':
        this.dispatch(work, around);
        if (before?.status === 'waitingHandler' && before.waitingHandler !== null) {
          this.probed(before.waitingHandler);
          const { id, dispatch } = process;
          if (!before.resend) this.link.later(PRESENCE_MILLIS, () => this.background(id, { kind: 'heard', dispatch }));
        }
        break;
      case 'release':
        this.probed(effect.handler);
        break;
      case 'run':
        this.runInProcess(work, around);
        break;
      case 'advance':
        this.background(process.id, { kind: 'advance' });
        break;
      case 'related':
      case 'startChildren':
      case 'cancelChildren':
        this.related.asked(effect, work);
        break;
      case 'cancelNotice':
        this.link.notice(effect.handler, effect.id);
        break;
      case 'ended':
        this.link.ended(effect.processId, effect.exitReason);
    }
  }

  private dispatch(work: WorkRow, around: Surroundings): void {
    const { process } = work;
    const { id, dispatch, token } = process;
    if (!this.mayEmit(process.slot)) return this.background(id, { kind: 'unsent', dispatch });
    const step = this.stepOf(work, around);
    if (step === undefined) return;
    this.link.publish(work, step, () => this.background(id, { kind: 'noResponders', dispatch }, { token, from: null }));
  }

  private runInProcess(work: WorkRow, around: Surroundings): void {
    const { id, dispatch } = work.process;
    const attempt = `${id}.${dispatch}`;
    const step = this.stepOf(work, around);
    if (this.running.has(attempt) || step === undefined) return;
    this.running.add(attempt);
    this.link.runInProcess(work, step, (reply) => {
      this.running.delete(attempt);
      this.background(id, { kind: 'reply', dispatch, reply });
    });
  }

  private background(
    processId: number,
    input: Input,
    outside: { token: string; from: Address | null } | null = null,
  ): void {
    const { token = null, from = null } = outside ?? {};
    this.handle({ processId, input, token, known: null, from, worked: () => undefined });
  }

  private work(task: Task): void {
    const settle = (worked: Worked): void => {
      const turn = this.turns.get(task.processId)!;
      turn.shift();
      task.worked(worked);
      if (turn.length === 0) this.turns.delete(task.processId);
      else this.work(turn[0]!);
    };
    const reload = (): void => {
      this.cache.delete(task.processId);
      this.load(task.processId, ({ live, successor }) => {
        if (live !== null) return this.attempt(live, task, settle);
        const passed = successor === null ? null : passOn(successor.process, task.processId, task.input, task.token);
        if (passed === null) return settle('ignored');
        this.handle({
          processId: successor!.process.id,
          input: passed,
          token: null,
          known: null,
          from: task.from,
          worked: settle,
        });
      });
    };
    const cached = task.known ?? this.cache.get(task.processId) ?? null;
    if (cached === null) return reload();
    this.attempt(cached, task, (worked) => {
      if (worked === 'ignored' && task.known === null) reload();
      else settle(worked);
    });
  }

  private attempt(work: WorkRow, task: Task, worked: (worked: Worked) => void, tries = 0): void {
    const { mutant } = this.link;
    if (task.token !== null && task.token !== work.process.token && mutant !== 'token-ignored')
      return worked('ignored');
    if (tries >= MAX_TRIES) return worked('failed');
    this.aroundProcess(work.process, (around) => {
      const { process, input } = this.spoiled(work.process, task.input);
      const decision = decide(process, work.resource, around, input);
      if (decision.kind === 'ignore') return worked('ignored');
      if (decision.kind === 'refuse') return worked('failed');
      const { effects } = decision;
      if (decision.kind === 'effects') {
        this.runEffects(effects, work, around, process);
        return worked('done');
      }
      const { transition } = decision;
      const cause: Cause = { kind: 'input', processId: task.processId, input: task.input, from: task.from };
      if (mutant === 'publish-before-commit') this.publishEarly(work, transition, effects, around);
      this.commit(transition, cause, (committed) => {
        if (committed === null) return this.unknown(work, task, worked);
        if (mutant === 'merged-twice' && committed.repeated && committed.outcome.outcome === 'conflict')
          return this.again(committed.outcome, task, worked);
        const after = afterStep(transition, work, committed);
        switch (after.kind) {
          case 'carryOut':
            if (typeof after.wakeMillis === 'number' && after.wakeMillis < POLL_MILLIS)
              this.link.later(after.wakeMillis, () => this.hurry());
            this.carryOut([...effects, ...after.effects], after.process, after.resource, work, around);
            return worked('done');
          case 'again':
            return this.attempt(after, task, worked, tries + 1);
          case 'staleRegistry':
            return this.refreshRegistry(() => this.attempt(work, task, worked, tries + 1));
          case 'settled':
            return worked('done');
          case 'gone':
            this.cache.delete(process.id);
            return worked('ignored');
          case 'fail':
            return worked('failed');
        }
      });
    });
  }

  private keep(work: WorkRow): void {
    this.cache.set(work.process.id, work);
  }

  private claim(): void {
    if (this.link.mutant === 'recovery-at-boot' && this.claims++ > 0) return;
    this.claiming = true;
    this.hinted = false;
    const rest = (millis: number): void => {
      this.claiming = false;
      if (this.hinted) return this.claim();
      const { claims } = this;
      this.link.later(millis, () => {
        // Unless a hint was faster.
        if (!this.claiming && claims === this.claims) this.claim();
      });
    };
    this.claims++;
    this.link.request(
      READ_MILLIS,
      () => this.link.store.claim(CLAIM_LIMIT, CLAIM_LEASE_MILLIS),
      (claimed) => {
        if (claimed === null) return rest(POLL_MILLIS);
        const { work, nextInMillis } = claimed;
        if (work.length === 0) return rest(Math.max(10, Math.min(POLL_MILLIS, nextInMillis ?? POLL_MILLIS)));
        let open = work.length;
        for (const known of work)
          this.handle({
            processId: known.process.id,
            input: { kind: 'wake' },
            token: null,
            known,
            from: null,
            worked: () => {
              if (--open === 0) this.claim();
            },
          });
      },
    );
  }

  private renew(): void {
    const sentAt = this.link.monotonic();
    const request = this.leases.request(sentAt);
    this.link.request(
      LEASE_ANSWER_MILLIS,
      () => this.link.store.lease(this.name, request),
      (answer) => {
        if (answer !== null) {
          const { gained, lost } = this.leases.answered(sentAt, answer.slots, answer.liveProcesses);
          for (const slot of lost) this.replies.lost(slot);
          for (const { slot, epoch, lapsed } of gained) this.replies.gained(slot, epoch, lapsed);
        }
        const ready = this.leases.home(this.link.monotonic()) !== null;
        this.link.later(ready && answer !== null ? RENEW_MILLIS : RETRY_MILLIS, () => this.renew());
        if (ready) for (const then of this.waitingForHome.splice(0)) then();
      },
    );
  }

  private pollRegistry(): void {
    this.refreshRegistry(() => undefined);
    this.link.later(REGISTRY_POLL_MILLIS, () => this.pollRegistry());
  }

  /** One waiting process asked its handler again: unless nobody subscribes, the others are released. */
  private probed(handler: string): void {
    if (this.probes.has(handler)) return;
    this.probes.add(handler);
    this.absent.delete(handler);
    const release = (): void => {
      if (this.absent.has(handler)) return void this.probes.delete(handler);
      this.link.request(
        READ_MILLIS,
        () => {
          const woken = this.link.store.release(handler, RELEASE_BATCH);
          if (woken > 0) this.link.hintDue();
          return woken;
        },
        (released) => {
          if (released === null || released === 0) this.probes.delete(handler);
          else this.link.later(PRESENCE_MILLIS, release);
        },
      );
    };
    this.link.later(PRESENCE_MILLIS, release);
  }

  // Planted defects.

  private spoiled(process: ProcessRow, input: Input): { process: ProcessRow; input: Input } {
    const { mutant } = this.link;
    if (mutant === 'attempt-ignored' && input.kind === 'reply')
      return { process, input: { ...input, dispatch: process.dispatch } };
    if (mutant === 'retries-without-bound' && process.status === 'backoff')
      return { process: { ...process, progress: { ...process.progress, attempt: 0 } }, input };
    if (mutant === 'done-step-again' && process.status === 'backoff' && input.kind === 'wake') {
      const { done: _done, step: _step, ...progress } = process.progress;
      return { process: { ...process, status: 'ready', progress }, input };
    }
    return { process, input };
  }

  private publishEarly(work: WorkRow, { update }: CommitTransition, effects: Effect[], around: Surroundings): void {
    if (update === null || !effects.some(({ kind }) => kind === 'dispatch')) return;
    const { status, dispatch, progress, slot } = update;
    this.dispatch({ ...work, process: { ...work.process, status, dispatch, progress, slot } }, around);
  }

  private again(
    outcome: { resource: ResourceRow | null; process: ProcessRow | null },
    task: Task,
    worked: (worked: Worked) => void,
  ): void {
    const { resource, process } = outcome;
    if (resource === null || process === null || task.input.kind !== 'reply') return worked('done');
    this.attempt(
      { process, resource },
      { ...task, token: null, input: { ...task.input, dispatch: process.dispatch } },
      worked,
    );
  }

  private unknown(work: WorkRow, task: Task, worked: (worked: Worked) => void): void {
    const { input } = task;
    if (input.kind !== 'reply') return worked('failed');
    const error = { code: 'CommitFailed', message: 'The commit failed', retryable: true };
    const reply = { kind: 'failed', error } as const;
    this.attempt(work, { ...task, input: { ...input, reply } }, worked);
  }
}
