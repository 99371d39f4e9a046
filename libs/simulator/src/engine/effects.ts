import type { ProcessRow, WorkRow } from '@drover/contracts';
import {
  type BoundStep,
  type Effect,
  isOutDurably,
  stepsOf,
  type Surroundings,
  unpackProgress,
} from '@drover/process-model';
import type { SimEngine } from './sim-engine.js';

const READ_MILLIS = 3_000;
const PRESENCE_MILLIS = 250;
const RELEASE_BATCH = 500;

/** What follows a commit (apps/process-engine/src/lifecycle/effects.ts): sends, runs, goes on. */
export class Effects {
  /** attempts that run in this engine */
  private readonly running = new Set<string>();
  /** handlers that were found absent since their last probe */
  private readonly absent = new Set<string>();
  private readonly probes = new Set<string>();

  constructor(private readonly engine: SimEngine) {}

  run(effects: Effect[], work: WorkRow, around: Surroundings, before: ProcessRow | null): void {
    const { process } = work;
    if (process.status === 'waitingHandler' && process.waitingHandler !== null) this.absent.add(process.waitingHandler);
    for (const effect of effects) {
      this.engine.link.crashPoint();
      this.carryOut(effect, work, around, before);
    }
  }

  /** Sends the event of the attempt under way. */
  send(work: WorkRow, around: Surroundings, before: ProcessRow | null = null): void {
    const { engine } = this;
    const { process } = work;
    const { id, dispatch, token } = process;
    const step = stepOf(work, around);
    if (isOutDurably(process)) {
      if (step !== undefined) engine.durable.send(work, step);
      return;
    }
    if (!engine.slots.holds(process.slot)) engine.background(id, { kind: 'unsent', dispatch });
    else if (step !== undefined)
      engine.link.publish(work, step, () =>
        engine.handle({ processId: id, input: { kind: 'noResponders', dispatch }, token }),
      );
    if (before?.status !== 'waitingHandler' || before.waitingHandler === null) return;
    this.probed(before.waitingHandler);
    if (!before.resend) engine.link.later(PRESENCE_MILLIS, () => engine.background(id, { kind: 'heard', dispatch }));
  }

  private carryOut(effect: Effect, work: WorkRow, around: Surroundings, before: ProcessRow | null): void {
    const { engine } = this;
    const { process } = work;
    switch (effect.kind) {
      case 'dispatch':
        return this.send(work, around, before);
      case 'release':
        return this.probed(effect.handler);
      case 'withdraw':
        return engine.durable.withdraw(effect);
      case 'run':
        return this.runInProcess(work, around);
      case 'advance':
        return engine.background(process.id, { kind: 'advance' });
      case 'related':
      case 'startChildren':
      case 'cancelChildren':
        return engine.related.asked(effect, work);
      case 'admit':
        return engine.admissions.ask(effect.handler, effect.waits ? process.id : null);
      case 'outcome':
        return engine.admissions.report(effect.handler, effect.failed);
      case 'cancelNotice':
        return engine.link.notice(effect.handler, effect.id);
      case 'ended':
        engine.link.ended(effect.processId, effect.exitReason);
        // Its parent fell due in the same commit.
        if (process.parentId !== null) engine.dueWork.expect(0);
    }
  }

  private runInProcess(work: WorkRow, around: Surroundings): void {
    const { id, dispatch } = work.process;
    const attempt = `${id}.${dispatch}`;
    const step = stepOf(work, around);
    if (this.running.has(attempt) || step === undefined) return;
    this.running.add(attempt);
    this.engine.link.runInProcess(work, step, (reply) => {
      this.running.delete(attempt);
      this.engine.background(id, { kind: 'reply', dispatch, reply });
    });
  }

  /** One waiting process asked its handler again: unless nobody subscribes, the others are released. */
  private probed(handler: string): void {
    if (this.probes.has(handler)) return;
    const { link } = this.engine;
    this.probes.add(handler);
    this.absent.delete(handler);
    const release = (): void => {
      if (this.absent.has(handler)) return void this.probes.delete(handler);
      link.request(
        READ_MILLIS,
        () => {
          const woken = link.store.dueWork.release(handler, RELEASE_BATCH);
          if (woken > 0) link.hintDue();
          return woken;
        },
        (released) => {
          if (released === null || released === 0) this.probes.delete(handler);
          else link.later(PRESENCE_MILLIS, release);
        },
      );
    };
    link.later(PRESENCE_MILLIS, release);
  }
}

function stepOf({ process }: WorkRow, around: Surroundings): BoundStep | undefined {
  const { step } = unpackProgress(process.progress);
  return stepsOf(around, process.name).find((bound) => bound.key === step);
}
