/**
 * Times lists, counts and single reads through the gateway: prints `{millis: {<read>: {median, worst}}}`, each read at
 * another place every time.
 */
import { formatId } from '@drover/kernel';
import { type Config, readConfig } from './config.js';
import { median } from './ratio.js';
import { machine, round } from './result.js';
import { BENCH_PREFIX } from './shape.js';

const REPEATS = 30;
const PAGE = 100;

const config = readConfig<Config & { httpUrl: string }>();

interface Collection {
  data: { id: string }[];
  pagination: { total?: number; totalExact?: boolean };
}

const get = async <T>(path: string): Promise<T> => {
  const response = await fetch(new URL(path, config.httpUrl));
  const body = (await response.json()) as T;
  if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${JSON.stringify(body)}`);
  return body;
};
const among = (count: number): number => 1 + Math.floor(Math.random() * count);
const oneOf = <T>(values: readonly T[]): T => values[among(values.length) - 1]!;

/** Anywhere in what was filled, or what the empty database has. */
async function places(): Promise<{ resource: () => string; process: () => string; marker: () => string }> {
  const { history } = config;
  if (history !== undefined) {
    return {
      resource: () => formatId(BENCH_PREFIX, among(history.resources)),
      process: () => formatId('pi', history.resources + 2 * among(history.processes)),
      marker: () => `m${history.resources + 2 * among(history.processes)}`,
    };
  }
  const resources = (await get<Collection>('/v1/benchthings?limit=1000')).data.map(({ id }) => id);
  const processes = (await get<Collection>('/v1/processinstances?limit=1000')).data.map(({ id }) => id);
  return {
    resource: () => oneOf(resources),
    process: () => oneOf(processes),
    marker: () => `m${oneOf(processes).replace(/^1pi/, '')}`,
  };
}

const at = await places();
const resourceMarker = (): string => `m${at.resource().replace(`1${BENCH_PREFIX}`, '')}`;
const READS: Record<string, () => string> = {
  'one resource': () => `/v1/benchthings/${at.resource()}`,
  'page of resources': () => `/v1/benchthings?limit=${PAGE}`,
  'page of resources, anywhere': () => `/v1/benchthings?limit=${PAGE}&marker=${resourceMarker()}`,
  'page of resources by state': () => `/v1/benchthings?limit=${PAGE}&state=idle`,
  'count of resources': () => '/v1/benchthings?limit=1&count=true',
  'count of resources by state': () => '/v1/benchthings?limit=1&count=true&state=idle',
  'one process': () => `/v1/processinstances/${at.process()}`,
  'newest page of processes': () => `/v1/processinstances?limit=${PAGE}`,
  'page of processes, anywhere': () => `/v1/processinstances?limit=${PAGE}&marker=${at.marker()}`,
  'page of processes that failed': () => `/v1/processinstances?limit=${PAGE}&exitReason=FAILED`,
  'processes of one resource': () => `/v1/benchthings/${at.resource()}/processinstances?limit=${PAGE}`,
  'transitions of one resource': () => `/v1/benchthings/${at.resource()}/transitions?limit=${PAGE}`,
  'count of processes': () => '/v1/processinstances?limit=1&count=true',
  'count of processes that failed': () => '/v1/processinstances?limit=1&count=true&exitReason=FAILED',
};

const millis: Record<string, object> = {};
for (const [name, path] of Object.entries(READS)) {
  const took: number[] = [];
  let last: Partial<Collection> = {};
  for (let i = 0; i < REPEATS; i++) {
    const asked = path();
    const began = performance.now();
    last = await get<Partial<Collection>>(asked);
    took.push(performance.now() - began);
  }
  millis[name] = {
    // The first is in: a read that is slow until it is warm is slow for somebody.
    median: round(median(took), 1),
    worst: round(Math.max(...took), 1),
    ...(last.pagination?.total === undefined
      ? {}
      : { total: last.pagination.total, exact: last.pagination.totalExact }),
  };
}
console.log(
  JSON.stringify({
    kind: 'reads',
    run: config.run,
    date: new Date().toISOString(),
    ...(config.history === undefined ? {} : { history: config.history }),
    millis,
    repeats: REPEATS,
    commit: config.commit,
    machine: machine(),
  }),
);
