import { type ArgumentsHost, Catch, type ExceptionFilter, Injectable, NotFoundException } from '@nestjs/common';
import { DroverError } from '@drover/kernel';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatewayMetrics } from '../health/metrics.js';
import { Log } from '../log.js';
import { allowedMethods } from './allowed-methods.js';
import { answerOf } from './error-body.js';

/** The one place where an error becomes HTTP. */
@Catch()
@Injectable()
export class ErrorFilter implements ExceptionFilter {
  constructor(
    private readonly log: Log,
    private readonly metrics: GatewayMetrics,
  ) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const methods = isUnrouted(thrown) ? otherMethods(request) : null;
    const { json, headers, bug } = answerOf(methods === null ? thrown : wrongMethod(request, methods));
    if (bug !== null)
      this.log.error({ err: bug, errorId: json.id, method: request.method, url: request.url }, 'request failed');
    this.metrics.countError(json.code);
    if (reply.sent) return;
    if (methods !== null) reply.header('allow', methods.join(', '));
    reply.code(json.status).headers(headers).type('application/json; charset=utf-8').send(JSON.stringify(json));
  }
}

/**
 * Nest throws this, and nothing else of ours does, when no route matches. Where the introspection's routes lack a method, those of the
 * resources match and know no such type.
 */
function isUnrouted(thrown: unknown): boolean {
  return thrown instanceof NotFoundException || (thrown instanceof DroverError && thrown.code === 'TypeUnknown');
}

function otherMethods(request: FastifyRequest): readonly string[] | null {
  const methods = allowedMethods(request.url.split('?')[0]!);
  return methods === null || methods.includes(request.method) ? null : methods;
}

function wrongMethod(request: FastifyRequest, methods: readonly string[]): DroverError {
  return new DroverError('MethodNotAllowed', `${request.method} is not possible here; use ${methods.join(', ')}`);
}
