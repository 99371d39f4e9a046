import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

/** `http://localhost:8080/v1`: what every link of an answer starts with. It is the address that the client used. */
export function baseUrl(request: Pick<FastifyRequest, 'protocol' | 'host'>): string {
  return `${request.protocol}://${request.host === '' ? 'localhost' : request.host}/v1`;
}

/** Parameter of a controller's method: the base of all links in its answer. */
export const Base = createParamDecorator((_data: unknown, context: ExecutionContext) =>
  baseUrl(context.switchToHttp().getRequest<FastifyRequest>()),
);

/** Parameter of a controller's method: the absolute URL of the request, with its query. */
export const Self = createParamDecorator((_data: unknown, context: ExecutionContext) => {
  const request = context.switchToHttp().getRequest<FastifyRequest>();
  return baseUrl(request).slice(0, -'/v1'.length) + request.url;
});
