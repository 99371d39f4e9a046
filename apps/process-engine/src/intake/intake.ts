import { Injectable } from '@nestjs/common';
import { DroverError, monotonicMillis, Throttle } from '@drover/kernel';
import { Lifecycle } from '../lifecycle/lifecycle.js';
import { EngineRegistry } from '../registry/engine-registry.js';
import { FairQueue } from './fair-queue.js';

/** How much of new work an engine takes. */
export abstract class IntakeSettings {
  /** starts that wait at most */
  abstract readonly queueSize: number;
  /** a start whose account's oldest has waited longer is refused, where as many of it wait as may be driven at once; milliseconds */
  abstract readonly maxWaitMillis: number;
  /** things driven at once: starts before their commit, and inputs of live processes */
  abstract readonly driven: number;
}

/** Whatever else is driven: starts never stand still. */
const LEAST_OPEN = 32;
/** Things driven at once while several accounts start: a start waits for the batch before its own, and that should be a small one. */
const DRIVEN_MIXED = 128;
/** A start that takes longer than this makes fewer of them begin at once, milliseconds: while one account starts, and while several do. */
const TARGET_MILLIS = 250;
const TARGET_MIXED_MILLIS = 25;
/** Several accounts start, as long as the last change from one to another was less than this ago. */
const MIXED_MILLIS = 1_000;

/** A command as the intake sees it. */
export interface Arrival {
  account: number | null;
  /** asked only where it has to wait: the priority of its process; null: it concerns the product itself and never waits */
  priority: () => number | null;
}

/**
 * Admission of new work (ADR 053): what was accepted already goes first. Starts that find no room wait, by priority and by turns of
 * their accounts; where the oldest has waited too long, further ones are refused at once.
 */
@Injectable()
export class Intake {
  readonly counts = { accepted: 0, refusedForWait: 0, refusedForRoom: 0 };
  private readonly queue = new FairQueue<() => void>((account) => this.registry.weightOf(account));
  private readonly throttle = new Throttle();
  private waited: (millis: number) => void = () => undefined;
  private inside = 0;
  /** things driven at once at most, as commits take it at the moment */
  private room: number;
  private lastAccount: number | null = null;
  private mixedUntil = 0;

  constructor(
    private readonly lifecycle: Lifecycle,
    private readonly registry: EngineRegistry,
    private readonly settings: IntakeSettings,
  ) {
    this.room = settings.driven;
  }

  /** Starts that are being planned and committed. */
  get open(): number {
    return this.inside;
  }

  /** Things driven at once at most, at the moment. */
  get mostDriven(): number {
    return Math.round(Math.min(this.room, this.mostRoom(this.isMixed())));
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
    if (arrival.account !== this.lastAccount) {
      this.lastAccount = arrival.account;
      this.mixedUntil = monotonicMillis() + MIXED_MILLIS;
    }
    const priority = this.queue.size > 0 || !this.hasRoom() ? arrival.priority() : null;
    if (priority === null) this.inside++;
    else await this.turn(arrival.account, priority);
    this.counts.accepted++;
    const began = monotonicMillis();
    try {
      return await work();
    } finally {
      this.inside--;
      this.adapt(monotonicMillis(), began);
      this.next();
    }
  }

  private hasRoom(): boolean {
    if (this.inside < Math.min(LEAST_OPEN, this.settings.driven)) return true;
    return this.inside + this.lifecycle.busy < Math.min(this.room, this.mostRoom(this.isMixed()));
  }

  private mostRoom(mixed: boolean): number {
    const { driven } = this.settings;
    return mixed ? Math.min(DRIVEN_MIXED, driven) : driven;
  }

  /** Slowly more, quickly less: what is inside should take its time to commit, not wait for it. */
  private adapt(now: number, began: number): void {
    const mixed = this.mixedUntil > now;
    const late = now - began > (mixed ? TARGET_MIXED_MILLIS : TARGET_MILLIS);
    if (late) this.room = Math.max(LEAST_OPEN, this.room * 0.98);
    else this.room = Math.min(this.settings.driven, this.room + 0.25);
  }

  private isMixed(): boolean {
    return this.mixedUntil > 0 && monotonicMillis() < this.mixedUntil;
  }

  /** Resolves when the command may begin; its place is taken then. */
  private turn(account: number | null, priority: number): Promise<void> {
    const at = monotonicMillis();
    const { queue, settings } = this;
    const oldest = queue.oldestOf(account, priority);
    // As few as may be driven at once are no overload, however long the machine takes for them.
    const many = queue.waitingOf(account) >= settings.driven;
    const late = many && oldest !== undefined && at - oldest > settings.maxWaitMillis;
    if (late || queue.waitingOf(account) >= settings.queueSize - queue.size) throw this.refusal(late, account, at);
    this.throttle.note(true, at);
    return new Promise((resolve) => {
      queue.push({ item: resolve, account, priority, at });
    });
  }

  private next(): void {
    while (this.queue.size > 0 && this.hasRoom()) {
      const { item: begin, at } = this.queue.shift()!;
      this.inside++;
      this.waited(monotonicMillis() - at);
      begin();
    }
  }

  private refusal(late: boolean, account: number | null, now: number): DroverError {
    if (late) this.counts.refusedForWait++;
    else this.counts.refusedForRoom++;
    this.throttle.note(false, now);
    const detail = { retryAfterMillis: this.throttle.retryAfterMillis(Math.random()) };
    // Others get their turns meanwhile: it is the caller's own load.
    return account !== null && this.isMixed()
      ? new DroverError('TooManyRequests', 'More work of this account waits than it gets its turns for', { detail })
      : new DroverError('Overloaded', 'More work arrives than can be done; try again later', { detail });
  }
}
