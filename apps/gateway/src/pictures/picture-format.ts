import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { DroverError } from '@drover/kernel';
import type { FastifyRequest } from 'fastify';

const FORMATS = ['dot', 'svg', 'html'] as const;
export type PictureFormatName = (typeof FORMATS)[number];

const MEDIA_TYPES: Record<string, PictureFormatName> = {
  'text/plain': 'dot',
  'text/vnd.graphviz': 'dot',
  'image/svg+xml': 'svg',
  'text/html': 'html',
  '*/*': 'dot',
};

/** Parameter of a controller's method: `?format=` wins over `Accept`; DOT is the default. */
export const PictureFormat = createParamDecorator((_data: unknown, context: ExecutionContext) => {
  const request = context.switchToHttp().getRequest<FastifyRequest<{ Querystring: Record<string, unknown> }>>();
  return formatOf(request.query['format'], request.headers.accept);
});

/** @throws DroverError InvalidOption for an unknown `format` */
export function formatOf(query: unknown, accept: string | undefined): PictureFormatName {
  if (query !== undefined) {
    const named = FORMATS.find((format) => format === query);
    if (named === undefined)
      throw new DroverError('InvalidOption', `format is one of ${FORMATS.join(', ')}`, { fieldName: 'format' });
    return named;
  }
  const wanted = (accept ?? '')
    .split(',')
    .map(readRange)
    .sort((a, b) => b.quality - a.quality)
    .find(({ type, quality }) => quality > 0 && Object.hasOwn(MEDIA_TYPES, type));
  return wanted === undefined ? 'dot' : MEDIA_TYPES[wanted.type]!;
}

/** One media range of an Accept header. */
function readRange(range: string): { type: string; quality: number } {
  const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
  const q = parameters.find((parameter) => parameter.startsWith('q='));
  const quality = q === undefined ? 1 : Number(q.slice(2));
  return { type, quality: Number.isNaN(quality) ? 0 : quality };
}
