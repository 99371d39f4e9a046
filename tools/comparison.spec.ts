import { describe, expect, it } from 'vitest';
import { compared, interleaved, spread, table } from './lib/bench/comparison.mjs';

const line = (engine: string, processesPerSecond: number, cpu: number, inflight = 64, variant?: string) => ({
  engine,
  ...(variant === undefined ? {} : { variant }),
  inflight,
  processesPerSecond,
  processes: processesPerSecond * 6,
  p50Millis: 1,
  p99Millis: 2,
  cpuMicrosPerProcess: { total: cpu },
  errors: 0,
});

describe('rounds', () => {
  it('have every contender once and begin with another each', () => {
    expect(interleaved(['a', 'b', 'c'], 3)).toEqual([
      ['a', 'b', 'c'],
      ['b', 'c', 'a'],
      ['c', 'a', 'b'],
    ]);
  });

  it('spread is the median with both ends', () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
    expect(spread([4, 1, 2, 3])).toEqual({ median: 2.5, min: 1, max: 4 });
  });
});

describe('a comparison', () => {
  const measured = [
    { round: 0, line: line('drover', 1000, 200) },
    { round: 0, line: line('peer', 100, 1000) },
    { round: 1, line: line('peer', 250, 800) },
    { round: 1, line: line('drover', 2000, 200) },
    { round: 2, line: line('drover', 900, 200) },
  ];

  it('divides what was measured in the same round', () => {
    const [ours, peer] = compared(measured);
    expect(ours).toMatchObject({
      engine: 'drover',
      rounds: 3,
      processesPerSecond: { median: 1000, min: 900, max: 2000 },
    });
    expect(ours).not.toHaveProperty('oursOver');
    expect(peer).toMatchObject({
      rounds: 2,
      oursOver: { median: 9, min: 8, max: 10 },
      cpuOverOurs: { median: 4.5, min: 4, max: 5 },
    });
  });

  it('keeps numbers in flight and variants apart', () => {
    const rows = compared([
      { round: 0, line: line('drover', 10, 1, 256) },
      { round: 0, line: line('peer', 5, 1, 256, 'tuned') },
      { round: 0, line: line('peer', 2, 1, 256) },
      { round: 0, line: line('peer', 1, 1, 64) },
    ]);
    expect(rows.map((row) => [row.engine, row.inflight, row.oursOver?.median])).toEqual([
      ['peer', 64, undefined],
      ['drover', 256, undefined],
      ['peer, tuned', 256, 2],
      ['peer', 256, 5],
    ]);
  });

  it('has no ratio to a line in whose window nothing ended', () => {
    const rows = compared([
      { round: 0, line: line('drover', 10, 1) },
      { round: 0, line: line('peer', 0, 0) },
    ]);
    expect(rows[1]).not.toHaveProperty('oursOver');
  });

  it('is a table for people', () => {
    expect(table(compared(measured)).split('\n').at(-1)).toBe(
      '| peer | 64 | 175 (100–250) | 1 (1–1) | 2 (2–2) | 900 (800–1000) | 9 (8–10) | 4.5 (4–5) | 0 |',
    );
  });
});
