import type {
  Filter,
  FinishedProcessRow,
  ProcessRow,
  ProcessView,
  ResourceRow,
  StuckProcess,
  Summary,
  TransitionRow,
} from '@drover/contracts';
import { rows } from '@drover/database';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { RegistryService } from '../registry/registry.service.js';
import { millis } from '../sql/columns.sql.js';
import { FINISHED_COLUMNS, PROCESS_COLUMNS } from '../sql/rows.sql.js';
import { SUM_LIVE, SUM_RESOURCES } from '../sql/summary.sql.js';
import { READ_STUCK } from '../sql/why.sql.js';
import { allOf, conditions, knowsAll, Parameters, processColumns, type FilterColumns } from './filters.js';
import { fitting } from './fitting.js';
import { lookedAt, lookThrough } from './look-through.js';
import { ResourcePages, type ResourcesWanted, type Statement } from './resource-pages.js';
import { ResourceReader } from './resource-reader.js';

/** Rows of one page at most, whatever is asked for. */
const MAX_PAGE = 3_000;
/** Of a summary, for each pair of type and state, and of live processes: beyond it a count is a lower bound. */
const MAX_SUMMED = 10_000;
/** Live processes whose resources a summary looks at. */
const MAX_MOVING = 100_000;
/** Pairs of type and state that a summary names. */
const MAX_LINES = 1_000;

interface ResourcesRequest extends ResourcesWanted {
  limit: number;
  afterId: number | null;
}

/** Reads for people and for the gateway. Nothing here is on the way of a transition. */
@Injectable()
export class QueryService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly registry: RegistryService,
    private readonly reader: ResourceReader,
  ) {}

  async byIds(ids: number[]): Promise<{ resources: ResourceRow[]; processes: ProcessRow[] }> {
    const { resources, processes } = await this.reader.byIds(ids);
    const { kept } = fitting(resources);
    const read = new Set(kept.map(({ id }) => id));
    return { resources: kept, processes: processes.filter(({ resourceId }) => read.has(resourceId)) };
  }

  /** Ordered by number. A page looks at so many rows at most: one whose filters match nothing must not read a whole type. */
  async resources(
    request: ResourcesRequest,
  ): Promise<{ resources: ResourceRow[]; more: boolean; next: number | null }> {
    const { type, filters, afterId } = request;
    const definition = await this.registry.typeWith(type, (present) => knowsAll(present, filters));
    const pages = new ResourcePages(request, definition);
    const limit = pageSize(request.limit);
    const read = <Row extends ResourceRow>({ text, values }: Statement): Promise<Row[]> =>
      rows<Row>(this.dataSource, text, values);
    const { found, seenTo } = pages.keyed
      ? { found: await read(pages.whole(afterId, limit + 1)), seenTo: null }
      : await lookThrough<ResourceRow>(limit + 1, afterId, (after, most) => read(pages.step(after, most)));
    const { kept: resources, more } = page(found, limit);
    if (more) return { resources, more, next: resources.at(-1)!.id };
    return { resources, more: seenTo !== null, next: seenTo };
  }

  async transitions(resourceId: number, limit: number, afterRevision: number | null) {
    const size = pageSize(limit);
    const found = await rows<TransitionRow>(
      this.dataSource,
      `select from_state as "from", to_state as "to", coalesce(state_field, 'state') as "stateField", process, process_id as "processId", revision,
              ${millis('time')} as time
         from feed
        where resource_id = $1 and revision > $2 and (from_state <> to_state or kind <> 'changed')
        order by revision limit $3`,
      [resourceId, afterRevision ?? 0, size + 1],
    );
    const { kept: transitions, more } = page(found, size);
    return { transitions, more };
  }

  /** Live and finished ones, newest first. Numbers of both come from one sequence, so that one keyset covers them. */
  async processes(request: {
    ids: number[] | null;
    resourceId: number | null;
    filters: Filter[];
    limit: number;
    beforeId: number | null;
  }): Promise<{ processes: ProcessView[]; more: boolean; next: number | null }> {
    const limit = pageSize(request.ids === null ? request.limit : Math.max(request.limit, request.ids.length));
    // One after the other: a process that ends meanwhile is then in both, never in none.
    const live = await this.processPage<ProcessRow>(
      request,
      limit,
      PROCESS_COLUMNS,
      'process_live p',
      processColumns(true),
    );
    const finished = await this.processPage<FinishedProcessRow>(
      request,
      limit,
      FINISHED_COLUMNS.replaceAll('f.', 'p.'),
      'process_finished p',
      processColumns(false),
    );
    const ended = new Set(finished.found.map(({ id }) => id));
    // Below this number one of the two was not looked at: what the other has there belongs to the next page.
    const seenTo = Math.max(live.seenTo, finished.seenTo);
    const merged: ProcessView[] = [
      // One that ended between the two reads is in both: the end is the truth.
      ...live.found.filter(({ id }) => !ended.has(id)).map((row) => ({ live: true as const, ...row })),
      ...finished.found.map((row) => ({ live: false as const, ...row })),
    ]
      .filter(({ id }) => id >= seenTo)
      .sort((a, b) => b.id - a.id);
    const { kept: processes, more } = page(merged, limit);
    if (more) return { processes, more, next: processes.at(-1)!.id };
    return { processes, more: seenTo > 0, next: seenTo > 0 ? seenTo : null };
  }

  /**
   * A page of one table. With filters it looks at so many rows at most: one that matches nothing must not read all history.
   * @returns `seenTo`: the lowest number looked at when the page ended there, else 0
   */
  private async processPage<Row extends object>(
    request: { ids: number[] | null; resourceId: number | null; filters: Filter[]; beforeId: number | null },
    limit: number,
    columns: string,
    table: string,
    filterColumns: FilterColumns,
  ): Promise<{ found: Row[]; seenTo: number }> {
    // Children have an index: the bound is for what has none.
    const byParent = request.filters.filter(isParent);
    const others = request.filters.filter((filter) => !isParent(filter));
    const bounded = others.length > 0 && request.ids === null;
    const statement = (before: number | null) => {
      const parameters = new Parameters();
      const key: string[] = [];
      if (request.ids !== null) key.push(`p.id = any (${parameters.add(request.ids)}::bigint[])`);
      if (request.resourceId !== null) key.push(`p.resource_id = ${parameters.add(request.resourceId)}`);
      if (before !== null) key.push(`p.id < ${parameters.add(before)}`);
      key.push(...conditions(byParent, filterColumns, parameters));
      return { parameters, key, filters: conditions(others, filterColumns, parameters) };
    };
    if (!bounded) {
      const { parameters, key, filters } = statement(request.beforeId);
      const list = `select ${columns} from ${table}${allOf([...key, ...filters])} order by p.id desc`;
      const found = await rows<Row>(this.dataSource, `${list} limit ${parameters.add(limit + 1)}`, parameters.values);
      return { found, seenTo: 0 };
    }
    const { found, seenTo } = await lookThrough<Row>(limit + 1, request.beforeId, (before, most) => {
      const { parameters, key, filters } = statement(before);
      const step = `select p.*, (${filters.join(' and ')}) as matches from ${table}${allOf(key)} order by p.id desc`;
      return rows(this.dataSource, lookedAt(step, 'desc', parameters.add(most), columns), parameters.values);
    });
    return { found, seenTo: seenTo ?? 0 };
  }

  async summary(): Promise<Summary> {
    const [resources, live, stuck] = await Promise.all([
      rows<Summary['resources'][number]>(this.dataSource, SUM_RESOURCES, [MAX_SUMMED, MAX_LINES, MAX_MOVING]),
      rows<Summary['live'][number]>(this.dataSource, SUM_LIVE, [MAX_SUMMED]),
      rows<StuckProcess>(this.dataSource, READ_STUCK),
    ]);
    return { resources, live, stuck };
  }
}

const isParent = ({ field, modifier, value }: Filter): boolean =>
  field === 'parentId' && modifier === 'eq' && value !== null;

function pageSize(limit: number): number {
  return Math.min(Math.max(1, Math.trunc(limit)), MAX_PAGE);
}

/** Cuts what was read to a page: one row more than asked for tells that there is more, and so does an answer that grew too long. */
function page<T>(found: T[], limit: number): { kept: T[]; more: boolean } {
  const { kept, cut } = fitting(found.slice(0, limit));
  return { kept, more: cut.length > 0 || found.length > limit };
}
