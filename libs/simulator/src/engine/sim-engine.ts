import type { CommitTransition, ProcessRow, ResourceRow, WorkRow } from '@drover/contracts';
import {
  afterStep,
  type Committed,
  decide,
  type Effect,
  type Input,
  passOn,
  progressPeriodMillis,
  resumeEffects,
  type Surroundings,
} from '@drover/process-model';
import type { Cause } from '../checks/cause.js';
import { Admissions } from './admissions.js';
import { Commands } from './commands.js';
import { CommitLane } from './commit-lane.js';
import { DueWorkLoop } from './due-work.js';
import { DurableDelivery } from './durable-delivery.js';
import { Effects } from './effects.js';
import type { Address, EngineLink } from './link.js';
import { spoiled, unwaited } from './planted.js';
import { Purges } from './purges.js';
import { RegistryView } from './registry-view.js';
import { Related } from './related.js';
import { ReplyReader } from './reply-reader.js';
import { SlotKeeper } from './slot-keeper.js';

const MAX_TRIES = 50;
const READ_MILLIS = 3_000;

/** `done`: something was committed; `ignored`: a late or repeated input; `failed`: nobody knows, or it is to be repeated. */
export type Worked = 'done' | 'ignored' | 'failed';

interface Task {
  processId: number;
  input: Input;
  /** that the input names, or null: it comes from the engine itself */
  token: string | null;
  /** the process as it was just read, or null */
  known: WorkRow | null;
  from: Address | null;
  worked: (worked: Worked) => void;
}

type Asked = Pick<Task, 'processId' | 'input'> & Partial<Task>;

const nobodyWaits = (): void => undefined;

/**
 * One life of a process-engine: the loop of apps/process-engine with callbacks in place of promises. What is decided, and what an
 * answer means, is the product's own code; here is only the order in which it is called. All of it is lost when the engine dies.
 */
export class SimEngine {
  readonly slots: SlotKeeper;
  readonly registry: RegistryView;
  readonly commands = new Commands(this);
  readonly admissions = new Admissions(this);
  readonly dueWork = new DueWorkLoop(this);
  readonly related = new Related(this);
  readonly durable: DurableDelivery;
  private readonly effects = new Effects(this);
  private readonly replies: ReplyReader;
  private readonly starts: CommitLane;
  private readonly steps: CommitLane;
  private readonly cache = new Map<number, WorkRow>();
  private readonly turns = new Map<number, Task[]>();

  constructor(
    readonly name: string,
    readonly link: EngineLink,
  ) {
    this.slots = new SlotKeeper(name, link);
    this.registry = new RegistryView(link, this.slots);
    this.starts = new CommitLane(link);
    this.steps = new CommitLane(link);
    this.replies = new ReplyReader(this);
    this.durable = new DurableDelivery(this);
    this.slots.start(this.replies);
    this.dueWork.claim();
    new Purges(this).start();
  }

  /** How long progress of a process may be kept back, as the engine has it. */
  progressPeriodOf(processId: number): number {
    const work = this.cache.get(processId);
    return progressPeriodMillis(work === undefined ? 0 : work.process.deadlineInMillis);
  }

  /** The connection to the broker is back. */
  reconnected(): void {
    this.replies.reconnected();
    this.durable.reconnected();
  }

  /** What is out in all slots of this engine is sent again. */
  wakeAllSlots(woken: () => void): void {
    this.replies.wakeAll(woken);
  }

  /** Works an input into a live process; inputs of one process are worked on one after the other. */
  handle({ processId, input, token = null, known = null, from = null, worked = nobodyWaits }: Asked): void {
    const task: Task = { processId, input, token, known, from, worked };
    const turn = this.turns.get(processId);
    if (turn !== undefined) {
      turn.push(task);
      return;
    }
    this.turns.set(processId, [task]);
    this.work(task);
  }

  /** As {@link handle}, for an input of the engine's own that nobody waits for. */
  background(processId: number, input: Input): void {
    this.handle({ processId, input });
  }

  /** A commit went unanswered and had happened: its effects are carried out now. */
  resume(processId: number, resumed: () => void): void {
    this.load(processId, ({ live }) => {
      if (live === null) return resumed();
      this.registry.aroundProcess(live.process, (around) => {
        this.keep(live);
        this.effects.run(resumeEffects(live.process), live, around, null);
        resumed();
      });
    });
  }

  commit(transition: CommitTransition, cause: Cause, committed: (committed: Committed | null) => void): void {
    this.link.crashPoint();
    (transition.processId === null ? this.starts : this.steps).add({ transition, cause, committed });
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
    this.effects.run(effects, after ?? { process: before!.process, resource }, around, before?.process ?? null);
  }

  load(processId: number, loaded: (work: { live: WorkRow | null; successor: WorkRow | null }) => void): void {
    this.link.request(
      READ_MILLIS,
      () => this.link.store.dueWork.load(processId),
      (answer) => (answer === null ? this.load(processId, loaded) : loaded(answer)),
    );
  }

  private work(task: Task): void {
    const settle = (worked: Worked): void => {
      const turn = this.turns.get(task.processId)!;
      turn.shift();
      task.worked(worked);
      if (turn.length === 0) this.turns.delete(task.processId);
      else this.work(turn[0]!);
    };
    // An operator is refused only by what the database says.
    const remembered = task.input.kind === 'operate' ? null : (this.cache.get(task.processId) ?? null);
    const cached = task.known ?? remembered;
    if (cached === null) return this.workLoaded(task, settle);
    this.attempt(cached, task, (worked) => {
      if (worked === 'ignored' && task.known === null) this.workLoaded(task, settle);
      else settle(worked);
    });
  }

  private workLoaded(task: Task, settle: (worked: Worked) => void): void {
    this.cache.delete(task.processId);
    this.load(task.processId, ({ live, successor }) => {
      if (live !== null) return this.attempt(live, task, settle);
      const input = successor === null ? null : passOn(successor.process, task.processId, task.input, task.token);
      if (input === null) return settle('ignored');
      this.handle({ processId: successor!.process.id, input, from: task.from, worked: settle });
    });
  }

  private attempt(work: WorkRow, task: Task, worked: (worked: Worked) => void, tries = 0): void {
    const { mutant } = this.link;
    if (task.token !== null && task.token !== work.process.token && mutant !== 'token-ignored')
      return worked('ignored');
    if (tries >= MAX_TRIES) return worked('failed');
    this.registry.aroundProcess(work.process, (around) => {
      const asked = spoiled(mutant, { process: work.process, input: task.input, around });
      const decision = decide(asked.process, work.resource, asked.around, asked.input);
      if (decision.kind === 'ignore') return worked('ignored');
      if (decision.kind === 'refuse') return worked('failed');
      const { effects } = decision;
      if (decision.kind === 'effects') {
        this.effects.run(effects, work, around, work.process);
        return worked('done');
      }
      const { transition } = decision;
      if (mutant === 'publish-before-commit') this.publishEarly(work, transition, effects, around);
      const { processId, input, from } = task;
      this.commit(transition, { kind: 'input', processId, input, from }, (committed) => {
        if (committed === null) return this.unknown(work, task, worked);
        if (mutant === 'merged-twice' && committed.repeated && committed.outcome.outcome === 'conflict')
          return this.mergeAgain(committed.outcome, task, worked);
        this.committed(transition, effects, work, around, committed, task, worked, tries);
      });
    });
  }

  private committed(
    transition: CommitTransition,
    effects: Effect[],
    work: WorkRow,
    around: Surroundings,
    committed: Committed,
    task: Task,
    worked: (worked: Worked) => void,
    tries: number,
  ): void {
    const { id } = work.process;
    const after = afterStep(transition, work, committed, task.input);
    switch (after.kind) {
      case 'carryOut':
        this.dueWork.expect(after.wakeMillis);
        this.carryOut([...effects, ...after.effects], after.process, after.resource, work, around);
        return worked('done');
      case 'again':
        return this.attempt(after, task, worked, tries + 1);
      case 'overtaken':
        return worked('ignored');
      case 'staleRegistry':
        return this.registry.refresh(() => this.attempt(work, task, worked, tries + 1));
      case 'settled':
        return after.ours ? this.resume(id, () => worked('done')) : worked('done');
      case 'gone':
        this.cache.delete(id);
        return worked('ignored');
      case 'fail':
        return worked('failed');
    }
  }

  private keep(work: WorkRow): void {
    this.cache.set(work.process.id, work);
  }

  // Planted defects.

  private publishEarly(work: WorkRow, transition: CommitTransition, effects: Effect[], around: Surroundings): void {
    const early = effects.some(({ kind }) => kind === 'dispatch') ? unwaited(work, transition) : null;
    if (early !== null) this.effects.send(early, around);
  }

  private mergeAgain(
    { resource, process }: { resource: ResourceRow | null; process: ProcessRow | null },
    task: Task,
    worked: (worked: Worked) => void,
  ): void {
    const { input } = task;
    if (resource === null || process === null || input.kind !== 'reply') return worked('done');
    const again = { ...task, token: null, input: { ...input, dispatch: process.dispatch } };
    this.attempt({ process, resource }, again, worked);
  }

  private unknown(work: WorkRow, task: Task, worked: (worked: Worked) => void): void {
    const { input } = task;
    if (input.kind !== 'reply') return worked('failed');
    const error = { code: 'CommitFailed', message: 'The commit failed', retryable: true };
    this.attempt(work, { ...task, input: { ...input, reply: { kind: 'failed', error } } }, worked);
  }
}
