#!/usr/bin/env node
/**
 * An external handler in a program of its own, as the issue of a cluster that is shot at needs one: it makes container files
 * with O_EXCL and writes down, before anything else, every event it is sent and every file it really made.
 *   node container-driver.mjs <nats url> <handler name> <folder> <shortest> <longest work, milliseconds>
 */
import { openSync, closeSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'nats';

const [natsUrl, name, folder, shortest, longest] = process.argv.slice(2);
const log = openSync(join(folder, 'log.jsonl'), 'a');
const note = (line) => writeSync(log, `${JSON.stringify({ at: Date.now(), ...line })}\n`);

const connection = await connect({
  servers: natsUrl,
  name,
  maxReconnectAttempts: -1,
  reconnectTimeWait: 100,
  waitOnFirstConnect: true,
});
connection.subscribe(`drover.process.*.*.*.${name}`, {
  queue: name,
  callback: (_error, message) => void work(message),
});
await connection.flush();
note({ what: 'ready' });

async function work(message) {
  const { id, key, attempt, time, process: processName, resourceId } = message.json();
  note({ what: 'event', id, key, attempt, time });
  await sleep(Number(shortest) + Math.random() * (Number(longest) - Number(shortest)));
  if (processName.endsWith('.start')) create(resourceId, key);
  // Every second instance goes from create straight on into start.
  const delegate = processName.endsWith('.create') && Number(resourceId.replace(/\D/g, '')) % 2 === 0;
  const data = processName.endsWith('.start') ? { containerId: `container-${resourceId}` } : {};
  message.respond(JSON.stringify({ data, ...(delegate ? { delegate } : {}) }));
}

function create(resourceId, key) {
  try {
    closeSync(openSync(join(folder, `container-${resourceId}`), 'wx'));
    note({ what: 'created', container: `container-${resourceId}`, key });
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
}
