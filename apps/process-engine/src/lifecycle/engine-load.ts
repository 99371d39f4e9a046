import { monotonicMillis } from '@drover/kernel';

/** A handler that was asked is counted on to answer for this long, and at most twice as long; milliseconds. */
const SOON_MILLIS = 500;
/** What an input takes is the mean of about so many; how many a process needs, of about so many. */
const INPUTS = 32;
const MANY_INPUTS = 1_024;

/**
 * What this engine has to do already, for the intake: it must not begin more than can be done in time. Processes whose handlers were asked a moment
 * ago are quiet now and back soon; those whose handlers take their time are not counted. A guess, in memory alone.
 */
export class EngineLoad {
  /** processes whose handler was asked lately, and just before that: none is looked at when its time is over */
  private asked = new Set<number>();
  private askedBefore = new Set<number>();
  private turnedAt = 0;
  private mean = 0;
  private inputs = 1;
  private rests = 1;

  /** @param underWork processes with an input being worked on */
  constructor(private readonly underWork: () => number) {}

  /** Processes with an input being worked on. */
  get busy(): number {
    return this.underWork();
  }

  /** The busy ones, and those whose handler may answer any moment. */
  get moving(): number {
    this.turn(monotonicMillis());
    return this.busy + this.asked.size + this.askedBefore.size;
  }

  /** What an input takes lately until its commit, milliseconds. */
  get inputMillis(): number {
    return this.mean;
  }

  /** Inputs of a process from when it is set in motion until it rests or ends, as of late. */
  get inputsOfOne(): number {
    return this.inputs / Math.max(1, this.rests);
  }

  /** The handler of a process was asked. */
  askedHandler(processId: number): void {
    this.turn(monotonicMillis());
    this.asked.add(processId);
  }

  /** An input of a process came. */
  cameBack(processId: number): void {
    if (!this.asked.delete(processId)) this.askedBefore.delete(processId);
  }

  /** An input was worked on, whatever came of it. */
  worked(tookMillis: number): void {
    this.mean += (tookMillis - this.mean) / INPUTS;
    this.inputs++;
    if (this.inputs < MANY_INPUTS) return;
    this.inputs /= 2;
    this.rests /= 2;
  }

  /** A process has ended, or waits for something that takes its time. */
  rested(): void {
    this.rests++;
  }

  private turn(now: number): void {
    const passed = now - this.turnedAt;
    if (passed < SOON_MILLIS) return;
    this.rests += this.askedBefore.size;
    this.askedBefore = this.asked;
    this.asked = new Set();
    if (passed >= 2 * SOON_MILLIS) {
      this.rests += this.askedBefore.size;
      this.askedBefore = new Set();
    }
    this.turnedAt = now;
  }
}
