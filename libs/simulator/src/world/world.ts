import type { CommitOutcome, CommitTransition } from '@drover/contracts';
import { ownProcess, type ProcessDefinition, type TypeDefinition } from '@drover/process-model';
import { Replica } from '../background/replica.js';
import type { Cause } from '../checks/cause.js';
import { Checks } from '../checks/checks.js';
import { EngineLife } from '../engine/engine-life.js';
import type { Registry } from '../engine/link.js';
import { EventQueue } from '../event-queue.js';
import type { Mutant } from '../mutants.js';
import { Broker } from '../outside/broker.js';
import { Clients } from '../outside/clients.js';
import { ExternalHandler } from '../outside/external-handler.js';
import { Pausing } from '../outside/pausing.js';
import { TransitionStream } from '../outside/transition-stream.js';
import { Watcher } from '../outside/watcher.js';
import { WorkStream } from '../outside/work-stream.js';
import { Random } from '../random.js';
import { DAY_MILLIS } from '../store/clean-up.js';
import type { StoreOperation } from '../store/operations.js';
import { StoreModel } from '../store/store-model.js';
import { drawFaults, type Faults, NO_FAULTS, onlyOutside } from './faults.js';
import { storeDefectsOf } from './planted.js';
import { RegistryHistory } from './registry-history.js';
import { EXTERNAL } from './scenario.js';
import { Troubles } from './troubles.js';

/** When every world begins, epoch milliseconds of its database. */
export const BEGINNING = 1_700_000_000_000;
/** Events until the faults stop, at least and at most. */
const TROUBLED_EVENTS = [650, 850] as const;
/** After the faults: every life must have ended, or be parked, within this time and these events. */
const SETTLE_MILLIS = 900_000;
const SETTLE_EVENTS = 40_000;
/** Of so many worlds, one has no trouble at all, and three more have a sound infrastructure. */
const KINDS = 8;
const SOUND: ReadonlySet<number> = new Set([0, 2, 5, 7]);
const CHECK_MILLIS = 500;
const REDELIVER_MILLIS = 1_000;
const REPLY_SLOTS = 4;
const MAX_ENGINES = 3;
const REPLICAS = 2;
/** History is kept for so long, and purged resources with it. */
const RETENTION_DAYS = 31;
const AWAITING_CHILDREN: ReadonlySet<string> = new Set(['waitingChildren', 'canceling']);

export interface WorldOptions {
  seed: number;
  types: readonly TypeDefinition[];
  mutant?: Mutant | null;
  /** told of everything that happens, for reading */
  trace?: (line: string) => void;
  /** told of everything that was asked of the store, with the database's time, epoch milliseconds, and the store after it */
  record?: (operation: StoreOperation, now: number, store: StoreModel) => void;
}

/** Everything around the decisions of one seed: time, engines, store, broker, handlers, clients, and what goes wrong. */
export class World {
  now = BEGINNING;
  events = 0;
  faults: Faults;
  brokerDown = false;
  /** how often it went down: what was on its way then is lost */
  brokerFalls = 0;
  readonly random: Random;
  readonly mutant: Mutant | null;
  /** nothing goes wrong */
  readonly calm: boolean;
  /** nothing goes wrong but outside: engines, store and broker do not fail */
  readonly sound: boolean;
  readonly types: readonly TypeDefinition[];
  readonly store: StoreModel;
  readonly checks: Checks;
  readonly broker: Broker;
  readonly work: WorkStream;
  readonly transitions: TransitionStream;
  readonly outside = new Map<string, ExternalHandler>();
  readonly clients: Clients;
  readonly pausing: Pausing;
  private readonly registries: RegistryHistory;
  private readonly troubles: Troubles;
  private readonly queue = new EventQueue();
  private readonly engines: (EngineLife | null)[];
  /** a handler that has hardly any luck in this world */
  private readonly unlucky: string;
  private boots = 0;
  private tokens = 0;
  private settling = false;

  constructor(private readonly options: WorldOptions) {
    const { seed, types } = options;
    this.random = new Random(seed);
    this.mutant = options.mutant ?? null;
    this.types = types;
    this.calm = seed % KINDS === 0;
    this.sound = SOUND.has(seed % KINDS);
    const drawn = drawFaults(this.random);
    this.faults = this.calm ? NO_FAULTS : this.sound ? onlyOutside(drawn) : drawn;
    this.unlucky = this.random.pick(EXTERNAL).name;
    const now = (): number => Math.floor(this.now);
    this.store = new StoreModel(
      {
        now,
        slots: REPLY_SLOTS,
        defects: storeDefectsOf(this.mutant),
        observer: (applied) => this.checks.applied(applied),
        record: (operation) => options.record?.(operation, now(), this.store),
        commitMillis: () => (this.random.chance(this.faults.lateCommit) ? this.random.int(1, 60) : 0),
      },
      new Map(types.flatMap(({ name, purgeAfterMillis: millis }) => (millis === null ? [] : [[name, millis]]))),
    );
    this.registries = new RegistryHistory(this.random, types, this.store);
    this.engines = Array.from({ length: this.random.int(1, MAX_ENGINES) }, () => null);
    this.broker = new Broker(
      () => this.now,
      (run) => this.at(1, run),
    );
    this.work = new WorkStream(
      () => this.now,
      (handler) => this.outside.get(handler)!.asks,
      (handler) => this.outside.get(handler)!.pull(),
    );
    this.checks = new Checks({
      now: () => this.now,
      store: this.store,
      work: this.work,
      typeAt: (name, version) => this.typeAt(name, version),
      registry: () => this.registry,
      calm: this.calm,
      sound: this.sound,
    });
    const watcher = new Watcher(this.store.feedTable, this.checks.feed);
    this.transitions = new TransitionStream((message) => {
      this.checks.feed.stored(message);
      watcher.see(message);
    });
    for (const { name } of EXTERNAL) this.outside.set(name, new ExternalHandler(this, name));
    this.clients = new Clients(this);
    this.pausing = new Pausing(this);
    this.engines.forEach((_, i) => this.boot(i));
    const replicas = Array.from({ length: REPLICAS }, (_, i) => new Replica(this, `store-${i + 1}`));
    this.troubles = new Troubles(this, replicas);
    this.acting();
    this.redelivering();
    this.checking();
  }

  /** Runs until all has come to rest. */
  run(): void {
    const troubled = this.random.int(...TROUBLED_EVENTS);
    while (this.events < troubled && this.step()) this.troubles.draw();
    this.settle();
    if (this.checks.violations.length === 0) this.checks.atEnd();
    if (this.checks.violations.length === 0) this.cleanUp();
  }

  /** Plans something. @param millis from now */
  at(millis: number, run: () => void): void {
    this.queue.add(this.now + millis, run);
  }

  note(text: () => string): void {
    this.options.trace?.(`${(this.now - BEGINNING).toFixed(1).padStart(9)}  ${text()}`);
  }

  /** How long a message is on its way, milliseconds; null: it is lost. */
  travel(): number | null {
    const { random, faults } = this;
    if (this.brokerDown || random.chance(faults.loss)) return null;
    return random.chance(faults.slow) ? random.int(200, 9_000) : 0.2 + random.next() * 5;
  }

  commit(transition: CommitTransition, cause: Cause): CommitOutcome {
    this.checks.cause = cause;
    const outcome = this.store.commits.commit(transition);
    this.note(
      () =>
        `commit ${describe(transition)}: ${outcome.outcome} (${cause.kind === 'input' ? cause.input.kind : 'command'})`,
    );
    return outcome;
  }

  get registry(): Registry {
    return this.registries.present;
  }

  /** @param version 0: any, where all versions have the same states */
  typeAt(name: string, version: number): TypeDefinition {
    return this.registries.typeAt(name, version);
  }

  processNamed(name: string): ProcessDefinition {
    const found = this.types.flatMap((type) => ownProcess(type, name) ?? []);
    if (found[0] === undefined)
      throw new Error(`there is no process ${name}: give the simulation its type's document too`);
    return found[0];
  }

  /** How often a handler does something other than answer once, in time, with success. */
  troubleOf(handler: string): number {
    const { trouble } = this.faults;
    return handler === this.unlucky ? Math.min(0.9, trouble * 4) : trouble;
  }

  /** Longest silence that a handler is allowed while it works, milliseconds; null: any. */
  heartbeatOf(handler: string): number | null {
    return this.registries.handler(handler)?.heartbeatMillis ?? null;
  }

  /** One of the engines that run, or null. */
  anyEngine(): EngineLife | null {
    const alive = this.engines.filter((life) => life !== null);
    return alive.length === 0 ? null : this.random.pick(alive);
  }

  engineDied(life: EngineLife): void {
    const i = this.engines.indexOf(life);
    this.engines[i] = null;
    this.at(this.settling ? 10 : this.random.int(10, 9_000), () => this.boot(i));
  }

  /** A hint that work is due: each engine hears it, or not. */
  hintDue(): void {
    for (const life of this.engines) {
      const there = this.travel();
      if (life !== null && there !== null) this.at(there, () => life.run(() => life.engine.dueWork.hurry()));
    }
  }

  token(): string {
    return String(++this.tokens).padStart(24, 'a');
  }

  /** A handler is registered or deactivated, or a definition gets another version. */
  changeRegistry(): void {
    this.registries.change();
    const active = this.registry.handlers.handlers.map(({ name }) => name).join(' ');
    this.note(() => `registry revision ${this.registry.revision}: ${active}`);
    this.hintRegistry();
  }

  pausesChanged(what: string): void {
    this.registries.changed();
    this.note(() => `${what}: registry revision ${this.registry.revision}`);
    this.hintRegistry();
  }

  /** The broker's disk is gone. */
  wipeBroker(): void {
    this.broker.wipe();
    this.work.wipe();
    this.transitions.wipe();
    this.checks.feed.lost();
  }

  /** The broker answers again. */
  broughtBack(): void {
    for (const life of this.engines) life?.run(() => life.engine.reconnected());
    for (const handler of this.outside.values()) handler.pull();
  }

  private step(): boolean {
    const next = this.queue.take();
    if (next === null) return false;
    this.now = Math.max(this.now, next.at);
    this.events++;
    next.run();
    return this.checks.violations.length === 0;
  }

  private boot(i: number): void {
    if (this.engines[i] !== null) return;
    const name = `engine-${++this.boots}`;
    this.note(() => `${name} starts`);
    this.engines[i] = new EngineLife(this, name);
  }

  private hintRegistry(): void {
    for (const life of this.engines)
      if (this.random.chance(0.7)) this.at(2, () => life?.run(() => life.engine.registry.refresh()));
  }

  private acting(): void {
    if (this.settling) return;
    this.clients.act();
    this.at(this.random.int(20, 600), () => this.acting());
  }

  private redelivering(): void {
    this.broker.redeliver();
    this.work.redeliver();
    this.at(REDELIVER_MILLIS, () => this.redelivering());
  }

  private checking(): void {
    this.checks.tick();
    this.at(CHECK_MILLIS, () => this.checking());
  }

  /** Nothing goes wrong any more: time alone must bring everything to an end. */
  private settle(): void {
    this.settling = true;
    this.faults = NO_FAULTS;
    for (const handler of this.outside.values()) handler.comeBack();
    this.troubles.brokerIsBack();
    this.pausing.liftAll();
    const until = this.now + SETTLE_MILLIS;
    const most = this.events + SETTLE_EVENTS;
    while (!this.atRest()) {
      if (this.checks.violations.length > 0 || this.now > until || this.events > most) return;
      if (!this.step()) return;
    }
  }

  private atRest(): boolean {
    const { store, checks } = this;
    if (this.clients.open > 0 || store.pauses.size > 0) return false;
    let parked = false;
    let awaiting = false;
    for (const { row } of store.live.values())
      if (row.status === 'parked') parked = true;
      else if (AWAITING_CHILDREN.has(row.status)) awaiting = true;
      else return false;
    // A parent waits for a parked child until an operator acts.
    return (parked || !awaiting) && checks.purges.swept(store) && checks.feed.complete(store);
  }

  /** The days pass: what was purged goes, with its history. */
  private cleanUp(): void {
    const { store } = this;
    store.record({ kind: 'atRest' });
    this.now += (RETENTION_DAYS + 1) * DAY_MILLIS;
    store.cleanUp.dropHistory(RETENTION_DAYS);
    const purged = [...store.resources.values()].filter(({ row }) => row.state === 'purged').map(({ row }) => row.id);
    store.cleanUp.deletePurged(RETENTION_DAYS);
    this.checks.purges.deleted(purged, store);
  }
}

function describe({ resourceId, insert, processId, change, update, end, start }: CommitTransition): string {
  const parts = [
    insert === null ? `resource ${resourceId}` : `new ${insert.type}`,
    processId === null ? '' : `process ${processId}`,
    change === null ? '' : `→ ${JSON.stringify(change.toState)}`,
    update === null
      ? ''
      : `${update.name} ${update.status} ${update.dispatch} ${String(update.progress['step'] ?? '')} ${update.heldBy ?? ''}`,
    end === null ? '' : `ends ${end.exitReason}`,
    start === null ? '' : `starts ${start.name} ${start.status}`,
  ];
  return parts.filter((part) => part !== '').join(', ');
}
