/** One item with what orders it. */
export interface Queued<T> {
  item: T;
  /** whoever asked; null: nobody in particular */
  account: number | null;
  /** higher goes first */
  priority: number;
  /** when it came, milliseconds of one clock */
  at: number;
}

/** What waits of one account at one priority, oldest first. */
class Lane<T> {
  private items: (Queued<T> | undefined)[] = [];
  private head = 0;
  /** items that it may still give in this turn */
  credit = 0;

  constructor(readonly account: number | null) {}

  get size(): number {
    return this.items.length - this.head;
  }

  get oldest(): Queued<T> | undefined {
    return this.items[this.head];
  }

  push(queued: Queued<T>): void {
    this.items.push(queued);
  }

  shift(): Queued<T> {
    const first = this.items[this.head]!;
    this.items[this.head++] = undefined;
    if (this.head > 64 && this.head * 2 > this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    return first;
  }
}

/** The lanes of one priority: `turns` names those with something in them, in the order in which they come. */
interface Level<T> {
  lanes: Map<number | null, Lane<T>>;
  turns: Lane<T>[];
  /** where in `turns` the next turn is */
  next: number;
}

/**
 * Higher priorities first; within one, accounts take turns (deficit round robin; an item costs 1, an account's weight is what a turn gives it);
 * within an account the oldest first. Pure: times and weights are given.
 */
export class FairQueue<T> {
  private readonly levels = new Map<number, Level<T>>();
  /** priorities with something in them, highest first */
  private priorities: number[] = [];
  private readonly waiting = new Map<number | null, number>();
  private count = 0;

  /** @param weightOf items that an account gets in its turn, >= 1 */
  constructor(private readonly weightOf: (account: number | null) => number = () => 1) {}

  get size(): number {
    return this.count;
  }

  /** Accounts with something in it. */
  get accounts(): number {
    return this.waiting.size;
  }

  waitingOf(account: number | null): number {
    return this.waiting.get(account) ?? 0;
  }

  /** When the oldest item of an account came that goes before a new one of this priority; undefined: there is none. */
  oldestOf(account: number | null, priority: number): number | undefined {
    return this.levels.get(priority)?.lanes.get(account)?.oldest?.at;
  }

  /** When the next one came, whosoever turn may be passed over; undefined: there is none. */
  get nextAt(): number | undefined {
    const level = this.levels.get(this.priorities[0]!);
    return level?.turns[level.next]?.oldest?.at;
  }

  push(queued: Queued<T>): void {
    const { account, priority } = queued;
    const level = this.levelOf(priority);
    let lane = level.lanes.get(account);
    if (lane === undefined) {
      lane = new Lane(account);
      level.lanes.set(account, lane);
      level.turns.push(lane);
    }
    lane.push(queued);
    this.count++;
    this.waiting.set(account, this.waitingOf(account) + 1);
  }

  /**
   * The next one, or undefined when there is none.
   * @param mayTake asked for the account whose turn it is; one that may not keeps its place, and the others go on
   */
  shift(mayTake: (account: number | null) => boolean = () => true): Queued<T> | undefined {
    for (const priority of this.priorities) {
      const level = this.levels.get(priority)!;
      for (let passed = 0; passed < level.turns.length; passed++) {
        if (mayTake(level.turns[level.next]!.account)) return this.take(priority, level);
        level.next = (level.next + 1) % level.turns.length;
      }
    }
    return undefined;
  }

  private take(priority: number, level: Level<T>): Queued<T> {
    const lane = level.turns[level.next]!;
    if (lane.credit <= 0) lane.credit = Math.max(1, this.weightOf(lane.account));
    const first = lane.shift();
    lane.credit--;
    if (lane.size === 0) this.drop(priority, level, lane);
    else if (lane.credit <= 0) level.next = (level.next + 1) % level.turns.length;
    this.count--;
    const left = this.waitingOf(lane.account) - 1;
    if (left === 0) this.waiting.delete(lane.account);
    else this.waiting.set(lane.account, left);
    return first;
  }

  private levelOf(priority: number): Level<T> {
    let level = this.levels.get(priority);
    if (level === undefined) {
      level = { lanes: new Map(), turns: [], next: 0 };
      this.levels.set(priority, level);
      this.priorities = [...this.levels.keys()].sort((a, b) => b - a);
    }
    return level;
  }

  /** An empty lane gives up its turn, and what was left of it. */
  private drop(priority: number, level: Level<T>, lane: Lane<T>): void {
    level.lanes.delete(lane.account);
    level.turns.splice(level.next, 1);
    if (level.next >= level.turns.length) level.next = 0;
    if (level.turns.length > 0) return;
    this.levels.delete(priority);
    this.priorities = this.priorities.filter((other) => other !== priority);
  }
}
