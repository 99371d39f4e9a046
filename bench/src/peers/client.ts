/**
 * The load generator of a peer: the same loop, window and line as ours; how a process is started and its end heard is in
 * the peer's own module, loaded by path because its packages are not of this workspace. Configured by
 * tools/lib/bench/peers.mjs.
 */
import { pathToFileURL } from 'node:url';
import { Client } from 'pg';
import { readConfig } from '../run/config.js';
import { ClosedLoop } from '../run/load.js';
import { measure, seconds } from '../run/measuring.js';
import type { ResultLine } from '../run/result.js';
import { type Counts, disagreements } from './counts.js';

interface PeerConfig {
  run: string;
  engine: string;
  variant?: string;
  start: ResultLine['start'];
  /** module with `connect(client)`, and what that is given */
  clientModule: string;
  client: object;
  /** answers {@link Counts} of the handler */
  countsUrl: string;
  /** of the peer's PostgreSQL; absent for one that has its own store */
  databaseUrl?: string;
  versions: Record<string, string>;
  inflight: number;
  resources: number;
  warmupSeconds: number;
  seconds: number;
  pids: Record<string, number[]>;
  settings: ResultLine['settings'];
  commit: string;
}

interface Peer {
  /** Starts a process on the resource and resolves when its end is heard; rejects with what went wrong. */
  runOne(resourceId: number): Promise<void>;
  close(): Promise<void>;
}

const config = readConfig<PeerConfig>();
const { connect } = (await import(pathToFileURL(config.clientModule).href)) as {
  connect(options: object): Promise<Peer>;
};
const peer = await connect({ ...config.client, inflight: config.inflight });
const database = config.databaseUrl === undefined ? undefined : new Client({ connectionString: config.databaseUrl });
await database?.connect();

const before = await counts();
let ended = 0;
const runOne = async (resource: number): Promise<void> => {
  await peer.runOne(resource);
  ended++;
};
const resources = Array.from({ length: config.resources }, (_, i) => i + 1);
const load = new ClosedLoop(runOne, resources, config.inflight);
const sources = { metricsUrls: [], pids: config.pids, ...(database === undefined ? {} : { database }) };
const measured = await measure(load, sources, config.warmupSeconds, () => seconds(config.seconds));
const wrong = disagreements(ended, before, await counts());

const errorKinds = { ...measured.errorKinds, ...wrong };
const line: ResultLine = {
  format: 1,
  run: config.run,
  engine: config.engine,
  ...(config.variant === undefined ? {} : { variant: config.variant }),
  start: config.start,
  inflight: config.inflight,
  settings: { ...config.settings, resources: config.resources },
  warmupSeconds: config.warmupSeconds,
  ...measured,
  errors: Object.values(errorKinds).reduce((sum, count) => sum + count, 0),
  ...(Object.keys(errorKinds).length === 0 ? {} : { errorKinds }),
  versions: { ...measured.versions, ...config.versions },
  commit: config.commit,
};
console.log(JSON.stringify(line));
await database?.end();
await peer.close();
process.exit(0); // a library's timer must not keep the comparison waiting

async function counts(): Promise<Counts> {
  return (await (await fetch(config.countsUrl)).json()) as Counts;
}
