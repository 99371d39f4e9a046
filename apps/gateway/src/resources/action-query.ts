import { Injectable, type PipeTransform } from '@nestjs/common';
import { DroverError } from '@drover/kernel';

/** `?action=<verb>` as it was written: missing, once or several times. Only the type knows which actions there are. */
export interface ActionQuery {
  action: string | string[] | undefined;
}

@Injectable()
export class ActionQueryPipe implements PipeTransform<Record<string, string | string[]>, ActionQuery> {
  /** @throws DroverError InvalidFilter for any other parameter */
  transform(query: Record<string, string | string[]>): ActionQuery {
    const unknown = Object.keys(query).find((key) => key !== 'action');
    if (unknown !== undefined)
      throw new DroverError('InvalidFilter', `Unknown parameter "${unknown.slice(0, 100)}"`, { fieldName: unknown });
    return { action: query['action'] };
  }
}
