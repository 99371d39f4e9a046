/**
 * One account starts everything it has at once; another one goes on with its few. How much slower do those become? Prints one JSON line.
 */
import { connectNats } from '@drover/messaging';
import { type Config, readConfig } from './config.js';
import { atMost, type Criterion, none } from './criteria.js';
import { drover } from './engines.js';
import type { Flooded } from './flooder.js';
import { ClosedLoop, type Outcome } from './load.js';
import { seconds } from './measuring.js';
import { startProgram } from './program.js';
import { type Latencies, machine, round } from './result.js';

/** Times the other account's quiet p99 that its p99 may be during the flood. */
const MOST_SLOWER = 3;
const QUIET = 2;

const config = readConfig<Config & { count: number; lanes: number }>();
/** A program of its own for each account, as two clients are. */
const flooder = await startProgram('./flooder.js');
const quiet = await connectNats(config.natsUrl, 'bench-quiet');
const { runOne, resources, close } = await drover(quiet, {
  count: config.count + config.lanes * 8,
  handlers: config.handlers,
  faults: false,
  filled: 0,
  account: QUIET,
});
const own = resources.slice(config.count);

const [calm] = await beside(() => seconds(config.seconds), config.warmupSeconds);
const [busy, { tookSeconds, ...flood }] = await beside(() => {
  flooder.send(resources.slice(0, config.count));
  return flooder.heard<Flooded>();
});

const ratio = round(busy.latencies.at(0.99) / calm.latencies.at(0.99), 2);
const criteria: Criterion[] = [
  atMost("the other account's p99 during the flood, as a multiple of its quiet one", ratio, MOST_SLOWER, 'times'),
  none(
    'starts of the other account that were refused or failed',
    [calm, busy].flatMap((of) => Object.values(of.errors)).reduce((sum, n) => sum + n, 0),
  ),
  none('starts of the flood that were lost', config.count - flood.accepted),
];
console.log(
  JSON.stringify({
    kind: 'flood',
    run: config.run,
    date: new Date().toISOString(),
    count: config.count,
    lanes: config.lanes,
    quiet: fields(calm.latencies),
    flooded: fields(busy.latencies),
    flood: { ...flood, seconds: round(tookSeconds, 1), perSecond: round(flood.accepted / tookSeconds, 0) },
    errors: { quiet: calm.errors, flooded: busy.errors },
    criteria,
    settings: config.settings,
    machine: machine(),
    commit: config.commit,
  }),
);
await close();
await quiet.close();

/** Keeps the other account's few processes going until the work is done; those under way then count too. */
async function beside<T>(work: () => Promise<T>, warmupSeconds = 0): Promise<[Outcome, T]> {
  const load = new ClosedLoop(runOne, own, config.lanes);
  load.start();
  await seconds(warmupSeconds);
  load.open();
  const result = await work();
  return [await load.stop(), result];
}

function fields(of: Latencies) {
  return {
    count: of.count,
    p50Millis: round(of.at(0.5), 1),
    p99Millis: round(of.at(0.99), 1),
    maxMillis: round(of.at(1), 1),
  };
}
