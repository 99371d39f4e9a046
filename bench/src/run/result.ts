import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import * as hdr from 'hdr-histogram-js';

/**
 * The line of one run: what every engine is reported with, ours, the limit engine and the peers alike. One line of JSON
 * in standard output and in docs/benchmarks/results.jsonl, whose fields docs/benchmarks/README.md explains.
 */
export interface ResultLine {
  /** raised when a field changes its meaning; lines of another format are not read */
  format: 1;
  /** shared by the lines of one command on one machine: only those are compared with each other; time and process number */
  run: string;
  /** ISO 8601, at the end of the window */
  date: string;
  /** what ran the processes: `drover`, `limit`, `restate`, `dbos`, `pg-boss`, `graphile-worker`, `temporal` … */
  engine: string;
  /** a setting of the engine that readers must see beside its name, as `1 partition`; absent for the defaults */
  variant?: string;
  /** how a client starts a process and hears of its end */
  start: 'nats' | 'http' | 'native';
  /** closed loop: processes kept going at once. Open loop: the most that may be open at once */
  inflight: number;
  /** open loop only: starts scheduled per second, and how they are spread */
  rate?: number;
  arrivals?: Arrivals;
  /** rows in the database before the run; absent: empty */
  history?: { resources: number; processes: number };
  /** other settings that change the result, by name: `engines`, `stores`, `handlers`, `resources`, a pool's size … */
  settings: Record<string, string | number | boolean>;

  warmupSeconds: number;
  /** measured length of the window */
  seconds: number;
  /** processes that ended inside the window */
  processes: number;
  processesPerSecond: number;
  /** open loop only: arrivals of the window that were not sent, because `inflight` were open */
  dropped?: number;
  /** refused starts, other ends than success, ends not heard; warm-up included */
  errors: number;
  /** those by message; absent without errors */
  errorKinds?: Record<string, number>;

  /** latency from the client's start (open loop: from its scheduled time) to its hearing of the end */
  p50Millis: number;
  p90Millis: number;
  p99Millis: number;
  p999Millis: number;
  maxMillis: number;
  /** all of them to two digits, in microseconds: HdrHistogram V2, compressed, base64; hdr-histogram-js decodes it */
  histogram: string;

  /** user and system time of each component in the window, with their `total`; 0 where there is no /proc */
  cpuMicrosPerProcess: Record<string, number>;
  /** resident memory of each component: at the end of the window, and the most seen during it */
  memoryMegabytes: Record<string, { end: number; max: number }>;
  /** PostgreSQL transactions; absent for an engine without it */
  commitsPerProcess?: number;
  /** growth of PostgreSQL's write-ahead log; absent for an engine without it */
  walBytesPerProcess?: number;
  /** rows per commit of the store, by lane: how many batches had at most so many rows (`+Inf`: more), their mean, and the mean time of one in the database */
  batches?: Record<string, { mean: number; meanMillis: number; upTo: Record<string, number> }>;
  /** cores that programs outside the run kept busy: above 0.15 the line is not a quiet one */
  otherCores: number;

  /** of node, the engine, and whatever stores or carries for it */
  versions: Record<string, string>;
  /** of this repository */
  commit: string;
  machine: Machine;
}

/** Poisson: independent clients, gaps drawn from an exponential distribution. Even: all gaps the same. */
export type Arrivals = 'poisson' | 'even';

export interface Machine {
  cpus: number;
  cpu: string;
  memoryGigabytes: number;
  system: string;
  /** load average of the last minute, at the end of the window */
  load1: number;
}

export function machine(): Machine {
  return {
    cpus: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${process.arch}`,
    load1: round(loadavg()[0]!, 2),
  };
}

/** A name for the lines of one command. */
export function runName(): string {
  return `${new Date().toISOString().slice(0, 19)}-${process.pid}`;
}

/** Longest latency that is told apart, microseconds: later ones count as this. Above every time-out of the load. */
const LONGEST_MICROS = 600_000_000;

/** Counts latencies in microseconds, exact to three digits, in memory that does not grow with their number. */
export class Latencies {
  private readonly counts = histogramOf(3);

  get count(): number {
    return this.counts.totalCount;
  }

  /** @param millis fractions are kept down to a microsecond */
  add(millis: number): void {
    this.counts.recordValue(Math.min(LONGEST_MICROS, Math.max(0, Math.round(millis * 1_000))));
  }

  /** Milliseconds that the given share of all, in (0, 1], did not exceed; 0 of none. */
  at(share: number): number {
    // The histogram answers with the upper end of a bucket, which may lie beyond the greatest latency.
    return Math.min(this.counts.getValueAtPercentile(share * 100), this.counts.maxValue) / 1_000;
  }

  /** The latency fields of a line. */
  fields(): Pick<ResultLine, 'p50Millis' | 'p90Millis' | 'p99Millis' | 'p999Millis' | 'maxMillis' | 'histogram'> {
    return {
      p50Millis: round(this.at(0.5), 2),
      p90Millis: round(this.at(0.9), 2),
      p99Millis: round(this.at(0.99), 2),
      p999Millis: round(this.at(0.999), 2),
      maxMillis: round(this.counts.maxValue / 1_000, 2),
      histogram: this.encoded(),
    };
  }

  /** To two digits: a kilobyte in the line instead of five. */
  private encoded(): string {
    const compact = histogramOf(2);
    compact.add(this.counts);
    return hdr.encodeIntoCompressedBase64(compact);
  }
}

function histogramOf(digits: 2 | 3): hdr.Histogram {
  return hdr.build({
    bitBucketSize: 32,
    lowestDiscernibleValue: 1,
    highestTrackableValue: LONGEST_MICROS,
    numberOfSignificantValueDigits: digits,
    autoResize: false,
  });
}

/** The same number with at most so many digits after the point. */
export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
