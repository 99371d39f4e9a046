import { Injectable } from '@nestjs/common';
import type { CommitOutcome, ProcessRow, ResourceRow, WorkRow } from '@drover/contracts';
import { ChurningMap, DroverError, monotonicMillis } from '@drover/kernel';
import {
  afterStep,
  decide,
  type Effect,
  type Input,
  passOn,
  processAfter,
  progressPeriodMillis,
  resourceAfter,
  resumeEffects,
  type StartDecision,
  type Surroundings,
  unpackProgress,
} from '@drover/process-model';
import { Committer } from '../commit/committer.js';
import { Admissions } from '../gates/admissions.js';
import { EngineRegistry } from '../registry/engine-registry.js';
import { RelatedReads } from '../related/related-reads.js';
import { Effects } from './effects.js';
import { EngineLoad } from './engine-load.js';
import { WakeUps } from './wake-ups.js';
import { WorkLoader } from './work-loader.js';

/** Live processes kept from the last commit, so that most replies need no read. */
const MAX_CACHED = 50_000;
/** Decisions in a row that may lose against other writers of one resource before the input is given back. */
const MAX_TRIES = 50;

type Applied = Extract<CommitOutcome, { outcome: 'applied' }>;

/**
 * The engine's loop: input → decide → commit → effects. Everything that happens to a live process passes through {@link handle};
 * inputs of one process are worked on one after the other. The cache is a guess: the commit's guards tell when it is old.
 */
@Injectable()
export class Lifecycle {
  private readonly cache = new ChurningMap<number, WorkRow>();
  private readonly turns = new ChurningMap<number, Promise<unknown>>();
  /** what the intake must know */
  readonly load = new EngineLoad(() => this.turns.size);

  constructor(
    private readonly committer: Committer,
    private readonly registry: EngineRegistry,
    private readonly loader: WorkLoader,
    private readonly effects: Effects,
    private readonly wakeUps: WakeUps,
    private readonly reads: RelatedReads,
    admissions: Admissions,
  ) {
    effects.attach((processId, input) => this.handle(processId, input));
    admissions.attach((...input) => this.handle(...input));
  }

  /** The step a process is at, `<phase>.<handler>`, as far as this engine remembers. */
  stepOf(processId: number): string | null {
    const work = this.cache.get(processId);
    return work === undefined ? null : unpackProgress(work.process.progress).step;
  }

  /** How long progress of a process may be kept back, milliseconds. Of one that this engine does not remember, hardly. */
  progressPeriodOf(processId: number): number {
    const work = this.cache.get(processId);
    return progressPeriodMillis(work === undefined ? 0 : work.process.deadlineInMillis);
  }

  /**
   * Works one input into a live process.
   * @param token when given, the input came from outside and must name the process's secret
   * @returns false when nothing followed: a late or repeated input
   * @throws DroverError the refusal of an operator's act
   */
  handle(processId: number, input: Input, token: string | null = null, known: WorkRow | null = null): Promise<boolean> {
    const came = monotonicMillis();
    this.load.cameBack(processId);
    const before = this.turns.get(processId);
    const begin = (): Promise<boolean> => this.work(processId, input, token, known);
    const turn = before === undefined ? begin() : before.then(begin, begin);
    const over = (): void => {
      this.load.worked(monotonicMillis() - came);
      if (this.turns.get(processId) === turn) this.turns.delete(processId);
    };
    this.turns.set(processId, turn);
    turn.then(over, over);
    return turn;
  }

  /** Remembers and carries out what a commit that started a process left to do; answers the resource after it. */
  async started(
    decision: StartDecision,
    applied: Applied,
    before: WorkRow | null,
    around: Surroundings,
  ): Promise<ResourceRow> {
    const process = processAfter(before?.process ?? null, decision.transition, applied);
    this.wakeUps.expect(decision.transition.start?.wakeMillis ?? null);
    const resource = resourceAfter(before?.resource ?? null, decision.transition, applied);
    await this.carryOut(decision.effects, process, resource, before, around);
    return resource;
  }

  /** A start whose first commit went unanswered may have happened without its event: asks for the event again. */
  async resume(processId: number): Promise<void> {
    const { live } = await this.loader.load(processId);
    if (live === null) return;
    const around = await this.registry.aroundProcess(live.process);
    this.keep(live);
    await this.effects.run(resumeEffects(live.process), live, around, null);
  }

  private async work(processId: number, input: Input, token: string | null, known: WorkRow | null): Promise<boolean> {
    // An operator is refused only by what the database says.
    const remembered = input.kind === 'operate' ? undefined : this.cache.get(processId);
    const cached = known ?? remembered ?? null;
    if (cached !== null) {
      const result = await this.attempt(cached, input, token);
      if (result !== 'ignored' || known !== null) return result === 'done';
    }
    // Nothing cached, or the cached row was behind: another engine may have moved the process on.
    this.cache.delete(processId);
    const { live, successor } = await this.loader.load(processId);
    if (live !== null) return (await this.attempt(live, input, token)) === 'done';
    const passed = successor === null ? null : passOn(successor.process, processId, input, token);
    return passed !== null && this.handle(successor!.process.id, passed);
  }

  private async attempt(work: WorkRow, input: Input, token: string | null): Promise<'done' | 'ignored'> {
    if (token !== null && token !== work.process.token) return 'ignored';
    let { process, resource } = work;
    let refusals: ReadonlyMap<string, string> | null = null;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const around = await this.registry.aroundProcess(process);
      if (refusals !== null) around.refusals = refusals;
      const decision = decide(process, resource, around, input);
      if (decision.kind === 'ignore') return 'ignored';
      if (decision.kind === 'refuse') throw decision.error;
      const before = { process, resource };
      if (decision.kind === 'effects') {
        await this.effects.run(decision.effects, before, around, process);
        return 'done';
      }
      const committed = await this.committer.commit(decision.transition);
      const after = afterStep(decision.transition, before, committed, input);
      switch (after.kind) {
        case 'carryOut':
          this.wakeUps.expect(after.wakeMillis);
          await this.carryOut([...decision.effects, ...after.effects], after.process, after.resource, before, around);
          return 'done';
        case 'again':
          ({ process, resource } = after);
          refusals = after.related ? await this.reads.refusals(around.type, resource) : null;
          break;
        case 'overtaken':
          return 'ignored';
        case 'staleRegistry':
          await this.registry.mirror.refresh();
          break;
        case 'settled':
          if (after.ours) await this.resume(process.id);
          return 'done';
        case 'gone':
          this.cache.delete(process.id);
          return 'ignored';
        case 'fail':
          throw after.error;
      }
    }
    throw new DroverError('ResourceBusy', `resource ${resource.id} changed ${MAX_TRIES} times during one decision`);
  }

  private async carryOut(
    effects: Effect[],
    process: ProcessRow | null,
    resource: ResourceRow,
    before: WorkRow | null,
    around: Surroundings,
  ): Promise<void> {
    if (before !== null && before.process.id !== process?.id) this.cache.delete(before.process.id);
    const after = process === null ? null : { process, resource };
    if (after !== null) this.keep(after);
    else {
      this.load.rested();
      if (before === null) return;
    }
    await this.effects.run(effects, after ?? { process: before!.process, resource }, around, before?.process ?? null);
  }

  /** Of one that waits for an absent handler, the next input is a wake-up, which comes with the row; and there may be very many. */
  private keep(work: WorkRow): void {
    const { id, status } = work.process;
    if (status === 'dispatched' || status === 'running') this.load.askedHandler(id);
    else if (status !== 'ready') this.load.rested();
    if (status === 'waitingHandler') return void this.cache.delete(id);
    if (this.cache.size >= MAX_CACHED) this.cache.delete(this.cache.keys().next().value!);
    this.cache.set(id, work);
  }
}
