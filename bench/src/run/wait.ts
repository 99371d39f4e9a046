/**
 * Starts a process on each of the resources 1 to `count`, whose handler is registered and absent, and ends when all of
 * them wait for it: prints how many do.
 */
import { connectNats, MessageBus } from '@drover/messaging';
import { startProcess } from '@drover/contracts';
import { DroverError } from '@drover/kernel';
import { Client } from 'pg';
import { type Config, readConfig } from './config.js';
import { drover } from './engines.js';
import { seconds } from './measuring.js';

/** All of them have been started; those that do not wait by then never will. */
const PATIENCE_SECONDS = 300;

const config = readConfig<Config & { count: number }>();
const connection = await connectNats(config.natsUrl, 'bench-waiting');
const database = new Client({ connectionString: config.databaseUrl });
await database.connect();
const bus = new MessageBus(connection);
await drover(connection, { count: 0, handlers: 1, faults: false, filled: config.count });

let next = 0;
let repeated = 0;
const lane = async (): Promise<void> => {
  while (next < config.count) {
    const resourceId = ++next;
    for (let begun = false; !begun;) begun = await start(resourceId);
  }
};
await Promise.all(Array.from({ length: config.inflight }, lane));
const { live, waiting } = await untilAllWait();
console.log(JSON.stringify({ processes: config.count, live, waiting, repeated }));
await connection.close();
await database.end();

/** @returns false when it has to be tried again */
async function start(resourceId: number): Promise<boolean> {
  const command = {
    commandId: null,
    commandHash: null,
    notify: null,
    process: 'benchthing.run',
    resourceId,
    data: { note: 'bench' },
  };
  try {
    await bus.request(startProcess, command, 30_000);
    return true;
  } catch (error) {
    const code = error instanceof DroverError ? error.code : '';
    // An earlier try that was not answered has begun it.
    if (code === 'ActionNotAvailable' || code === 'ResourceBusy') return true;
    if (code !== 'Overloaded' && code !== 'Unavailable' && code !== 'ProcessUnknown') throw error;
    repeated++;
    await seconds(0.2);
    return false;
  }
}

async function untilAllWait(): Promise<{ live: number; waiting: number }> {
  for (let left = PATIENCE_SECONDS; ; left--) {
    const { rows } = await database.query<{ live: number; waiting: number }>(
      'select count(*)::int as live, count(waiting_handler)::int as waiting from process_live',
    );
    if (rows[0]!.waiting >= config.count || left <= 0) return rows[0]!;
    await seconds(1);
  }
}
