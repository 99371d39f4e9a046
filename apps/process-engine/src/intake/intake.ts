import { Injectable } from '@nestjs/common';
import { DroverError, type ErrorBody, monotonicMillis, Throttle } from '@drover/kernel';
import { Lifecycle } from '../lifecycle/lifecycle.js';
import { EngineRegistry } from '../registry/engine-registry.js';
import { FairQueue } from './fair-queue.js';
import { type Group, Groups } from './groups.js';
import { type Load, Places } from './places.js';

/** How much of new work an engine takes. */
export abstract class IntakeSettings {
  /** starts that wait at most */
  abstract readonly queueSize: number;
  /** a start whose account's oldest has waited longer is refused, where as many of it wait as may be driven at once; milliseconds */
  abstract readonly maxWaitMillis: number;
  /** things driven at once: starts before their commit, and inputs of live processes */
  abstract readonly driven: number;
}

/** Several accounts start, as long as the last change from one to another was less than this ago. */
const MIXED_MILLIS = 1_000;
/** As few as this that wait of one account are no overload, however long the machine takes for them: a client may keep 256 going. */
const FEW = 264;
/** While there is an overload, fewer are part of it: for so long after the last refusal, milliseconds; no longer than others' starts are remembered. */
const FEW_OVERLOADED = 32;
const OVERLOADED_MILLIS = MIXED_MILLIS;
/** An account with as many waiting gives way to those that have fewer, as long as such ones come. */
const CROWD = 128;
/**
 * A start that has waited so many times as long as starts may wait is refused when its turn comes, as others would be that come now: of eight thousand
 * that came in one moment, the last would begin after its caller has given up. So many at once, for the event loop's sake.
 */
const STALE = 3;
/** Where few wait, they begin after so many times as long as starts may wait, whatever is in motion. */
const LAST = 2;
const MOST_REFUSED = 64;

/** A command as the intake sees it. */
export interface Arrival {
  account: number | null;
  /** asked only where it has to wait: the priority of its process; null: it concerns the product itself and never waits */
  priority: () => number | null;
}

/** A start in the queue: one of the two is called, once. */
interface Waiting {
  begin: (group: Group | null) => void;
  refuse: (error: DroverError) => void;
}

/**
 * Admission of new work (ADR 053): what was accepted already goes first. Starts that find no room wait, by priority and by turns of
 * their accounts; where the oldest has waited too long, further ones are refused at once.
 */
@Injectable()
export class Intake {
  readonly counts = { accepted: 0, refusedForWait: 0, refusedForRoom: 0 };
  private readonly queue = new FairQueue<Waiting>((account) => this.registry.weightOf(account));
  private readonly throttle = new Throttle();
  private waited: (millis: number) => void = () => undefined;
  private inside = 0;
  private readonly load: Load;
  private readonly places: Places;
  private readonly crowd: number;
  private readonly few: number;
  private lastAccount: number | null = null;
  private mixedUntil = 0;
  /** a start was refused lately */
  private overloadedUntil = 0;
  /** others than those with a crowd waiting started lately */
  private calmUntil = 0;
  private readonly groups = new Groups(() => this.next());

  constructor(
    lifecycle: Lifecycle,
    private readonly registry: EngineRegistry,
    private readonly settings: IntakeSettings,
  ) {
    this.load = lifecycle.load;
    this.places = new Places(settings.driven, this.load);
    this.crowd = Math.min(CROWD, settings.driven);
    this.few = Math.min(FEW, settings.driven);
  }

  /** Starts that are being planned and committed. */
  get open(): number {
    return this.inside;
  }

  /** Things driven at once at most, at the moment. */
  get mostDriven(): number {
    return Math.round(this.places.mostDriven(this.isMixed()));
  }

  /** Processes in motion at most, at the moment. */
  get mostMoving(): number {
    return Math.round(this.places.mostMoving);
  }

  get waiting(): number {
    return this.queue.size;
  }

  /** @param waited told of every start that had to wait, milliseconds */
  observe(waited: (millis: number) => void): void {
    this.waited = waited;
  }

  /**
   * Works on a new command as soon as there is room.
   * @throws DroverError Overloaded, TooManyRequests: nothing was done, and `detail.retryAfterMillis` says when to come again
   */
  async admit<T>(arrival: Arrival, work: () => Promise<T>): Promise<T> {
    const priority = this.waits(arrival);
    let group: Group | null = null;
    if (priority === null) this.inside++;
    else group = await this.turn(arrival.account, priority);
    this.counts.accepted++;
    const began = monotonicMillis();
    try {
      return await work();
    } finally {
      this.inside--;
      const now = monotonicMillis();
      if (group !== null) this.groups.left(group, now);
      this.places.started(now - began, this.isMixed(), now);
      this.next();
    }
  }

  /** Why {@link admit} would refuse what just arrives, or null: asked before anything is done for it. */
  refusal(arrival: Arrival): ErrorBody | null {
    const priority = this.waits(arrival);
    return priority === null ? null : this.tooMuch(arrival.account, priority, monotonicMillis());
  }

  /** The priority at which an arrival has to wait; null: it may begin. */
  private waits(arrival: Arrival): number | null {
    if (arrival.account !== this.lastAccount) {
      this.lastAccount = arrival.account;
      this.mixedUntil = monotonicMillis() + MIXED_MILLIS;
    }
    if (this.mixedUntil > 0 && !this.isCrowd(arrival.account)) this.calmUntil = monotonicMillis() + MIXED_MILLIS;
    return this.queue.size > 0 || !this.hasRoom() ? arrival.priority() : null;
  }

  private hasRoom(): boolean {
    return this.places.areFree(this.inside, this.isMixed());
  }

  /** Of what one client keeps going, some is in motion already; but not all that is in motion was started by it. */
  private fewest(now: number): number {
    if (this.isMixed()) return this.few;
    if (now < this.overloadedUntil) return Math.min(FEW_OVERLOADED, this.few);
    return Math.max(this.few / 2, this.few - this.load.moving);
  }

  /** Few are done, however much is in motion, before their callers give up. */
  private mayNotWaitLonger(now: number): boolean {
    const next = this.queue.nextAt;
    return (
      next !== undefined &&
      now - next > LAST * this.settings.maxWaitMillis &&
      this.places.areDrivable(this.inside, this.isMixed())
    );
  }

  /** What a process takes once it has begun is not left for its waiting. */
  private get staleMillis(): number {
    const { maxWaitMillis } = this.settings;
    return Math.max(maxWaitMillis, STALE * maxWaitMillis - this.load.inputMillis * this.load.inputsOfOne);
  }

  private isCrowd(account: number | null): boolean {
    return this.queue.waitingOf(account) >= this.crowd;
  }

  private isMixed(): boolean {
    return this.mixedUntil > 0 && monotonicMillis() < this.mixedUntil;
  }

  /** Resolves when the command may begin; its place is taken then. */
  private turn(account: number | null, priority: number): Promise<Group | null> {
    const at = monotonicMillis();
    const refusal = this.tooMuch(account, priority, at);
    if (refusal !== null) throw DroverError.fromBody(refusal);
    this.throttle.note(true, at);
    return new Promise((begin, refuse) => {
      this.queue.push({ item: { begin, refuse }, account, priority, at });
      // There may be room while those who wait give way.
      this.next();
    });
  }

  private tooMuch(account: number | null, priority: number, now: number): ErrorBody | null {
    const { queue, settings } = this;
    const waiting = queue.waitingOf(account);
    const oldest = waiting >= this.fewest(now) ? queue.oldestOf(account, priority) : undefined;
    const late = oldest !== undefined && now - oldest > settings.maxWaitMillis;
    return late || waiting >= settings.queueSize - queue.size ? this.refused(late, account, now) : null;
  }

  private next(): void {
    if (this.queue.size === 0) return;
    const now = monotonicMillis();
    const gives = this.isMixed() && now < this.calmUntil;
    const mayBegin = (account: number | null): boolean => !gives || !this.isCrowd(account) || this.groups.hasPlace(now);
    for (let refused = 0; this.hasRoom() || this.mayNotWaitLonger(now);) {
      const turn = this.queue.shift(mayBegin);
      if (turn === undefined) return;
      const { item, account, at } = turn;
      const behind = this.queue.waitingOf(account);
      if (behind >= this.fewest(now) && now - at > this.staleMillis) {
        item.refuse(DroverError.fromBody(this.refused(true, account, now)));
        if (++refused < MOST_REFUSED) continue;
        // Nothing may have begun whose end would go on.
        setImmediate(() => this.next());
        return;
      }
      this.inside++;
      this.waited(now - at);
      // It was looked at before this one left the queue.
      item.begin(gives && behind + 1 >= this.crowd ? this.groups.join(now) : null);
    }
  }

  private refused(late: boolean, account: number | null, now: number): ErrorBody {
    if (late) this.counts.refusedForWait++;
    else this.counts.refusedForRoom++;
    this.overloadedUntil = now + OVERLOADED_MILLIS;
    this.throttle.note(false, now);
    const detail = { retryAfterMillis: this.throttle.retryAfterMillis(Math.random()) };
    // Others get their turns meanwhile: it is the caller's own load.
    return account !== null && this.isMixed()
      ? { code: 'TooManyRequests', message: 'More work of this account waits than it gets its turns for', detail }
      : { code: 'Overloaded', message: 'More work arrives than can be done; try again later', detail };
  }
}
