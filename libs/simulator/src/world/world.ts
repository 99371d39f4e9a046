import type { CommitOutcome, CommitTransition } from '@drover/contracts';
import {
  type HandlerBinding,
  HandlerTable,
  ownProcess,
  type ProcessDefinition,
  type TypeDefinition,
} from '@drover/process-model';
import { EngineLife } from '../engine/engine-life.js';
import type { Registry } from '../engine/link.js';
import { EventQueue } from '../event-queue.js';
import type { Mutant } from '../mutants.js';
import { Broker } from '../outside/broker.js';
import { Clients } from '../outside/clients.js';
import { ExternalHandler } from '../outside/external-handler.js';
import { Random } from '../random.js';
import { StoreModel, type StoreDefects, type StoreOperation } from '../store/store-model.js';
import { type Cause, Checks } from './checks.js';
import { drawFaults, type Faults, NO_FAULTS } from './faults.js';
import { EXTERNAL, IN_PROCESS } from './scenario.js';

/** Events until the faults stop, at least and at most. */
const TROUBLED_EVENTS = [510, 620] as const;
/** After the faults: every life must have ended, or be parked, within this time and these events. */
const SETTLE_MILLIS = 900_000;
const SETTLE_EVENTS = 40_000;
/** A world without trouble, one in so many. */
const CALM_ONE_IN = 8;
const REDELIVER_MILLIS = 1_000;
const PROBE_MILLIS = 1_000;
const REPLY_SLOTS = 4;
const MAX_ENGINES = 3;
const AWAITING_CHILDREN: ReadonlySet<string> = new Set(['waitingChildren', 'canceling']);

export interface WorldOptions {
  seed: number;
  types: readonly TypeDefinition[];
  mutant?: Mutant | null;
  /** told of everything that happens, for reading */
  trace?: (line: string) => void;
  /** told of everything that was asked of the store, with the database's time, epoch milliseconds */
  record?: (operation: StoreOperation, now: number) => void;
}

/** Everything around the decisions of one seed: time, engines, store, broker, handlers, clients, and what goes wrong. */
export class World {
  now = 1_700_000_000_000;
  events = 0;
  faults: Faults;
  brokerDown = false;
  registry: Registry;
  readonly random: Random;
  readonly mutant: Mutant | null;
  readonly calm: boolean;
  readonly types: readonly TypeDefinition[];
  readonly store: StoreModel;
  readonly checks: Checks;
  readonly broker: Broker;
  readonly outside = new Map<string, ExternalHandler>();
  readonly clients: Clients;
  private readonly queue = new EventQueue();
  private readonly engines: (EngineLife | null)[];
  private readonly versions = new Map<string, TypeDefinition[]>();
  private boots = 0;
  private tokens = 0;
  private settling = false;
  private active: HandlerBinding[];

  constructor(private readonly options: WorldOptions) {
    this.random = new Random(options.seed);
    this.mutant = options.mutant ?? null;
    this.types = options.types;
    this.calm = options.seed % CALM_ONE_IN === 0;
    this.faults = this.calm ? NO_FAULTS : drawFaults(this.random);
    for (const type of options.types) this.versions.set(type.name, [type]);
    this.active = EXTERNAL.filter(() => this.random.chance(0.75));
    this.registry = this.snapshot(1);
    this.checks = new Checks(
      () => this.now,
      (name, version) => this.typeAt(name, version),
      () => this.registry,
      this.calm,
    );
    this.store = new StoreModel(
      () => Math.floor(this.now),
      (applied) => this.checks.applied(applied),
      REPLY_SLOTS,
      defectsOf(this.mutant),
      (operation) => options.record?.(operation, Math.floor(this.now)),
    );
    this.checks.store = this.store;
    this.broker = new Broker(
      () => this.now,
      (run) => this.at(1, run),
    );
    for (const { name } of EXTERNAL) this.outside.set(name, new ExternalHandler(this, name));
    this.clients = new Clients(this);
    this.engines = Array.from({ length: this.random.int(1, MAX_ENGINES) }, () => null);
    this.engines.forEach((_, i) => this.boot(i));
    this.acting();
    this.redelivering();
    this.probing();
  }

  /** Runs until all has come to rest. */
  run(): void {
    const troubled = this.random.int(...TROUBLED_EVENTS);
    while (this.events < troubled && this.step()) this.trouble();
    this.settle();
    if (this.checks.violations.length === 0) this.checks.atEnd();
  }

  /** Plans something. @param millis from now */
  at(millis: number, run: () => void): void {
    this.queue.add(this.now + millis, run);
  }

  note(text: () => string): void {
    this.options.trace?.(`${(this.now - 1_700_000_000_000).toFixed(1).padStart(9)}  ${text()}`);
  }

  /** How long a message is on its way, milliseconds; null: it is lost. */
  travel(): number | null {
    const { random, faults } = this;
    if (this.brokerDown || random.chance(faults.loss)) return null;
    return random.chance(faults.slow) ? random.int(200, 9_000) : 0.2 + random.next() * 5;
  }

  commit(transition: CommitTransition, cause: Cause): CommitOutcome {
    this.checks.cause = cause;
    const outcome = this.store.commit(transition);
    this.note(
      () =>
        `commit ${describe(transition)}: ${outcome.outcome} (${cause.kind === 'input' ? cause.input.kind : 'command'})`,
    );
    return outcome;
  }

  /** @param version 0: any, where all versions have the same states */
  typeAt(name: string, version: number): TypeDefinition {
    const versions = this.versions.get(name);
    if (versions === undefined) throw new Error(`there is no type ${name}: give the simulation its document too`);
    return versions[Math.max(0, version - 1)]!;
  }

  processNamed(name: string): ProcessDefinition {
    const found = this.types.flatMap((type) => ownProcess(type, name) ?? []);
    if (found[0] === undefined)
      throw new Error(`there is no process ${name}: give the simulation its type's document too`);
    return found[0];
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
      if (life !== null && there !== null) this.at(there, () => life.run(() => life.engine.hurry()));
    }
  }

  token(): string {
    return String(++this.tokens).padStart(24, 'a');
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

  /** What goes wrong between two events. */
  private trouble(): void {
    const { random, faults } = this;
    if (this.calm) return;
    if (random.chance(faults.crash)) this.anyEngine()?.die();
    if (random.chance(faults.pause)) this.anyEngine()?.pause(random.int(100, 12_000));
    if (random.chance(faults.restart)) this.restartBroker(random.chance(faults.wipe));
    if (random.chance(faults.absence)) this.absence();
    if (random.chance(faults.registry)) this.changeRegistry();
  }

  private restartBroker(wiped: boolean): void {
    if (this.brokerDown) return;
    this.note(() => `the broker goes down${wiped ? ' and loses its disk' : ''}`);
    this.brokerDown = true;
    if (wiped) this.broker.wipe();
    else this.broker.restarted();
    this.at(this.random.int(100, 3_000), () => this.brokerIsBack());
  }

  private brokerIsBack(): void {
    if (!this.brokerDown) return;
    this.brokerDown = false;
    for (const life of this.engines) life?.run(() => life.engine.reconnected());
  }

  private absence(): void {
    const handler = this.random.pick([...this.outside.values()]);
    if (!handler.present) return;
    handler.present = false;
    this.note(() => `${handler.name} leaves`);
    this.at(this.random.int(500, 15_000), () => {
      handler.present = true;
    });
  }

  /** A handler is registered or deactivated, or a definition gets another version. */
  private changeRegistry(): void {
    const { random } = this;
    if (random.chance(0.3)) {
      const type = random.pick(this.types);
      const versions = this.versions.get(type.name)!;
      versions.push({ ...type, version: versions.length + 1 });
    } else {
      const one = random.pick(EXTERNAL);
      this.active = this.active.includes(one) ? this.active.filter((other) => other !== one) : [...this.active, one];
    }
    this.store.changeRegistry();
    this.registry = this.snapshot(this.store.registryRevision);
    this.note(() => `registry revision ${this.registry.revision}: ${this.active.map(({ name }) => name).join(' ')}`);
    for (const life of this.engines)
      if (random.chance(0.7)) this.at(2, () => life?.run(() => life.engine.registryHint()));
  }

  private snapshot(revision: number): Registry {
    const types = new Map([...this.versions].map(([name, versions]) => [name, versions.at(-1)!]));
    return { revision, handlers: new HandlerTable([...IN_PROCESS, ...this.active]), types };
  }

  private acting(): void {
    if (this.settling) return;
    this.clients.act();
    this.at(this.random.int(20, 600), () => this.acting());
  }

  private redelivering(): void {
    this.broker.redeliver();
    this.at(REDELIVER_MILLIS, () => this.redelivering());
  }

  /** The store's job for handlers that are away, on whichever replica leads. */
  private probing(): void {
    const woken = this.random.chance(this.faults.loss) ? 0 : this.store.wakeOldestWaiting();
    if (woken > 0) this.hintDue();
    this.at(PROBE_MILLIS, () => this.probing());
  }

  /** Nothing goes wrong any more: time alone must bring everything to an end. */
  private settle(): void {
    this.settling = true;
    this.faults = NO_FAULTS;
    for (const handler of this.outside.values()) handler.present = true;
    this.brokerIsBack();
    const until = this.now + SETTLE_MILLIS;
    const most = this.events + SETTLE_EVENTS;
    while (!this.atRest()) {
      if (this.checks.violations.length > 0 || this.now > until || this.events > most) return;
      if (!this.step()) return;
    }
  }

  private atRest(): boolean {
    if (this.clients.open > 0) return false;
    let parked = false;
    let awaiting = false;
    for (const { row } of this.store.live.values())
      if (row.status === 'parked') parked = true;
      else if (AWAITING_CHILDREN.has(row.status)) awaiting = true;
      else return false;
    // A parent waits for a parked child until an operator acts.
    return parked || !awaiting;
  }
}

function defectsOf(mutant: Mutant | null): StoreDefects {
  return {
    blindWrites: mutant === 'no-compare-and-set',
    staleRegistry: mutant === 'stale-registry',
    forgetsCommands: mutant === 'command-forgotten',
    startsBesideLive: mutant === 'start-beside-live',
    noSweep: mutant === 'region-left-behind',
    quietChanges: mutant === 'feed-skips',
    losesWakeUps: mutant === 'wake-up-lost',
  };
}

function describe({ resourceId, insert, processId, change, update, end, start }: CommitTransition): string {
  const parts = [
    insert === null ? `resource ${resourceId}` : `new ${insert.type}`,
    processId === null ? '' : `process ${processId}`,
    change === null ? '' : `→ ${JSON.stringify(change.toState)}`,
    update === null
      ? ''
      : `${update.name} ${update.status} ${update.dispatch} ${String(update.progress['step'] ?? '')}`,
    end === null ? '' : `ends ${end.exitReason}`,
    start === null ? '' : `starts ${start.name} ${start.status}`,
  ];
  return parts.filter((part) => part !== '').join(', ');
}
