import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { chooseFormat, type Formats } from '../http/format.js';

export type PictureFormatName = 'dot' | 'svg' | 'html';

const FORMATS: Formats<PictureFormatName> = {
  names: ['dot', 'svg', 'html'],
  mediaTypes: {
    'text/plain': 'dot',
    'text/vnd.graphviz': 'dot',
    'image/svg+xml': 'svg',
    'text/html': 'html',
    '*/*': 'dot',
  },
};

/** Parameter of a controller's method: `?format=` wins over `Accept`; DOT is the default. */
export const PictureFormat = createParamDecorator((_data: unknown, context: ExecutionContext) => {
  const request = context.switchToHttp().getRequest<FastifyRequest<{ Querystring: Record<string, unknown> }>>();
  return formatOf(request.query['format'], request.headers.accept);
});

/** @throws DroverError InvalidOption for an unknown `format` */
export function formatOf(query: unknown, accept: string | undefined): PictureFormatName {
  return chooseFormat(FORMATS, query, accept);
}
