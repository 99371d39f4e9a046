import type { ResultLine } from '../run/result.js';

/** A line for tests. */
export function line(over: Partial<ResultLine> = {}): ResultLine {
  return {
    format: 1,
    run: 'one',
    date: '2026-11-22T22:00:00.000Z',
    engine: 'drover',
    start: 'nats',
    inflight: 64,
    settings: {},
    warmupSeconds: 3,
    seconds: 12,
    processes: 12_000,
    processesPerSecond: 1_000,
    errors: 0,
    p50Millis: 10,
    p90Millis: 20,
    p99Millis: 30,
    p999Millis: 40,
    maxMillis: 50,
    histogram: '',
    cpuMicrosPerProcess: { total: 500, engine: 200, store: 300 },
    memoryMegabytes: { engine: { end: 100, max: 120 } },
    walBytesPerProcess: 1_800,
    otherCores: 0,
    versions: { node: 'v24.0.0', postgres: '18.4', nats: '2.14.1' },
    commit: 'abc1234',
    machine: { cpus: 2, cpu: 'Some Processor', memoryGigabytes: 24, system: 'linux x64', load1: 1 },
    ...over,
  };
}
