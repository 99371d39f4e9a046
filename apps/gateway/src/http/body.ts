import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { DroverError, isJsonObject, type JsonObject } from '@drover/kernel';
import type { FastifyRequest } from 'fastify';
import { FormBody, type RequestBody } from './form.js';

/**
 * Parameter of a controller's method: a JSON object, a form, or nothing at all. No pipe: where no parameter of a method has one, Nest calls
 * it without a promise for each.
 * @throws DroverError InvalidBodyContent
 */
export const AnyBody = createParamDecorator((_data: unknown, context: ExecutionContext) => bodyOf(context));

/** As {@link AnyBody}; the fields of a form are taken as the text they are. */
export const ObjectBody = createParamDecorator((_data: unknown, context: ExecutionContext): JsonObject => {
  const read = bodyOf(context);
  return read instanceof FormBody ? read.fields : read;
});

function bodyOf(context: ExecutionContext): RequestBody {
  const { body } = context.switchToHttp().getRequest<FastifyRequest>();
  if (body === undefined || body === null) return {};
  if (body instanceof FormBody) return body;
  if (!isJsonObject(body)) throw new DroverError('InvalidBodyContent', 'The body must be a JSON object');
  return body;
}
