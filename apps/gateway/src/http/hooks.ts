import type { FastifyInstance } from 'fastify';
import { underDeadline } from '../backend/deadline.js';
import type { GatewayMetrics } from '../health/metrics.js';
import { baseUrl } from './base-url.js';
import { checkHost, type HostRules } from './host-check.js';

/** Probes come by address, whatever name the pod has; they tell nothing. */
const OPEN_PATHS = new Set(['/healthz', '/readyz']);

/** What holds for every request: who may call, where the schemas are, and the counters. */
export function installHooks(fastify: FastifyInstance, rules: HostRules, metrics: GatewayMetrics): void {
  fastify.addHook('onRequest', async (request, reply) => {
    void reply.header('x-api-schemas', `${baseUrl(request)}/schemas`);
    if (!OPEN_PATHS.has(request.url)) checkHost(rules, request.headers.host, request.headers.origin);
  });
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
