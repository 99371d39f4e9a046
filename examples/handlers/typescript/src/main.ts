/** A container driver for Drover: it starts and stops instances. All it needs is a NATS client. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type Msg } from 'nats';

const name = process.env['HANDLER_NAME'] ?? 'demo';
const folder = process.env['DROVER_CONTAINERS_DIR'] ?? 'containers';

/** Starts or stops the container of the event's resource. Doing either twice is a no-op, so a repeated event is safe. */
function handle(event: { key: string; process: string; resourceId: string }): object {
  const container = join(folder, event.resourceId);
  if (event.process === 'instance.stop') {
    rmSync(container, { force: true });
    return { containerId: null };
  }
  if (!existsSync(container)) writeFileSync(container, `${event.key}\n`, { flag: 'wx' }); // stands for the real work
  return { containerId: `${name}-${event.resourceId}` };
}

function answer(_error: Error | null, message: Msg): void {
  let reply: object;
  try {
    reply = { data: handle(message.json()) };
  } catch (error) {
    reply = { transitioning: 'error', transitioningMessage: String(error) };
  }
  message.respond(JSON.stringify(reply));
}

mkdirSync(folder, { recursive: true });
const servers = process.env['DROVER_NATS_URL'] ?? 'nats://127.0.0.1:4222';
const client = await connect({ servers, name, maxReconnectAttempts: -1, waitOnFirstConnect: true });
client.subscribe(`drover.process.instance.*.handle.${name}`, { queue: name, callback: answer });
process.once('SIGTERM', () => void client.drain());
// Repeating a registration updates it, so a handler registers at every start.
const registration = { name, uuid: name, processConfigs: [{ name: 'instance.start,instance.stop' }] };
const reply = await client.request('drover.handler.register', JSON.stringify(registration), { timeout: 5000 });
if (reply.headers?.has('Drover-Error')) throw new Error(`${name} is not registered: ${reply.string()}`);
console.log(name, 'is registered:', reply.string());
