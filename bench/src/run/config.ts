import type { Arrivals, ResultLine } from './result.js';

/** What tools/bench.mjs tells a program of the benchmark, as JSON in BENCH_CONFIG. */
export interface Config {
  run: string;
  engine: 'drover' | 'limit';
  natsUrl: string;
  databaseUrl: string;
  /** of the gateway: processes are started over HTTP; absent: over NATS */
  httpUrl?: string;
  metricsUrls: string[];
  /** closed loop: processes kept going; open loop: the most that may be open */
  inflight: number;
  /** open loop: starts per second */
  rate?: number;
  arrivals: Arrivals;
  seed: number;
  /** resources that processes run on */
  resources: number;
  /** what a fill left in the database */
  history?: { resources: number; processes: number };
  handlers: number;
  /** one engine is killed in the middle of the window: how long what it had accepted takes then */
  takeover: boolean;
  warmupSeconds: number;
  seconds: number;
  pids: Record<string, number[]>;
  /** other settings for the line */
  settings: ResultLine['settings'];
  commit: string;
}

export function readConfig<T = Config>(): T {
  const text = process.env['BENCH_CONFIG'];
  if (text === undefined) throw new Error('started by tools/bench.mjs, not by hand: BENCH_CONFIG is not set');
  return JSON.parse(text) as T;
}
