/**
 * The handler's work, the same for every peer: reads an event, answers a small JSON, and counts. Whatever program of a
 * peer calls it is that peer's external handler.
 */
import { createServer } from 'node:http';

/** Keys seen, to tell a second call of the same step from a first; of this program's life. */
const keys = new Set();
let calls = 0;

/** @param {{key: string}} event  as {@link eventOf} makes it */
export function answerTo(event) {
  calls++;
  keys.add(event.key);
  return { data: { result: event.key } };
}

/** How often the handler was called, and for how many processes: equal unless a step was called twice. */
export function counts() {
  return { calls, processes: keys.size };
}

/** The fields of an event of Drover, so that all handlers read and parse as much. */
export function eventOf({ key, resourceId, revision, data }) {
  return {
    id: `${key}.1`,
    key,
    name: 'benchthing.run;handler=bench',
    replyTo: key,
    time: Date.now(),
    timeoutMillis: 45_000,
    resourceType: 'benchThing',
    resourceId: `1bt${resourceId}`,
    process: 'benchthing.run',
    phase: 'handle',
    processId: key,
    step: 1,
    attempt: 1,
    resource: { id: `1bt${resourceId}`, type: 'benchThing', state: 'running', revision },
    data,
    context: {},
  };
}

/** Serves {@link counts} and, where the handler is called over HTTP, the handler itself: `POST /handle`. */
export function serve(port) {
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      const answer = request.url === '/counts' ? counts() : answerTo(JSON.parse(body));
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer));
    });
  });
  server.keepAliveTimeout = 60_000;
  server.listen(port, '127.0.0.1');
  return new Promise((listening) => server.once('listening', () => listening(server)));
}
