import type { EngineLoad } from '../lifecycle/engine-load.js';

/** Whatever else is driven: starts never stand still. */
const LEAST_OPEN = 32;
/** Things driven at once while several accounts start: a start waits for the batch before its own, and that should be a small one. */
const DRIVEN_MIXED = 128;
/** A start that takes longer than this makes fewer of them begin at once, milliseconds: while one account starts, and while several do. */
const TARGET_MILLIS = 250;
const TARGET_MIXED_MILLIS = 25;
/** What the engine may take for all inputs of a process, one with the other, milliseconds; and for one of them, at least and at most. */
const PROCESS_MILLIS = 600;
const INPUT_MILLIS = { least: 25, most: 250 };
/** Inputs to come of processes in motion while nothing else is known, as a multiple of what is driven at once. */
const AT_REST = 2;
const SHRINK = 0.98;
const GROW = 0.25;
/** More may be in motion where this share of those that may be is. */
const NEARLY = 0.9;
/** While no input was late for so long, they become twice as many in a second: who comes with many processes of quick steps waits for that only. */
const CALM_MILLIS = 5_000;
const DOUBLE_MILLIS = 1_000;
/** Between two starts it grows by no more than this gives, milliseconds. */
const LONGEST_MILLIS = 50;

/** What of an engine's load is looked at here. */
export type Load = Pick<EngineLoad, 'busy' | 'moving' | 'inputMillis' | 'inputsOfOne'>;

/**
 * How many starts may begin (ADR 053). Two bounds, each as wide as what it holds is done in time: of what is driven at once, starts that are not
 * yet committed and inputs under work; and of processes in motion, which are driven again as soon as their handlers answer. The second
 * begins so wide that processes of one step meet the first one before it, unless their handlers take their time: then it widens.
 */
export class Places {
  private driven: number;
  private moving: number;
  private grownAt = 0;
  private lateAt = -Infinity;

  constructor(
    private readonly most: number,
    private readonly load: Load,
  ) {
    this.driven = most;
    this.moving = this.movingAtRest;
  }

  /** Things driven at once at most, at the moment. */
  mostDriven(mixed: boolean): number {
    return Math.min(this.driven, mixed ? DRIVEN_MIXED : this.most);
  }

  /** Processes in motion at most, at the moment. */
  get mostMoving(): number {
    return this.moving;
  }

  /** @param open starts that have begun and are not committed */
  areFree(open: number, mixed: boolean): boolean {
    const { busy, moving } = this.load;
    // After a pause nothing is known any more.
    if (open + moving === 0) this.moving = Math.min(this.moving, this.movingAtRest);
    if (open < Math.min(this.most, leastOpen(Math.min(this.most / busy, this.moving / moving)))) return true;
    return open + moving < this.moving && this.areDrivable(open, mixed);
  }

  /** As {@link areFree}, however much is in motion. */
  areDrivable(open: number, mixed: boolean): boolean {
    return open + this.load.busy < this.mostDriven(mixed);
  }

  /**
   * A start was committed: slowly more, quickly less. What is inside should take its time to commit, not wait for it.
   * @param now milliseconds of one clock
   */
  started(tookMillis: number, mixed: boolean, now: number): void {
    if (tookMillis > (mixed ? TARGET_MIXED_MILLIS : TARGET_MILLIS))
      this.driven = Math.max(LEAST_OPEN, this.driven * SHRINK);
    else this.driven = Math.min(this.most, this.driven + GROW);
    const { moving } = this.load;
    const rest = this.movingAtRest;
    if (this.inputsAreLate()) {
      this.lateAt = now;
      this.moving = Math.max(LEAST_OPEN, Math.min(this.moving, moving) * SHRINK);
    } else if (moving > NEARLY * this.moving || this.moving < rest) this.grow(now);
    else if (moving < this.moving / 2) this.moving = Math.max(rest, this.moving - GROW);
    this.grownAt = now;
  }

  private grow(now: number): void {
    if (now - this.lateAt < CALM_MILLIS) this.moving += GROW;
    else this.moving *= 2 ** (Math.min(LONGEST_MILLIS, now - this.grownAt) / DOUBLE_MILLIS);
  }

  /** The bound while nothing is known of a load: what comes in its first moments has all its steps before it. */
  private get movingAtRest(): number {
    return Math.max(LEAST_OPEN, (AT_REST * this.most) / Math.max(1, this.load.inputsOfOne));
  }

  /** Of many steps each must be quicker, so that the process is done in time. */
  private inputsAreLate(): boolean {
    const { inputMillis, inputsOfOne } = this.load;
    return inputMillis > Math.min(INPUT_MILLIS.most, Math.max(INPUT_MILLIS.least, PROCESS_MILLIS / inputsOfOne));
  }
}

/**
 * Thirty-two that begin every 40 ms are 800 a second: processes of several steps, of which fewer can be done, would pile up. So where more is
 * driven than there are places, fewer begin, by the square of it.
 */
function leastOpen(share: number): number {
  return share >= 1 ? LEAST_OPEN : Math.max(1, Math.floor(LEAST_OPEN * share * share));
}
