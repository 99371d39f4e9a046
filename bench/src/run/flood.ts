/**
 * One account starts everything it has at once; another one goes on with its few. How much slower do those become? Prints one JSON line.
 */
import { type ProcessEnded, startProcess, SUBJECTS } from '@drover/contracts';
import { DroverError, isRefusedLoad, retryAfterMillis } from '@drover/kernel';
import { connectNats, MessageBus } from '@drover/messaging';
import { type Config, readConfig } from './config.js';
import { atMost, type Criterion, none } from './criteria.js';
import { drover } from './engines.js';
import { seconds } from './measuring.js';
import { Latencies, machine, round } from './result.js';

/** Times the other account's quiet p99 that its p99 may be during the flood. */
const MOST_SLOWER = 3;
const [FLOODING, QUIET] = [1, 2];

const config = readConfig<Config & { count: number; lanes: number }>();
/** A connection of its own for each account, as two clients have. */
const flooding = await connectNats(config.natsUrl, 'bench-flood');
const quiet = await connectNats(config.natsUrl, 'bench-quiet');
const { resources, close } = await drover(quiet, {
  count: config.count + config.lanes * 8,
  handlers: config.handlers,
  faults: false,
  filled: 0,
});
const own = resources.slice(config.count);

const ends = new Map<string, () => void>();
let calls = 0;
quiet.subscribe(SUBJECTS.notify('benchquiet', '*'), {
  callback: (_error, message) => {
    message.json<ProcessEnded>();
    ends.get(message.subject)?.();
    ends.delete(message.subject);
  },
});
let latencies = new Latencies();
const errors = new Map<string, number>();
let over = false;
const bus = new MessageBus(quiet);
const lanes = Array.from({ length: config.lanes }, async (_, lane) => {
  for (let turn = lane; !over; turn += config.lanes) {
    const notify = SUBJECTS.notify('benchquiet', String(++calls));
    const ended = new Promise<void>((resolve) => ends.set(notify, resolve));
    const began = performance.now();
    try {
      await bus.request(startProcess, command(own[turn % own.length]!, QUIET!, notify));
      await ended;
      latencies.add(performance.now() - began);
    } catch (error) {
      const name = error instanceof DroverError ? error.code : String(error);
      errors.set(name, (errors.get(name) ?? 0) + 1);
      await seconds(0.05);
    }
  }
});

await seconds(config.warmupSeconds);
latencies = new Latencies();
await seconds(config.seconds);
const calm = latencies;
latencies = new Latencies();
const began = performance.now();
const flood = await sendAll();
const tookSeconds = (performance.now() - began) / 1_000;
const busy = latencies;
over = true;
await Promise.all(lanes);

const ratio = round(busy.at(0.99) / calm.at(0.99), 2);
const criteria: Criterion[] = [
  atMost("the other account's p99 during the flood, as a multiple of its quiet one", ratio, MOST_SLOWER, 'times'),
  none(
    'starts of the other account that were refused or failed',
    [...errors.values()].reduce((sum, n) => sum + n, 0),
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
    quiet: fields(calm),
    flooded: fields(busy),
    flood: { ...flood, seconds: round(tookSeconds, 1), perSecond: round(flood.accepted / tookSeconds, 0) },
    errors: Object.fromEntries(errors),
    criteria,
    settings: config.settings,
    machine: machine(),
    commit: config.commit,
  }),
);
await close();
await flooding.close();
await quiet.close();

/** All at once; a refused start comes again when it was told to. Resolves when all were accepted. */
async function sendAll(): Promise<{ accepted: number; refusals: number; unanswered: number }> {
  const floodBus = new MessageBus(flooding);
  const count = { accepted: 0, refusals: 0, unanswered: 0 };
  const one = async (resource: number): Promise<void> => {
    for (;;) {
      try {
        await floodBus.request(startProcess, command(resource, FLOODING!, null));
        count.accepted++;
        return;
      } catch (error) {
        if (!(error instanceof DroverError)) throw error;
        if (isRefusedLoad(error)) count.refusals++;
        // Its first try may have been taken: then the state is another one by now.
        else if (error.code === 'ActionNotAvailable' || error.code === 'ResourceBusy') return void count.accepted++;
        else count.unanswered++;
        await seconds((retryAfterMillis(error.toBody()) ?? 1_000) / 1_000);
      }
    }
  };
  await Promise.all(resources.slice(0, config.count).map(one));
  return count;
}

function command(resourceId: number, account: number, notify: string | null) {
  return { commandId: null, commandHash: null, notify, account, process: 'benchthing.run', resourceId, data: {} };
}

function fields(of: Latencies) {
  return {
    count: of.count,
    p50Millis: round(of.at(0.5), 1),
    p99Millis: round(of.at(0.99), 1),
    maxMillis: round(of.at(1), 1),
  };
}
