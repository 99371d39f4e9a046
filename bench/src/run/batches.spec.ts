import { describe, expect, it } from 'vitest';
import { batchesBetween, readBatches } from './batches.js';

const metrics = (ones: number, twos: number, more: number) => `# TYPE drover_store_batch_rows histogram
drover_store_batch_rows_bucket{le="1",lane="starts"} ${ones}
drover_store_batch_rows_bucket{le="2",lane="starts"} ${ones + twos}
drover_store_batch_rows_bucket{le="+Inf",lane="starts"} ${ones + twos + more}
drover_store_batch_rows_sum{lane="starts"} ${ones + 2 * twos + 300 * more}
drover_store_batch_rows_count{lane="starts"} ${ones + twos + more}
drover_store_batch_seconds_bucket{le="1",lane="starts"} 99
drover_store_batch_seconds_sum{lane="starts"} ${0.001 * ones + 0.003 * twos + 0.005 * more}
drover_store_batch_seconds_count{lane="starts"} ${ones + twos + more}
`;

describe('sizes of batches', () => {
  it('are what happened between two readings, not cumulative, without empty bounds', () => {
    const between = batchesBetween(readBatches(metrics(5, 1, 0)), readBatches(metrics(5, 4, 1)));
    expect(between).toEqual({ starts: { mean: 76.5, meanMillis: 3.5, upTo: { '2': 3, '+Inf': 1 } } });
  });

  it('of several replicas add up', () => {
    const between = batchesBetween(readBatches(''), readBatches(metrics(2, 0, 0) + metrics(1, 1, 0)));
    expect(between).toEqual({ starts: { mean: 1.3, meanMillis: 1.5, upTo: { '1': 3, '2': 1 } } });
  });

  it('a lane without a batch is left out', () => {
    expect(batchesBetween(readBatches(metrics(2, 0, 0)), readBatches(metrics(2, 0, 0)))).toEqual({});
  });
});
