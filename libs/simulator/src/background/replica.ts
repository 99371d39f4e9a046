import type { World } from '../world/world.js';
import { Relay } from './relay.js';

/** Asked for this often; it lasts for three tries. */
const RENEW_MILLIS = 1_500;
const LEASE_MILLIS = 5_000;
/** The one lease of all jobs. */
const JOBS = 'background';
const PRESENCE_MILLIS = 1_000;
const GATES_MILLIS = 500;

/** The time for which a replica believes that it runs the jobs. */
export interface Term {
  epoch: number;
  over: boolean;
}

/** One replica of the resource-store, for what it does unasked (apps/resource-store/src/background.ts). */
export class Replica {
  private readonly relay: Relay;
  /** the term it believes to have; null: none */
  private term: Term | null = null;
  private pausedUntil = 0;

  constructor(
    private readonly world: World,
    readonly name: string,
  ) {
    this.relay = new Relay(world, this);
    this.renew();
  }

  /** Everything that it was doing is forgotten; it starts anew a little later. */
  crash(): void {
    this.world.note(() => `${this.name} dies`);
    this.stop();
    this.pause(this.world.random.int(100, 4_000));
  }

  /** Stops for a while and goes on where it was: whatever it had begun, it may finish after another one took its place. */
  pause(millis: number): void {
    this.pausedUntil = this.world.now + millis;
  }

  /** Goes on inside this replica, now or when it is awake again, unless that term is over by then. */
  later(millis: number, term: Term | null, run: () => void): void {
    this.world.at(millis, () => {
      const asleep = this.pausedUntil - this.world.now;
      if (asleep > 0) return this.later(asleep, term, run);
      if (term?.over !== true) run();
    });
  }

  private stop(): void {
    if (this.term !== null) this.term.over = true;
    this.term = null;
  }

  private renew(): void {
    const epoch = this.world.store.takeLease(JOBS, this.name, LEASE_MILLIS);
    if (this.term?.epoch !== epoch) this.stop();
    if (this.term === null && epoch !== null) this.lead(epoch);
    this.later(RENEW_MILLIS, null, () => this.renew());
  }

  private lead(epoch: number): void {
    const term: Term = { epoch, over: false };
    this.term = term;
    this.world.note(() => `${this.name} runs the jobs, term ${epoch}`);
    this.relay.begin(term);
    this.presence(term);
    this.gates(term);
  }

  /** Handlers that are away are asked again. */
  private presence(term: Term): void {
    const { world } = this;
    if (!world.random.chance(world.faults.loss) && world.store.dueWork.wakeOldestWaiting() > 0) world.hintDue();
    this.later(PRESENCE_MILLIS, term, () => this.presence(term));
  }

  /** What lifted pauses held, and what waits for a place that nobody asks for. */
  private gates(term: Term): void {
    const { world } = this;
    const { gates } = world.store;
    if (world.mutant !== 'place-never-given-on' && gates.wakeLifted() + gates.wakeOverlooked() > 0) world.hintDue();
    this.later(GATES_MILLIS, term, () => this.gates(term));
  }
}
