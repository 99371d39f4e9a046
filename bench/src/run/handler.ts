/** The external handler of the benchmark, a program of its own: parses the event, answers a small JSON. */
import { connectNats } from '@drover/messaging';
import { HANDLER, HANDLER_READY, runEventSubject } from './shape.js';

const connection = await connectNats(process.env['DROVER_NATS_URL']!, 'bench-handler');
connection.subscribe(runEventSubject, {
  queue: HANDLER,
  callback: (_error, message) => {
    const event = message.json<{ key: string }>();
    message.respond(JSON.stringify({ data: { result: event.key } }));
  },
});
connection.subscribe(HANDLER_READY, { callback: (_error, message) => void message.respond() });
process.once('SIGTERM', () => void connection.drain());
