/** The external handlers of the benchmark, one program of their own: each parses the event and answers a small JSON. */
import { connectNats } from '@drover/messaging';
import { HANDLER_READY, handlerNames, runEventSubject } from './shape.js';

const connection = await connectNats(process.env['DROVER_NATS_URL']!, 'bench-handler');
for (const name of handlerNames(Number(process.env['BENCH_HANDLERS'] ?? 1)))
  connection.subscribe(runEventSubject(name), {
    queue: name,
    callback: (_error, message) => {
      const event = message.json<{ key: string }>();
      message.respond(JSON.stringify({ data: { result: event.key } }));
    },
  });
connection.subscribe(HANDLER_READY, { callback: (_error, message) => void message.respond() });
process.once('SIGTERM', () => void connection.drain());
