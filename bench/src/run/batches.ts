import type { ResultLine } from './result.js';

/** The store's histograms of rows and time per batch, by lane; see drover_store_batch_rows and drover_store_batch_seconds. */
interface Lane {
  /** batches with at most so many rows, cumulative, by the bound as Prometheus writes it */
  upTo: Map<string, number>;
  rows: number;
  batches: number;
  /** from sending each batch to the database to its answer */
  seconds: number;
}
export type Batches = Map<string, Lane>;

const LINE = /^drover_store_batch_(rows|seconds)_(bucket|sum|count)\{(.*)\} (\S+)$/;

/** Reads it from the text of /metrics, of several replicas one after the other: their counts add up. */
export function readBatches(text: string): Batches {
  const lanes: Batches = new Map();
  for (const line of text.split('\n')) {
    const found = LINE.exec(line);
    if (found === null) continue;
    const [, of, part, labels, value] = found as unknown as [string, string, string, string, string];
    const name = /lane="([^"]*)"/.exec(labels)?.[1] ?? '';
    const lane = lanes.get(name) ?? { upTo: new Map<string, number>(), rows: 0, batches: 0, seconds: 0 };
    lanes.set(name, lane);
    if (of === 'seconds') lane.seconds += part === 'sum' ? Number(value) : 0;
    else if (part === 'sum') lane.rows += Number(value);
    else if (part === 'count') lane.batches += Number(value);
    else {
      const bound = /le="([^"]*)"/.exec(labels)?.[1] ?? '';
      lane.upTo.set(bound, (lane.upTo.get(bound) ?? 0) + Number(value));
    }
  }
  return lanes;
}

/** What happened between two readings: counts per bound (not cumulative), lanes and bounds without a batch left out. */
export function batchesBetween(before: Batches, after: Batches): NonNullable<ResultLine['batches']> {
  const result: NonNullable<ResultLine['batches']> = {};
  for (const [name, lane] of after) {
    const old = before.get(name);
    const batches = lane.batches - (old?.batches ?? 0);
    if (batches <= 0) continue;
    const upTo: Record<string, number> = {};
    let below = 0;
    for (const [bound, count] of lane.upTo) {
      const cumulative = count - (old?.upTo.get(bound) ?? 0);
      if (cumulative > below) upTo[bound] = cumulative - below;
      below = cumulative;
    }
    const mean = Number(((lane.rows - (old?.rows ?? 0)) / batches).toFixed(1));
    const meanMillis = Number(((1_000 * (lane.seconds - (old?.seconds ?? 0))) / batches).toFixed(2));
    result[name] = { mean, meanMillis, upTo };
  }
  return result;
}
