import type { FastifyInstance } from 'fastify';
import helmet from 'helmet';
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

/** What holds for every request: who may call, where the schemas are, what is refused for load, and the counters. */
export function installHooks(
  fastify: FastifyInstance,
  rules: HostRules,
  overload: Overload,
  metrics: GatewayMetrics,
): void {
  fastify.addHook('onRequest', async (request, reply) => {
    void reply.header('x-api-schemas', `${baseUrl(request)}/schemas`);
    if (!OPEN_PATHS.has(request.url)) checkHost(rules, request.headers.host, request.headers.origin);
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
  // Made once: its Fastify plugin builds all of it anew for each request, a twentieth of the gateway's time.
  const secure = helmet({ contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } });
  fastify.addHook('onRequest', (request, reply, next) => secure(request.raw, reply.raw, () => next()));
  let closing = false;
  fastify.addHook('preClose', async () => void (closing = true));
  fastify.addHook('onSend', async (_request, reply) => {
    // Kept alive, the connection would keep the shutdown waiting.
    if (closing) void reply.header('connection', 'close');
  });
  // After the body was read: its events do not carry the context of the request.
  fastify.addHook('preValidation', (_request, _reply, done) => underDeadline(done));
  fastify.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    metrics.countRequest(request.method, route, reply.statusCode, reply.elapsedTime / 1_000);
  });
}
