/** The container driver with durable delivery: events wait in a stream while it is away. Answer to `replyTo`, then acknowledge. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jetstream, type JsMsg } from '@nats-io/jetstream';
import { connect } from 'nats';

const name = process.env['HANDLER_NAME'] ?? 'durable-demo';
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

function answer(message: JsMsg): void {
  const event = message.json<{ key: string; process: string; resourceId: string; replyTo: string }>();
  let reply: object;
  try {
    reply = { data: handle(event) };
  } catch (error) {
    reply = { transitioning: 'error', transitioningMessage: String(error) };
  }
  client.publish(event.replyTo, JSON.stringify(reply));
  message.ack();
}

mkdirSync(folder, { recursive: true });
const servers = process.env['DROVER_NATS_URL'] ?? 'nats://127.0.0.1:4222';
const client = await connect({ servers, name, maxReconnectAttempts: -1, waitOnFirstConnect: true });
process.once('SIGTERM', () => void client.drain());
// Repeating a registration updates it, so a handler registers at every start.
const registration = {
  name,
  uuid: name,
  delivery: 'durable',
  processConfigs: [{ name: 'instance.start,instance.stop' }],
};
const reply = await client.request('drover.handler.register', JSON.stringify(registration), { timeout: 5000 });
if (reply.headers?.has('Drover-Error')) throw new Error(`${name} is not registered: ${reply.string()}`);
console.log(name, 'is registered:', reply.string());
const consumer = await jetstream(client).consumers.get('WORK', `HANDLER_${name}`);
await consumer.consume({ callback: answer });
