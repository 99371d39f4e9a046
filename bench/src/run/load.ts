import { Latencies } from './result.js';
import { arrivalTimes, seeded } from './schedule.js';
import type { Arrivals } from './result.js';

/** Runs one process to its end and resolves; rejects with what went wrong. Says when the process was accepted. */
export type RunOne = (resource: number, accepted: () => void) => Promise<void>;

/** What keeps processes going, and a window in which they count. In order: start, open, close, stop. */
export interface Load {
  start(): void;
  /** Opens the window. */
  open(): void;
  /** Closes it. @returns processes that ended inside it */
  close(): number;
  /** Starts nothing more and lets end what is under way. */
  stop(): Promise<Outcome>;
}

export interface Outcome {
  /** of the processes of the window */
  latencies: Latencies;
  /** by message, since the start, warm-up included: none of them is ever hidden */
  errors: Record<string, number>;
  /** arrivals of the window that were not sent; of an open loop only */
  dropped?: number;
}

/**
 * Keeps a fixed number of processes in flight: the next one starts when one ends. Every lane has resources of its own
 * and takes them in turn, so that no start ever meets a busy resource. What ends inside the window counts.
 */
export class ClosedLoop implements Load {
  private latencies = new Latencies();
  /** of the processes that were accepted when the fault came: until their ends, milliseconds */
  private readonly recoveries = new Latencies();
  private faultAt = Infinity;
  private readonly errors = new Errors();
  private measuring = false;
  private stopped = false;
  private lanes: Promise<void>[] = [];

  constructor(
    private readonly runOne: RunOne,
    private readonly resources: readonly number[],
    private readonly inflight: number,
  ) {}

  start(): void {
    this.lanes = Array.from({ length: this.inflight }, (_, lane) => this.lane(lane));
  }

  open(): void {
    this.latencies = new Latencies();
    this.measuring = true;
  }

  close(): number {
    this.measuring = false;
    return this.latencies.count;
  }

  /** Something is being killed now: what was accepted before and is not ended yet is waited for. */
  fault(): void {
    this.faultAt = performance.now();
  }

  /** After {@link stop}: how long those processes took from the fault to their ends. */
  recovery(): Latencies {
    return this.recoveries;
  }

  async stop(): Promise<Outcome> {
    this.stopped = true;
    await Promise.all(this.lanes);
    return { latencies: this.latencies, errors: this.errors.counts() };
  }

  private async lane(lane: number): Promise<void> {
    for (let turn = lane; !this.stopped; turn += this.inflight) {
      const resource = this.resources[turn % this.resources.length]!;
      const began = performance.now();
      let acceptedAt = Infinity;
      try {
        await this.runOne(resource, () => (acceptedAt = performance.now()));
        const ended = performance.now();
        if (this.measuring) this.latencies.add(ended - began);
        if (acceptedAt < this.faultAt && ended > this.faultAt) this.recoveries.add(ended - this.faultAt);
      } catch (error) {
        this.errors.add(error);
        // A refused start answers at once: without a pause a broken engine is asked a million times.
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }
}

export interface OpenLoopOptions {
  /** starts per second */
  rate: number;
  arrivals: Arrivals;
  /** the most that may be open at once; what arrives beyond is dropped and counted */
  maxOpen: number;
  /** of the arrivals */
  seed: number;
}

/**
 * Starts processes on a schedule, however slow they end, as independent clients would. Latency is counted from the
 * scheduled time: what an engine keeps waiting, and what this program itself sends late (a timer is exact to a
 * millisecond), is in it. What is scheduled inside the window counts, whenever it ends.
 */
export class OpenLoop implements Load {
  private readonly latencies = new Latencies();
  private readonly errors = new Errors();
  private readonly free: number[];
  private readonly times: Iterator<number, never>;
  private readonly running = new Set<Promise<void>>();
  private next = 0;
  private began = 0;
  private window = { from: Infinity, to: Infinity };
  private ended = 0;
  private dropped = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly runOne: RunOne,
    resources: readonly number[],
    private readonly options: OpenLoopOptions,
  ) {
    if (resources.length < options.maxOpen)
      throw new RangeError('an open loop needs a resource for every process that may be open');
    this.free = [...resources];
    this.times = arrivalTimes(options.rate, options.arrivals, seeded(options.seed));
  }

  start(): void {
    this.began = performance.now();
    this.next = this.times.next().value;
    this.tick();
  }

  open(): void {
    this.window.from = this.now();
    this.ended = 0;
  }

  close(): number {
    this.window.to = this.now();
    return this.ended;
  }

  async stop(): Promise<Outcome> {
    clearTimeout(this.timer);
    await Promise.all(this.running);
    return { latencies: this.latencies, errors: this.errors.counts(), dropped: this.dropped };
  }

  /** Milliseconds from the start. */
  private now(): number {
    return performance.now() - this.began;
  }

  private tick(): void {
    for (const now = this.now(); this.next <= now; this.next = this.times.next().value) this.arrive(this.next);
    this.timer = setTimeout(() => this.tick(), Math.max(0, this.next - this.now()));
  }

  private arrive(scheduled: number): void {
    const counts = (): boolean => scheduled >= this.window.from && scheduled < this.window.to;
    // The longest idle one, so that the next start never meets what the last left behind.
    const resource = this.running.size < this.options.maxOpen ? this.free.shift() : undefined;
    if (resource === undefined) {
      if (counts()) this.dropped++;
      return;
    }
    const one = this.runOne(resource, () => undefined)
      .then(
        () => {
          const ended = this.now();
          if (ended >= this.window.from && ended < this.window.to) this.ended++;
          if (counts()) this.latencies.add(ended - scheduled);
        },
        (error: unknown) => this.errors.add(error),
      )
      .finally(() => {
        this.running.delete(one);
        this.free.push(resource);
      });
    this.running.add(one);
  }
}

/** Counted by their messages. */
class Errors {
  private readonly byMessage = new Map<string, number>();

  add(error: unknown): void {
    const name = error instanceof Error ? error.message : String(error);
    this.byMessage.set(name, (this.byMessage.get(name) ?? 0) + 1);
  }

  counts(): Record<string, number> {
    return Object.fromEntries(this.byMessage);
  }
}
