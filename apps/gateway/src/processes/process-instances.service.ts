import { Injectable } from '@nestjs/common';
import {
  type Count,
  countProcesses,
  type Filter,
  listProcesses,
  operateProcess,
  type OperatorAction,
  type ProcessView,
} from '@drover/contracts';
import {
  DroverError,
  formatId,
  type JsonObject,
  monotonicMillis,
  parseId,
  PROCESS_INSTANCE_PREFIX,
} from '@drover/kernel';
import { executionsOf } from '@drover/process-model';
import { Backend } from '../backend/backend.js';
import { renewDeadline } from '../backend/deadline.js';
import { collection, markerOf, numberOfMarker } from '../http/collection.js';
import type { CommandOptions } from '../http/command-headers.js';
import { echoFilters, type FilterKind, parseFilters } from '../http/filters.js';
import type { ListQuery } from '../http/list-query.js';
import { Registry } from '../registry/registry.js';
import { Completions } from '../waiting/completions.js';
import { executionJson, executionNumbers, noProcess, processJson, processNumber } from './process-json.js';

const FIELDS = new Map<string, FilterKind>([
  ['name', 'text'],
  ['processName', 'text'],
  ['resourceType', 'text'],
  ['resourceId', 'text'],
  ['exitReason', 'text'],
  ['parentId', 'id'],
]);

/** Who waits for an operator's act looks first after this, then ever more seldom. */
const FIRST_LOOK_MILLIS = 100;
const LONGEST_LOOK_MILLIS = 500;
/** A list whose filters match next to nothing is answered after this long, with what there is and where to go on. */
const LOOK_MILLIS = 1_000;

/** Process instances, live and finished, newest first. */
@Injectable()
export class ProcessInstances {
  constructor(
    private readonly registry: Registry,
    private readonly backend: Backend,
    private readonly completions: Completions,
  ) {}

  /** @param resourceId only those of this resource */
  async list(query: ListQuery, base: string, self: string, resourceId: number | null = null): Promise<JsonObject> {
    const filters = parseFilters(query.filters, FIELDS).map(renamed);
    const [{ views, next }, count] = await Promise.all([
      this.read(query, filters, resourceId),
      query.page.count === 'true' ? this.count(filters, resourceId) : undefined,
    ]);
    const snapshot = await this.registry.snapshot();
    return collection(
      {
        data: views.map((view) => processJson(view, snapshot, base)),
        nextMarker: next === null ? null : markerOf(next),
        count,
      },
      {
        resourceType: 'processInstance',
        self,
        limit: query.page.limit,
        filters: echoFilters(filters),
        sort: { name: 'id', order: 'desc' },
      },
    );
  }

  async one(id: string, base: string): Promise<JsonObject> {
    return processJson(await this.view(id), await this.registry.snapshot(), base);
  }

  /** An operator's act; shows the process as it is afterwards or, when the client prefers to wait, once it ended or is parked. */
  async operate(
    id: string,
    action: OperatorAction,
    state: string | null,
    options: CommandOptions,
    base: string,
  ): Promise<JsonObject> {
    const { commandId, commandHash } = options;
    const processId = processNumber(id);
    const request = { commandId, commandHash, notify: null, processId, action, state, operator: null };
    let shown = id;
    try {
      const { processId: acted } = await this.backend.callOnce(operateProcess, request);
      // A replay of a process that has ended is another one.
      if (acted !== null) shown = formatId(PROCESS_INSTANCE_PREFIX, acted);
    } catch (error) {
      throw error instanceof DroverError && error.code === 'NotFound' ? noProcess(id) : error;
    }
    const view = options.waitMillis > 0 ? await this.settled(shown, options.waitMillis) : await this.view(shown);
    return processJson(view, await this.registry.snapshot(), base);
  }

  /**
   * The process once it ended or is parked, or as it is when the time is up. It tells its end to whoever started it, so an operator's
   * request looks for itself. The act is durable: a process that is parked now was parked after it.
   */
  private async settled(id: string, waitMillis: number): Promise<ProcessView> {
    const end = monotonicMillis() + waitMillis;
    const waiting = this.completions.listen();
    try {
      for (let pause = FIRST_LOOK_MILLIS; ; pause = Math.min(pause * 1.5, LONGEST_LOOK_MILLIS)) {
        renewDeadline();
        const view = await this.view(id);
        const left = end - monotonicMillis();
        if (!view.live || view.status === 'parked' || left <= 0 || this.completions.isClosing) return view;
        await waiting.ended(Math.min(pause, left));
      }
    } finally {
      waiting.close();
    }
  }

  /** Attempts of one process, or of the newest ones. */
  async executions(processId: string | null, query: ListQuery, base: string, self: string): Promise<JsonObject> {
    const { views, next } =
      processId === null ? await this.read(query, [], null) : { views: [await this.view(processId)], next: null };
    return collection(
      {
        data: views.flatMap(executionsOf).map((execution) => executionJson(execution, base)),
        nextMarker: next === null ? null : markerOf(next),
      },
      { resourceType: 'processExecution', self, limit: query.page.limit },
    );
  }

  async execution(id: string, base: string): Promise<JsonObject> {
    const { process, execution } = executionNumbers(id);
    const found = executionsOf(await this.byNumber(process, id)).find(
      ({ executionCount }) => executionCount === execution,
    );
    if (found === undefined)
      throw new DroverError('NotFound', `There is no processExecution with the id "${id.slice(0, 100)}"`);
    return executionJson(found, base);
  }

  private view(id: string): Promise<ProcessView> {
    return this.byNumber(processNumber(id), id);
  }

  private async byNumber(number: number, id: string): Promise<ProcessView> {
    const { processes } = await this.backend.call(listProcesses, {
      ids: [number],
      resourceId: null,
      filters: [],
      limit: 1,
      beforeId: null,
    });
    if (processes[0] === undefined) throw noProcess(id);
    return processes[0];
  }

  private count(filters: Filter[], resourceId: number | null): Promise<Count> {
    return this.backend.call(countProcesses, ofResource(filters, resourceId));
  }

  /** The store answers in pages that fit a message and look at a bounded number of rows; asks on until the limit is filled, for a while. */
  private async read(
    query: ListQuery,
    filters: Filter[],
    resourceId: number | null,
  ): Promise<{ views: ProcessView[]; next: number | null }> {
    const views: ProcessView[] = [];
    let beforeId = numberOfMarker(query.page.marker);
    const until = monotonicMillis() + LOOK_MILLIS;
    for (;;) {
      const limit = query.page.limit - views.length;
      const answer = await this.backend.call(listProcesses, {
        ids: null,
        ...ofResource(filters, resourceId),
        limit,
        beforeId,
      });
      views.push(...answer.processes);
      const full = views.length >= query.page.limit || monotonicMillis() > until;
      if (answer.next === null || full) return { views, next: answer.next };
      beforeId = answer.next;
    }
  }
}

/** A resource that a filter names is a key of its own, not a filter. */
function ofResource(filters: Filter[], resourceId: number | null): { resourceId: number | null; filters: Filter[] } {
  const wanted = filters.find(({ field }) => field === 'resourceId');
  return { resourceId: resourceId ?? resourceNumber(wanted), filters: filters.filter((filter) => filter !== wanted) };
}

/** The store knows a process's name as `name`. */
function renamed(filter: Filter): Filter {
  return filter.field === 'processName' ? { ...filter, field: 'name' } : filter;
}

/** `resourceId=1i5`: numbers are unique over all types, so the number is enough. */
function resourceNumber(filter: Filter | undefined): number | null {
  if (filter === undefined) return null;
  const number = parseId(String(filter.value).toLowerCase())?.number;
  if (number === undefined || filter.modifier !== 'eq')
    throw new DroverError('InvalidFilter', 'resourceId takes one id, such as 1i5', { fieldName: 'resourceId' });
  return number;
}
