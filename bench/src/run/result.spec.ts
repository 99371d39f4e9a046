import { decodeFromCompressedBase64 } from 'hdr-histogram-js';
import { describe, expect, it } from 'vitest';
import { Latencies } from './result.js';

describe('latencies of a line', () => {
  it('percentiles are exact to three digits and the encoded histogram gives the same', () => {
    const latencies = new Latencies();
    for (let millis = 1; millis <= 1_000; millis++) latencies.add(millis);
    const fields = latencies.fields();
    expect(fields.p50Millis).toBeCloseTo(500, -0.5);
    expect(fields.p99Millis).toBeCloseTo(990, -0.5);
    expect(fields.maxMillis).toBeGreaterThanOrEqual(1_000);
    const decoded = decodeFromCompressedBase64(fields.histogram);
    expect(decoded.totalCount).toBe(1_000);
    expect(decoded.getValueAtPercentile(99) / 1_000 / fields.p99Millis).toBeCloseTo(1, 1.5);
  });

  it('a latency beyond the longest is counted, not refused', () => {
    const latencies = new Latencies();
    latencies.add(3_600_000);
    latencies.add(-1);
    expect(latencies.count).toBe(2);
    expect(latencies.at(1)).toBeGreaterThan(599_000);
  });

  it('of none all percentiles are 0', () => {
    expect(new Latencies().fields()).toMatchObject({ p50Millis: 0, maxMillis: 0 });
  });
});
