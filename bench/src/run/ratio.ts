/** What the smoke run compares: our throughput and the limit engine's, measured right after each other. */
export interface Slice {
  limit: number;
  drover: number;
}

/** bench/baseline.json: the ratio that a quiet machine gave, and where. */
export interface Baseline {
  ratio: number;
  inflight: number;
  date: string;
  commit: string;
  cpu: string;
  cpus: number;
}

/** A ratio below this share of the baseline's is a fall by more than a third. */
const ALLOWED = 2 / 3;

/** Median over the slices of ours divided by the limit's: a disturbance that hits one slice does not move it. */
export function medianRatio(slices: readonly Slice[]): number {
  return median(slices.map(({ limit, drover }) => (limit > 0 ? drover / limit : 0)));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return 0;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function hasFallen(ratio: number, baseline: Pick<Baseline, 'ratio'>): boolean {
  return ratio < baseline.ratio * ALLOWED;
}
