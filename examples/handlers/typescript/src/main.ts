/** A container driver for Drover: it starts and stops instances. All it needs is a NATS client. */
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'nats';

const name = process.env['HANDLER_NAME'] ?? 'demo';
const folder = process.env['DROVER_CONTAINERS_DIR'] ?? 'containers';

interface Event {
  key: string;
  process: string;
  resourceId: string;
}

/** Starts or stops the container of the event's resource. Doing either twice is a no-op, so a repeated event is safe. */
function handle(event: Event): object {
  const container = join(folder, event.resourceId);
  if (event.process === 'instance.stop') {
    rmSync(container, { force: true });
    return { data: { containerId: null } };
  }
  try {
    writeFileSync(container, '', { flag: 'wx' }); // stands for the real work
    appendFileSync(join(folder, 'starts.log'), `${event.key}\n`);
  } catch (error) {
    if ((error as { code?: string }).code !== 'EEXIST') {
      return { transitioning: 'error', transitioningMessage: String(error) };
    }
  }
  return { data: { containerId: `${name}-${event.resourceId}` } };
}

mkdirSync(folder, { recursive: true });
const servers = process.env['DROVER_NATS_URL'] ?? 'nats://127.0.0.1:4222';
const client = await connect({ servers, name, maxReconnectAttempts: -1, waitOnFirstConnect: true });
client.subscribe(`drover.process.instance.*.handle.${name}`, {
  queue: name,
  callback: (_error, message) => void message.respond(JSON.stringify(handle(message.json<Event>()))),
});
process.once('SIGTERM', () => void client.drain());
const registration = { name, uuid: name, processConfigs: [{ name: 'instance.start,instance.stop' }] };
while (!client.isClosed() && !client.isDraining()) {
  try {
    // repeating a registration updates it, so a handler registers at every start
    const reply = await client.request('drover.handler.register', JSON.stringify(registration), { timeout: 5000 });
    const refused = reply.headers?.has('Drover-Error') ?? false;
    console.log(name, refused ? `cannot register yet: ${reply.string()}` : 'is registered');
    if (!refused) break;
  } catch (error) {
    console.log(name, 'cannot register yet:', String(error));
  }
  await sleep(1000);
}
