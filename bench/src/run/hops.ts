/**
 * Where the time of a process goes: the closed loop over NATS, while a connection of its own listens to everything on the
 * broker. Prints one JSON line. Listening costs: the broker sends each message once more, to this program; and nobody hears
 * "no responders" any more, since somebody always listens.
 */
import { connectNats } from '@drover/messaging';
import { Client } from 'pg';
import { readConfig } from './config.js';
import { drover, untilHandlerListens } from './engines.js';
import { ClosedLoop } from './load.js';
import { measure, seconds } from './measuring.js';
import { round } from './result.js';
import { inDatabase, type Seen, timesOf, trace } from './trace.js';

const config = readConfig();
const connection = await connectNats(config.natsUrl, 'bench-client');
const listener = await connectNats(config.natsUrl, 'bench-listener');
const database = new Client({ connectionString: config.databaseUrl });
await database.connect();
await untilHandlerListens(connection);
const { runOne, resources, close } = await drover(connection, {
  count: config.resources,
  handlers: config.handlers,
  faults: false,
  filled: 0,
});

// Looked at afterwards: what is done here while it runs is in the times.
const seen: Seen[] = [];
const load = new ClosedLoop(runOne, resources, config.inflight);
const measured = await measure(load, { connection, database, ...config }, config.warmupSeconds, async () => {
  const everything = listener.subscribe('>', {
    callback: (_error, { subject, reply, data }) => {
      seen.push({ at: performance.now(), subject, reply, data });
    },
  });
  await seconds(config.seconds);
  everything.unsubscribe();
});

const { traces, messages } = trace(seen);
const { hops, whole } = timesOf(traces);
const { processes, histogram: _, ...rest } = measured;
const each = (total: number, digits: number): number => round(total / Math.max(1, processes), digits);
console.log(
  JSON.stringify({
    kind: 'hops',
    run: config.run,
    inflight: config.inflight,
    settings: { ...config.settings, resources: resources.length, handlers: config.handlers },
    warmupSeconds: config.warmupSeconds,
    processes,
    traced: traces.length,
    whole,
    hops,
    inDatabase: inDatabase(traces, measured.batches ?? {}),
    messages: Object.entries(messages)
      .map(([message, { count, bytes }]) => ({ message, perProcess: each(count, 3), bytesPerProcess: each(bytes, 0) }))
      .sort((a, b) => b.bytesPerProcess - a.bytesPerProcess),
    ...rest,
    commit: config.commit,
  }),
);
await connection.close();
await listener.close();
await database.end();
await close();
