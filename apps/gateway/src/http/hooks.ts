import type { FastifyInstance } from 'fastify';
import helmet from 'helmet';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { underDeadline } from '../backend/deadline.js';
import { answerOfBody } from '../errors/error-body.js';
import type { GatewayMetrics } from '../health/metrics.js';
import type { Overload } from '../overload/overload.js';
import { baseUrl } from './base-url.js';
import { account } from './command-headers.js';
import { checkHost, type HostRules } from './host-check.js';

/** Probes come by address, whatever name the pod has; they tell nothing. */
const OPEN_PATHS = new Set(['/healthz', '/readyz']);

/** Routes whose writes ask an engine for new work. */
const COMMAND_ROUTES = new Set(['/v1/:plural', '/v1/:plural/:id']);

/**
 * What holds for every request: who may call, where the schemas are, what is refused for load, and the counters. None is `async`: Fastify
 * waits a turn of the microtasks for each that is.
 */
export function installHooks(
  fastify: FastifyInstance,
  rules: HostRules,
  overload: Overload,
  metrics: GatewayMetrics,
): void {
  let lastHost: string | undefined;
  fastify.addHook('onRequest', (request, reply, next) => {
    void reply.header('x-api-schemas', `${baseUrl(request)}/schemas`);
    const { host, origin } = request.headers;
    // Most clients use one name. One who gives none is never known.
    const known = host !== undefined && host === lastHost && origin === undefined;
    if (!known && !OPEN_PATHS.has(request.url)) {
      checkHost(rules, host, origin);
      lastHost = host;
    }
    next();
  });
  // Before the body is read, and without the framework: a refusal must cost next to nothing.
  fastify.addHook('onRequest', (request, reply, next) => {
    if (request.method === 'GET' || !COMMAND_ROUTES.has(request.routeOptions.url ?? '')) return next();
    const refusal = overload.refusal(account(request.headers['x-api-project-id']) || null);
    if (refusal === null) return next();
    const { json, headers } = answerOfBody(refusal);
    metrics.countError(json.code);
    void reply.code(json.status).headers(headers).type('application/json; charset=utf-8').send(JSON.stringify(json));
  });
  const secure = securityHeaders();
  fastify.addHook('onRequest', (_request, reply, next) => {
    void reply.headers(secure);
    next();
  });
  let closing = false;
  fastify.addHook('preClose', async () => void (closing = true));
  fastify.addHook('onSend', (_request, reply, _payload, next) => {
    // Kept alive, the connection would keep the shutdown waiting.
    if (closing) void reply.header('connection', 'close');
    next();
  });
  // After the body was read: its events do not carry the context of the request.
  fastify.addHook('preValidation', (_request, _reply, done) => underDeadline(done));
  fastify.addHook('onResponse', (request, reply, next) => {
    const route = request.routeOptions.url ?? 'none';
    metrics.countRequest(request.method, route, reply.statusCode, reply.elapsedTime / 1_000);
    next();
  });
}

/**
 * helmet's headers, which are the same for every answer. Its middleware sets them one by one on the response itself, which then takes
 * Fastify's in the same slow way; its Fastify plugin even makes them anew for each request.
 */
function securityHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  const response = {
    setHeader: (name: string, value: string) => (headers[name.toLowerCase()] = value),
    removeHeader: () => undefined,
  };
  const secure = helmet({ contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } });
  secure({} as IncomingMessage, response as unknown as ServerResponse, () => undefined);
  return headers;
}
