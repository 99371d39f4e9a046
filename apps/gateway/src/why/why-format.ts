import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { DroverError } from '@drover/kernel';
import type { FastifyRequest } from 'fastify';
import { chooseFormat, type Formats } from '../http/format.js';

export type WhyFormatName = 'json' | 'html';

const FORMATS: Formats<WhyFormatName> = {
  names: ['json', 'html'],
  mediaTypes: { 'application/json': 'json', 'text/html': 'html', '*/*': 'json' },
};

/** Parameter of a controller's method: JSON, or a page for browsers. @throws DroverError InvalidOption, InvalidFilter */
export const WhyFormat = createParamDecorator((_data: unknown, context: ExecutionContext) => {
  const request = context.switchToHttp().getRequest<FastifyRequest<{ Querystring: Record<string, unknown> }>>();
  const unknown = Object.keys(request.query).find((key) => key !== 'format');
  if (unknown !== undefined)
    throw new DroverError('InvalidFilter', `Unknown parameter "${unknown.slice(0, 100)}"`, { fieldName: unknown });
  return chooseFormat(FORMATS, request.query['format'], request.headers.accept);
});
