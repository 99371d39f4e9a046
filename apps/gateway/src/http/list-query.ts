import { Injectable, type PipeTransform } from '@nestjs/common';
import { DroverError } from '@drover/kernel';
import { plainToInstance, Type } from 'class-transformer';
import { IsIn, IsInt, IsOptional, Matches, Max, Min, validateSync } from 'class-validator';
import { DEFAULT_LIMIT, MAX_LIMIT } from './collection.js';
import { asDroverError } from './validation.js';

/** The fixed parameters of every list; all others are filters. */
export class PageQuery {
  @IsOptional()
  @Type(() => Number)
  @IsInt({ message: 'limit must be a whole number' })
  @Min(1, { message: 'limit must be at least 1' })
  @Max(MAX_LIMIT, { message: `limit must be at most ${MAX_LIMIT}` })
  limit: number = DEFAULT_LIMIT;

  @IsOptional()
  @Matches(/^m\d{1,15}$/, { message: 'marker must be one that pagination.next gave' })
  marker?: string;

  /** numbers rise with time, so both orders are the same */
  @IsOptional()
  @IsIn(['id', 'created'], { message: 'sort must be id or created' })
  sort?: 'id' | 'created';

  @IsOptional()
  @IsIn(['asc', 'desc'], { message: 'order must be asc or desc' })
  order?: 'asc' | 'desc';

  /** also say how many there are in all, as `pagination.total` */
  @IsOptional()
  @IsIn(['true', 'false'], { message: 'count must be true or false' })
  count?: 'true' | 'false';
}

const PAGE_KEYS = ['limit', 'marker', 'sort', 'order', 'count'];

/** A list's query: the page asked for, and the filters as written, repeats included. */
export interface ListQuery {
  page: PageQuery;
  filters: [key: string, value: string][];
}

@Injectable()
export class ListQueryPipe implements PipeTransform<Record<string, string | string[]>, ListQuery> {
  /** @throws DroverError InvalidFilter, InvalidFormat, MaxLimitExceeded … */
  transform(query: Record<string, string | string[]>): ListQuery {
    const fixed = Object.fromEntries(Object.entries(query).filter(([key]) => PAGE_KEYS.includes(key)));
    const page = plainToInstance(PageQuery, fixed, { exposeDefaultValues: true });
    const errors = validateSync(page);
    if (errors.length > 0) throw asDroverError(errors, { isIn: 'InvalidFilter', matches: 'InvalidFilter' });
    if ('include' in query)
      throw new DroverError('InvalidFilter', 'include is not supported yet', { fieldName: 'include' });
    const filters = Object.entries(query)
      .filter(([key]) => !PAGE_KEYS.includes(key))
      .flatMap(([key, value]) => [value].flat().map((one): [string, string] => [key, one]));
    return { page, filters };
  }
}
