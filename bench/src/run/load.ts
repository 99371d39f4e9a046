/** Runs one process to its end and resolves; rejects with what went wrong. Says when the process was accepted. */
export type RunOne = (resource: number, accepted: () => void) => Promise<void>;

/**
 * Keeps a fixed number of processes in flight: closed loop, the next one starts when one ends. Every lane has resources
 * of its own and takes them in turn, so that no start ever meets a busy resource.
 */
export class Load {
  /** latencies of the processes that ended inside the window, milliseconds */
  private latencies: number[] = [];
  /** of the processes that were accepted when the fault came: until their ends, milliseconds */
  private recoveries: number[] = [];
  private faultAt = Infinity;
  private readonly errors = new Map<string, number>();
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

  /** Opens the window: what ends from now on counts. */
  open(): void {
    this.latencies = [];
    this.measuring = true;
  }

  /** Closes it. Errors are those since the start, warm-up included: none of them is ever hidden. */
  close(): Spread & { errors: Record<string, number> } {
    this.measuring = false;
    return { ...spread(this.latencies), errors: Object.fromEntries(this.errors) };
  }

  /** Something is being killed now: what was accepted before and is not ended yet is waited for. */
  fault(): void {
    this.faultAt = performance.now();
  }

  /** After {@link stop}: how long those processes took from the fault to their ends. */
  recovery(): Spread {
    return spread(this.recoveries);
  }

  /** Lets what is in flight end. */
  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.lanes);
  }

  private async lane(lane: number): Promise<void> {
    for (let turn = lane; !this.stopped; turn += this.inflight) {
      const resource = this.resources[turn % this.resources.length]!;
      const began = performance.now();
      let acceptedAt = Infinity;
      try {
        await this.runOne(resource, () => (acceptedAt = performance.now()));
        const ended = performance.now();
        if (this.measuring) this.latencies.push(ended - began);
        if (acceptedAt < this.faultAt && ended > this.faultAt) this.recoveries.push(ended - this.faultAt);
      } catch (error) {
        const name = error instanceof Error ? error.message : String(error);
        this.errors.set(name, (this.errors.get(name) ?? 0) + 1);
        // A refused start answers at once: without a pause a broken engine is asked a million times.
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }
}

/** Milliseconds. */
interface Spread {
  count: number;
  p50: number;
  p99: number;
  max: number;
}

function spread(millis: number[]): Spread {
  const sorted = Float64Array.from(millis).sort();
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}
