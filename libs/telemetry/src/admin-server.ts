import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { register as defaultRegistry, type Registry } from 'prom-client';
import { collectProgramMetrics } from './program-metrics.js';

/** A dependency that does not answer by then counts as failing: a probe must not hang with it. */
const READY_MILLIS = 1_500;

export interface AdminServerOptions {
  /** 0 lets the system choose; see `AdminServer.port`. */
  port: number;
  /** Address to listen on; loopback unless given. */
  host?: string;
  /** Dependencies by name, true when usable: `{ nats: true, database: false }`. A rejection counts as not ready. */
  ready: () => Promise<Record<string, boolean>>;
  /** What /metrics shows; prom-client's default registry unless given. */
  registry?: Registry;
}

/** The operators' side of a service. Ends with its scope. */
export interface AdminServer extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves /healthz (this program answers), /readyz (its dependencies do; else 503 naming the failing ones) and /metrics
 * (Prometheus). A plain server and not part of the Nest application, so that it answers before that has booted and
 * while it shuts down.
 * @throws the listen error when the port is taken
 */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const { host = '127.0.0.1', port, registry = defaultRegistry } = options;
  // Once per registry: a second collection would fail on the names of the first.
  if (!registry.getSingleMetric('process_cpu_user_seconds_total')) collectProgramMetrics(registry);
  const server = createServer((request, response) => {
    answer(request, response, options.ready, registry).catch((error: Error) =>
      send(response, 500, { message: error.message }),
    );
  });
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(port, host, done);
  });
  const bound = (server.address() as AddressInfo).port;
  const close = (): Promise<void> =>
    new Promise((done) => {
      server.close(() => done());
      server.closeAllConnections();
    });
  return { port: bound, url: `http://${host}:${bound}`, close, [Symbol.asyncDispose]: close };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  ready: AdminServerOptions['ready'],
  registry: Registry,
): Promise<void> {
  switch (request.url?.split('?')[0]) {
    case '/healthz':
      return send(response, 200, { status: 'ok' });
    case '/readyz': {
      const checks = await within(ready());
      const failing = Object.keys(checks).filter((name) => !checks[name]);
      return send(response, failing.length === 0 ? 200 : 503, {
        status: failing.length === 0 ? 'ok' : 'unavailable',
        failing,
        checks,
      });
    }
    case '/metrics':
      response.writeHead(200, { 'content-type': registry.contentType });
      response.end(await registry.metrics());
      return;
    default:
      return send(response, 404, { message: 'There are /healthz, /readyz and /metrics here.' });
  }
}

/** The checks, or one failing check that says why there are none. */
async function within(checks: Promise<Record<string, boolean>>): Promise<Record<string, boolean>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Record<string, boolean>>((done) => {
    timer = setTimeout(() => done({ answersInTime: false }), READY_MILLIS);
  });
  try {
    return await Promise.race([checks, late]);
  } catch {
    return { check: false };
  } finally {
    clearTimeout(timer);
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent) return void response.end();
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}
