import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { DroverError } from '@drover/kernel';
import type { FastifyRequest } from 'fastify';

/** `?action=<verb>` as it was written: missing, once or several times. Only the type knows which actions there are. */
export type Action = string | string[] | undefined;

/** Parameter of a controller's method: the action that is asked for. @throws DroverError InvalidFilter for any other parameter */
export const ActionQuery = createParamDecorator((_data: unknown, context: ExecutionContext): Action => {
  const query = context.switchToHttp().getRequest<FastifyRequest>().query as Record<string, string | string[]>;
  for (const key of Object.keys(query))
    if (key !== 'action')
      throw new DroverError('InvalidFilter', `Unknown parameter "${key.slice(0, 100)}"`, { fieldName: key });
  return query['action'];
});
