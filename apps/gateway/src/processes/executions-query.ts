import { Injectable, type PipeTransform } from '@nestjs/common';
import { DroverError } from '@drover/kernel';
import { refuseFilters } from '../http/filters.js';
import { type ListQuery, ListQueryPipe } from '../http/list-query.js';

/** `?processInstanceId=1pi5` and the page. */
export interface ExecutionsQuery {
  processInstanceId: string | null;
  list: ListQuery;
}

@Injectable()
export class ExecutionsQueryPipe implements PipeTransform<Record<string, string | string[]>, ExecutionsQuery> {
  private readonly lists = new ListQueryPipe();

  /** @throws DroverError InvalidFilter */
  transform(query: Record<string, string | string[]>): ExecutionsQuery {
    const { processInstanceId = null, ...rest } = query;
    if (Array.isArray(processInstanceId))
      throw new DroverError('InvalidFilter', 'Name one processInstanceId', { fieldName: 'processInstanceId' });
    const list = this.lists.transform(rest);
    refuseFilters(list);
    return { processInstanceId, list };
  }
}
