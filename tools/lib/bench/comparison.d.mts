interface Spread {
  median: number;
  min: number;
  max: number;
}
/** What of a benchmark's line is compared. */
interface ComparedLine {
  engine: string;
  variant?: string;
  inflight: number;
  processesPerSecond: number;
  processes: number;
  p50Millis: number;
  p99Millis: number;
  cpuMicrosPerProcess: { total: number };
  errors: number;
}
interface ComparedRow {
  engine: string;
  inflight: number;
  rounds: number;
  processesPerSecond: Spread;
  p50Millis: Spread;
  p99Millis: Spread;
  cpuMicrosPerProcess: Spread;
  errors: number;
  oursOver?: Spread;
  cpuOverOurs?: Spread;
}
export declare function interleaved<T>(contenders: T[], rounds: number): T[][];
export declare function titleOf(line: { engine: string; variant?: string }): string;
export declare function spread(values: number[]): Spread;
export declare function compared(measured: { round: number; line: ComparedLine }[], ours?: string): ComparedRow[];
export declare function table(rows: ComparedRow[]): string;
