import type { CommitOutcome, CommitTransition, HandlerLimits, WorkRow } from '@drover/contracts';
import {
  attemptId,
  type BoundStep,
  type HandlerReply,
  type ProcessDefinition,
  stepKey,
  type TypeDefinition,
  unpackProgress,
} from '@drover/process-model';
import type { Cause } from '../checks/cause.js';
import type { Mutant } from '../mutants.js';
import { behave, type HandlerEvent } from '../outside/handlers.js';
import type { WorkStream } from '../outside/work-stream.js';
import type { Random } from '../random.js';
import type { StoreModel } from '../store/store-model.js';
import type { World } from '../world/world.js';
import type { Address, EngineLink, Registry, StoredReply } from './link.js';
import { SimEngine } from './sim-engine.js';

/** Of a handler that declares none. */
const DEFAULT_TIMEOUT_MILLIS = 8_000;

/** An engine dies here: nothing of it goes on, and nobody is told. */
export class Crash extends Error {}

/** One life of an engine's program, with its clocks, its connection, and what it has not got round to. */
export class EngineLife implements EngineLink {
  alive = true;
  readonly random: Random;
  readonly mutant: Mutant | null;
  readonly store: StoreModel;
  readonly work: WorkStream;
  readonly engine: SimEngine;
  private pausedUntil = 0;
  private backlog: (() => void)[] = [];
  /** its monotonic clock began somewhere, and runs a little fast or slow */
  private readonly clockOffset: number;
  private readonly clockRate: number;
  /** its wall clock may be hours off */
  private readonly wallSkew: number;

  constructor(
    private readonly world: World,
    readonly name: string,
  ) {
    this.random = world.random;
    this.mutant = world.mutant;
    this.store = world.store;
    this.work = world.work;
    this.clockOffset = this.random.int(0, 1_000_000);
    this.clockRate = world.sound ? 1 : 0.97 + this.random.next() * 0.06;
    this.wallSkew = world.sound ? 0 : this.random.int(-3_600_000, 3_600_000);
    this.engine = new SimEngine(name, this);
  }

  die(): void {
    if (!this.alive) return;
    this.alive = false;
    this.backlog = [];
    this.world.note(() => `${this.name} dies`);
    this.world.broker.close(this);
    this.world.engineDied(this);
  }

  /** Stops, as a program does whose machine is asleep, and then goes on where it was. */
  pause(millis: number): void {
    this.world.note(() => `${this.name} is paused for ${millis} ms`);
    this.pausedUntil = this.world.now + millis;
    this.world.at(millis, () => {
      if (!this.alive || this.world.now < this.pausedUntil) return;
      const { backlog } = this;
      this.backlog = [];
      for (const run of backlog) this.run(run);
    });
  }

  /** Does something inside this engine: now, or when it is awake again. */
  run(inside: () => void): void {
    if (!this.alive) return;
    if (this.world.now < this.pausedUntil) {
      this.backlog.push(inside);
      return;
    }
    try {
      inside();
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      this.die();
    }
  }

  crashPoint(): void {
    if (this.random.chance(this.world.faults.crashInside)) throw new Crash();
  }

  monotonic(): number {
    return this.clockOffset + this.world.now * this.clockRate;
  }

  databaseNow(): number {
    return Math.floor(this.world.now) + this.wallSkew;
  }

  later(millis: number, run: () => void): void {
    this.world.at(Math.max(0, millis) / this.clockRate, () => this.run(run));
  }

  request<T>(timeoutMillis: number, ask: () => T | undefined, answered: (answer: T | null) => void): void {
    const { world } = this;
    const there = world.travel();
    if (there === null) return this.later(this.random.chance(0.5) ? 2 : timeoutMillis, () => answered(null));
    let answer: T | undefined;
    world.at(there, () => (answer = ask()));
    const back = world.travel();
    const sentAt = this.monotonic();
    if (back === null || there + back >= timeoutMillis) return this.later(timeoutMillis, () => answered(null));
    world.at(there + back, () =>
      this.run(() => {
        // Asleep for longer than the answer was awaited: which of the two is noticed first is chance.
        const late = this.monotonic() - sentAt > timeoutMillis && this.random.chance(0.5);
        if (answer === undefined || late) this.later(late ? 0 : timeoutMillis, () => answered(null));
        else answered(answer);
      }),
    );
  }

  askBroker<T>(timeoutMillis: number, ask: () => T | undefined, answered: (answer: T | null) => void): void {
    this.request(timeoutMillis, () => (this.world.brokerDown ? undefined : ask()), answered);
  }

  commitBatch(batch: { transition: CommitTransition; cause: Cause }[]): CommitOutcome[] | undefined {
    const outcomes: CommitOutcome[] = [];
    for (const { transition, cause } of batch) {
      // The store dies between two of its transactions.
      if (this.random.chance(this.world.faults.loss / 4)) {
        this.store.feedTable.rolledBack();
        return undefined;
      }
      outcomes.push(this.world.commit(transition, cause));
    }
    return outcomes;
  }

  readRegistry(): Registry {
    return this.world.registry;
  }

  hintDue(): void {
    this.world.hintDue();
  }

  typeAt(name: string, version: number): TypeDefinition {
    return this.world.typeAt(name, version);
  }

  processNamed(name: string): ProcessDefinition {
    return this.world.processNamed(name);
  }

  publish(work: WorkRow, step: BoundStep, unheard: () => void): void {
    const { world } = this;
    this.emitted(work);
    if (world.brokerDown) return;
    const outside = world.outside.get(step.handler.name);
    if (outside === undefined || !outside.present) return this.later(2, unheard);
    const copies = this.random.chance(world.faults.twice) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const there = world.travel();
      if (there === null) continue;
      world.at(there, () => outside.take(eventOf(work, step)));
    }
  }

  publishDurably(work: WorkRow, step: BoundStep): number | undefined {
    const { id, dispatch } = work.process;
    this.emitted(work);
    return this.work.publish(step.handler.name, attemptId(id, dispatch), eventOf(work, step));
  }

  admitted(handler: string, limits: HandlerLimits, work: readonly WorkRow[]): void {
    this.world.checks.gates.admitted(handler, limits, work);
  }

  purging(resourceId: number, removed: number, commandId: string): void {
    this.world.note(() => `${this.name} purges ${resourceId}, removed ${this.world.now - removed} ms ago`);
    this.world.checks.purges.sweeping(commandId);
  }

  notice(handler: string, attempt: string): void {
    this.world.note(() => `${this.name} tells ${handler} that ${attempt} is cancelled`);
  }

  runInProcess(work: WorkRow, step: BoundStep, answered: (reply: HandlerReply) => void): void {
    this.emitted(work);
    const event = eventOf(work, step);
    this.world.checks.took(event.address);
    // In-process handlers answer once, and never twice; what is no reply is a failure.
    const [first] = behave(this.random, event, this.world.faults.trouble / 3);
    if (first === undefined || first.forged === true) return;
    const reply: HandlerReply =
      first.reply.kind === 'rejected' || first.reply.kind === 'progress'
        ? { kind: 'failed', error: { code: 'UNKNOWN_EXCEPTION', message: 'thrown', retryable: true } }
        : first.reply;
    this.later(first.afterMillis, () => {
      this.world.checks.gave(event.address, reply);
      answered(reply);
    });
  }

  ended(processId: number, exitReason: string): void {
    this.world.note(() => `process ${processId} is over: ${exitReason}`);
  }

  openSlot(slot: number, received: (reply: StoredReply) => void): boolean {
    if (this.world.brokerDown) return false;
    return this.world.broker.open(slot, this, (stored) => this.run(() => received(stored)));
  }

  closeSlot(slot: number): void {
    this.world.broker.close(this, slot);
  }

  unread(slot: number): number {
    return this.world.broker.unread(slot);
  }

  acknowledged(address: Address, reply: HandlerReply): void {
    this.world.checks.acknowledged(address, reply);
  }

  token(): string {
    return this.world.token();
  }

  note(text: () => string): void {
    this.world.note(text);
  }

  /** What goes out is compared with what was committed, and with who holds the slot. */
  private emitted(work: WorkRow): void {
    const { process } = work;
    const progress = unpackProgress(process.progress);
    const key = stepKey(process.id, process.name, progress, progress.step ?? '');
    const lease = process.slot === null ? undefined : this.store.slots[process.slot];
    // A stored event keeps the slot that it names, whoever holds it by now.
    const fenced = process.status === 'dispatched' && progress.work === null;
    const leased = !fenced || (lease?.engine === this.name && lease.expiresAt >= this.world.now);
    this.world.note(
      () => `${this.name} sends ${attemptId(process.id, process.dispatch)}: ${process.name} ${progress.step}`,
    );
    this.world.checks.emitted(work, key, this.name, leased);
  }
}

function eventOf({ process }: WorkRow, { handler }: BoundStep): HandlerEvent {
  const { slot, id, dispatch, token, name } = process;
  const address = { slot: slot!, process: id, dispatch, token };
  return { address, processName: name, timeoutMillis: handler.timeoutMillis ?? DEFAULT_TIMEOUT_MILLIS };
}
