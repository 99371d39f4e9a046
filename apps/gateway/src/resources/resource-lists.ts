import { Injectable } from '@nestjs/common';
import { countResources, type Filter, listResources, type RelationRef, type ResourceRow } from '@drover/contracts';
import { DroverError, type JsonObject } from '@drover/kernel';
import type { FieldDefinition, TypeDefinition } from '@drover/process-model';
import type { RegistrySnapshot } from '@drover/registry';
import { Backend } from '../backend/backend.js';
import { collection, markerOf, numberOfMarker } from '../http/collection.js';
import { echoFilters, type FilterKind, parseFilters } from '../http/filters.js';
import type { ListQuery, PageQuery } from '../http/list-query.js';
import { Registry } from '../registry/registry.js';
import { collectionUrl, resourceJson } from './resource-json.js';

/** One answer stops growing here, characters of JSON: 3,000 resources may be 256 KiB each. The rest is on the next page. */
const MAX_ANSWER = 16 * 1024 * 1024;

/** Collections of resources. */
@Injectable()
export class ResourceLists {
  constructor(
    private readonly registry: Registry,
    private readonly backend: Backend,
  ) {}

  /** `GET /v1/<plural>` */
  async list(plural: string, query: ListQuery, base: string, self: string): Promise<JsonObject> {
    const { name } = await this.registry.typeOfPath(plural);
    const { type, filters } = await this.registry.judge(({ types }) => filtersOf(query, types.byName(name)!));
    return this.page(await this.registry.snapshot(), type, filters, query.page, base, self);
  }

  /** The resources of `child` whose reference field names `parentId`. */
  async children(
    child: TypeDefinition,
    field: string,
    parentId: string,
    query: ListQuery,
    base: string,
    self: string,
  ): Promise<JsonObject> {
    const filters = [
      ...parseFilters(query.filters, filterFields(child)),
      { field, modifier: 'eq' as const, value: parentId },
    ];
    return this.page(await this.registry.snapshot(), child, filters, query.page, base, self);
  }

  /** The resources of a declared relationship. @throws DroverError TypeUnknown while their type is not declared */
  async related(relation: RelationRef, query: ListQuery, base: string, self: string): Promise<JsonObject> {
    const found = await this.registry.find(({ types }) => types.byName(relation.type));
    if (found === undefined) throw new DroverError('TypeUnknown', `The related type ${relation.type} is not declared`);
    const { type, filters } = await this.registry.judge(({ types }) =>
      filtersOf(query, types.byName(relation.type) ?? found),
    );
    return this.page(await this.registry.snapshot(), type, filters, query.page, base, self, relation);
  }

  private async page(
    snapshot: RegistrySnapshot,
    type: TypeDefinition,
    filters: Filter[],
    page: PageQuery,
    base: string,
    self: string,
    relation?: RelationRef,
  ): Promise<JsonObject> {
    const counted = {
      type: type.name,
      filters,
      includeRemoved: asksForRemoved(filters),
      ...(relation && { relation }),
    };
    const [{ rows, next }, count] = await Promise.all([
      this.read(type, filters, page, relation),
      page.count === 'true' ? this.backend.call(countResources, counted) : undefined,
    ]);
    const url = collectionUrl(base, type);
    return collection(
      {
        data: rows.map((row) => resourceJson(row, { snapshot, type, base })),
        nextMarker: next === null ? null : markerOf(next),
        count,
      },
      {
        resourceType: type.name,
        self,
        limit: page.limit,
        filters: echoFilters(filters),
        sort: { name: page.sort ?? 'id', order: page.order ?? 'asc' },
        createTypes: { [type.name]: url },
      },
    );
  }

  /** The store answers in pages that fit a message, and looks at so many rows; asks on until the limit is filled or it found nothing. */
  private async read(
    type: TypeDefinition,
    filters: Filter[],
    page: PageQuery,
    relation?: RelationRef,
  ): Promise<{ rows: ResourceRow[]; next: number | null }> {
    const rows: ResourceRow[] = [];
    let afterId = numberOfMarker(page.marker);
    let size = 0;
    for (;;) {
      const answer = await this.backend.call(listResources, {
        type: type.name,
        filters,
        limit: page.limit - rows.length,
        afterId,
        descending: page.order === 'desc',
        includeRemoved: asksForRemoved(filters),
        ...(relation === undefined ? {} : { relation }),
      });
      rows.push(...answer.resources);
      size += JSON.stringify(answer.resources).length;
      const full = rows.length >= page.limit || size > MAX_ANSWER;
      if (full || answer.next === null || answer.resources.length === 0) return { rows, next: answer.next };
      afterId = answer.next;
    }
  }
}

function filtersOf(query: ListQuery, type: TypeDefinition): { type: TypeDefinition; filters: Filter[] } {
  return { type, filters: parseFilters(query.filters, filterFields(type)) };
}

/** Removed resources stay out of lists unless the filters speak of them. */
function asksForRemoved(filters: Filter[]): boolean {
  return filters.some(({ field }) => field === 'state' || field === 'removed');
}

const ENVELOPE: readonly [string, FilterKind][] = [
  ['id', 'id'],
  ['name', 'text'],
  ['description', 'text'],
  ['uuid', 'text'],
  ['kind', 'text'],
  ['state', 'text'],
  ['transitioning', 'text'],
  ['created', 'time'],
  ['removed', 'time'],
  ['accountId', 'id'],
  ['revision', 'number'],
];

const KINDS: Partial<Record<FieldDefinition['type'], FilterKind>> = {
  string: 'text',
  enum: 'text',
  int: 'number',
  float: 'number',
  boolean: 'boolean',
  date: 'date',
  reference: 'idText',
};

/** Envelope columns, state fields and declared fields of one value. Maps, arrays and passwords cannot be filtered by. */
export function filterFields(type: TypeDefinition): Map<string, FilterKind> {
  const fields = new Map(ENVELOPE);
  for (const name of Object.keys(type.stateFields)) fields.set(name, 'text');
  for (const [name, field] of Object.entries(type.fields)) {
    const kind = KINDS[field.type];
    if (kind !== undefined) fields.set(name, kind);
  }
  return fields;
}
