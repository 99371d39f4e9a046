import type { Count, Filter, RelationRef } from '@drover/contracts';
import { oneRow, rows } from '@drover/database';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { RegistryService } from '../registry/registry.service.js';
import { memberCondition } from '../sql/related.sql.js';
import { conditions, knowsAll, Parameters, processColumns, resourceColumns } from './filters.js';

/** Rows that an exact count looks at, at most; beyond that the planner's estimate answers. */
const MAX_COUNTED = 20_000;

/** One table's share of a count. */
interface Share {
  /** `from … where …`, without filters: rows that an index finds */
  from: string;
  /** the column that a page is ordered by: the index that the count walks */
  key: string;
  filters: string[];
  values: unknown[];
}

/** How many rows a list has. Counting 10 million rows takes seconds, and nobody needs the last digit: beyond a bound it is estimated. */
@Injectable()
export class CountsService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly registry: RegistryService,
  ) {}

  async processes({ resourceId, filters }: { resourceId: number | null; filters: Filter[] }): Promise<Count> {
    const share = (table: string, live: boolean): Share => {
      const parameters = new Parameters();
      const own = resourceId === null ? '' : ` where p.resource_id = ${parameters.add(resourceId)}`;
      return {
        from: `${table} p${own}`,
        key: 'p.id',
        filters: conditions(filters, processColumns(live), parameters),
        values: parameters.values,
      };
    };
    return this.sum([share('process_live', true), share('process_finished', false)]);
  }

  async resources(request: {
    type: string;
    filters: Filter[];
    includeRemoved: boolean;
    relation?: RelationRef;
  }): Promise<Count> {
    const { type, filters, includeRemoved } = request;
    const columns = resourceColumns(await this.registry.typeWith(type, (present) => knowsAll(present, filters)));
    const parameters = new Parameters();
    const members =
      request.relation === undefined
        ? ''
        : ` and ${memberCondition(request.relation, (value) => parameters.add(value))}`;
    const from = `resource_data d join resource r on r.id = d.id where d.type = ${parameters.add(type)}${members}`;
    const where = conditions(filters, columns, parameters);
    if (!includeRemoved) where.push(`r.state not in ('removed', 'purging', 'purged')`);
    return this.sum([{ from, key: 'd.id', filters: where, values: parameters.values }]);
  }

  private async sum(shares: Share[]): Promise<Count> {
    const counts = await Promise.all(shares.map((share) => this.count(share)));
    return { total: counts.reduce((sum, { total }) => sum + total, 0), exact: counts.every(({ exact }) => exact) };
  }

  private async count(share: Share): Promise<Count> {
    const { from, key, filters, values } = share;
    const matches = filters.length === 0 ? 'true' : filters.join(' and ');
    const looked = `select (${matches}) as matches from ${from} order by ${key} desc limit ${MAX_COUNTED + 1}`;
    const counted = (await oneRow<{ looked: number; total: number }>(
      this.dataSource,
      `select count(*)::int as looked, count(*) filter (where matches)::int as total from (${looked}) x`,
      values,
    ))!;
    if (counted.looked <= MAX_COUNTED) return { total: counted.total, exact: true };
    return { total: Math.max(counted.total, await this.estimate(share)), exact: false };
  }

  /** What the planner expects, from the statistics that autovacuum keeps. */
  private async estimate({ from, filters, values }: Share): Promise<number> {
    const where = filters.length === 0 ? '' : ` ${from.includes(' where ') ? 'and' : 'where'} ${filters.join(' and ')}`;
    const [plan] = await rows<{ 'QUERY PLAN': [{ Plan: { 'Plan Rows': number } }] }>(
      this.dataSource,
      `explain (format json) select from ${from}${where}`,
      values,
    );
    return Math.round(plan!['QUERY PLAN'][0].Plan['Plan Rows']);
  }
}
