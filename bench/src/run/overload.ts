/**
 * Ten times what is sustained over HTTP, for a minute: is what cannot be done refused properly, is what was accepted done in time, do the
 * programs stay small, and is everything as before a minute later? Prints one JSON line with a figure for each criterion.
 */
import { connectNats } from '@drover/messaging';
import { Client } from 'pg';
import { readConfig, type Config } from './config.js';
import { atMost, type Criterion, none } from './criteria.js';
import { drover } from './engines.js';
import { ClosedLoop } from './load.js';
import { seconds } from './measuring.js';
import type { Offer, Offered } from './offerer.js';
import { MemoryWatch, processorMicros } from './proc.js';
import { startProgram } from './program.js';
import { machine, round } from './result.js';

/** In flight while the sustainable rate is found. */
const SUSTAINED = 256;
const SUSTAINED_SECONDS = 10;
const FACTOR = 10;
/** What may be left of the load is gone after this long, seconds. */
const DRAIN_SECONDS = 60;

const config = readConfig<Config & { connections: number; httpUrls: string[] }>();
const connection = await connectNats(config.natsUrl, 'bench-client');
const database = new Client({ connectionString: config.databaseUrl });
await database.connect();
const { runOne, resources, close } = await drover(connection, {
  count: config.connections + SUSTAINED,
  handlers: config.handlers,
  faults: false,
  filled: 0,
  httpUrls: config.httpUrls,
});

const sustainable = await sustained();
const ranBefore = await finished();
const offerer = await startProgram('./offerer.js');
const memory = new MemoryWatch(config.pids);
const coresUsed = await offer(sustainable * FACTOR);
const loadEnded = performance.now();
const drained = await drainedAfter();
const resident = memory.stop();
const seen = await offerer.heard<Offered>();
const calm = await waitedForOne();
const done = (await finished()) - ranBefore;

const { tookSeconds } = seen;
const factor = round(seen.sent / tookSeconds / sustainable, 1);
const answered = seen.accepted + seen.refused;
const criteria: Criterion[] = [
  {
    what: 'starts offered a second, as a multiple of what is sustained',
    figure: factor,
    goal: `at least ${FACTOR}; less: this machine cannot send or take more`,
    // A client's timer is exact to a millisecond.
    met: factor >= 0.99 * FACTOR,
  },
  {
    what: 'starts accepted a second, as a share of what is sustained',
    figure: round(seen.accepted / tookSeconds / sustainable, 2),
    goal: 'at least 0.5: refusing is not all that is done',
    met: seen.accepted / tookSeconds / sustainable >= 0.5,
  },
  { what: 'starts refused', figure: seen.refused, goal: 'some', met: seen.refused > 0 },
  none('refusals without a code for load or without Retry-After', seen.badRefusals),
  atMost(
    'starts neither accepted nor refused, of a thousand',
    round((1_000 * seen.unknown) / Math.max(1, answered), 2),
    1,
    '',
  ),
  atMost('latency of accepted starts, p99', round(seen.acceptedMillis.p99, 0), 2_000, 'ms'),
  ...['gateway', 'engine', 'store'].map((name) => {
    const each = (resident[name]?.max ?? 0) / Math.max(1, config.pids[name]?.length ?? 1);
    return atMost(`resident memory of the ${name}, most`, round(each, 0), 512, 'MB');
  }),
  atMost('time until nothing was left to do', drained, DRAIN_SECONDS, 's'),
  none('accepted processes that did not finish', Math.max(0, seen.accepted - done)),
  atMost('latency of a start afterwards', round(calm, 1), 250, 'ms'),
];
console.log(
  JSON.stringify({
    kind: 'overload',
    handlers: config.handlers,
    run: config.run,
    date: new Date().toISOString(),
    sustainedPerSecond: round(sustainable, 0),
    seconds: round(tookSeconds, 1),
    sentPerSecond: round(seen.sent / tookSeconds, 0),
    acceptedPerSecond: round(seen.accepted / tookSeconds, 0),
    factor,
    ...seen,
    coresUsed,
    generatorMicrosPerStart: round(seen.cpuMicros / seen.sent, 1),
    memoryMegabytes: resident,
    criteria,
    settings: config.settings,
    machine: machine(),
    commit: config.commit,
  }),
);
await close();
await connection.close();
await database.end();

async function sustained(): Promise<number> {
  const load = new ClosedLoop(runOne, resources, SUSTAINED);
  load.start();
  await seconds(config.warmupSeconds);
  load.open();
  await seconds(SUSTAINED_SECONDS);
  const count = load.close();
  await load.stop();
  return count / SUSTAINED_SECONDS;
}

/** Offers the load, and returns when it is over. @returns cores that each component kept busy meanwhile */
async function offer(rate: number): Promise<Record<string, number>> {
  const pids: Record<string, readonly number[]> = { ...config.pids, generator: [offerer.pid] };
  const used = () => Object.entries(pids).map(([name, roots]) => [name, processorMicros(roots)] as const);
  const asked: Offer = {
    urls: config.httpUrls,
    resources: resources.slice(0, config.connections),
    rate,
    seconds: config.seconds,
  };
  const began = performance.now();
  const before = new Map(used());
  offerer.send(asked);
  await offerer.heard<'offered'>();
  const micros = (performance.now() - began) * 1_000;
  return Object.fromEntries(used().map(([name, now]) => [name, round((now - before.get(name)!) / micros, 2)]));
}

/** Seconds from the end of the load until no process is live and the feed is published. */
async function drainedAfter(): Promise<number> {
  for (;;) {
    const { rows } = await database.query<{ left: string }>(
      `select (select count(*) from process_live)
            + (select count(*) from (select 1 from feed where id > (select published from relay) limit 1) f) as left`,
    );
    const passed = (performance.now() - loadEnded) / 1_000;
    if (Number(rows[0]!.left) === 0 || passed > 2 * DRAIN_SECONDS) return round(passed, 1);
    await seconds(0.25);
  }
}

async function finished(): Promise<number> {
  const { rows } = await database.query<{ count: string }>(
    `select count(*) from process_finished where name = 'benchthing.run' and exit_reason = 'DONE'`,
  );
  return Number(rows[0]!.count);
}

/** One start, repeated as `Retry-After` of the last refusals may still ask for. @returns its latency, milliseconds */
async function waitedForOne(): Promise<number> {
  for (const until = performance.now() + DRAIN_SECONDS * 1_000; ;) {
    const sent = performance.now();
    try {
      await runOne(resources[0]!, () => undefined);
      return performance.now() - sent;
    } catch (error) {
      if (performance.now() > until) throw error;
      await seconds(1);
    }
  }
}
