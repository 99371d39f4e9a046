import { Injectable } from '@nestjs/common';
import { listTransitions, type TransitionRow } from '@drover/contracts';
import { DroverError, formatId, type JsonObject, PROCESS_INSTANCE_PREFIX } from '@drover/kernel';
import { dates, linkOfReference, relationOf } from '@drover/process-model';
import { Backend } from '../backend/backend.js';
import { collection, markerOf, numberOfMarker } from '../http/collection.js';
import type { ListQuery } from '../http/list-query.js';
import { refuseFilters } from '../http/filters.js';
import { ProcessInstances } from '../processes/process-instances.service.js';
import { childrenOf } from '../registry/relations.js';
import { Registry } from '../registry/registry.js';
import { resourceJson } from './resource-json.js';
import { ResourceLists } from './resource-lists.js';
import { type ResourceRef, ResourcePaths } from './resource-path.js';

/** Single resources and what they link to. */
@Injectable()
export class ResourceReads {
  constructor(
    private readonly registry: Registry,
    private readonly paths: ResourcePaths,
    private readonly backend: Backend,
    private readonly lists: ResourceLists,
    private readonly processes: ProcessInstances,
  ) {}

  /** `GET /v1/<plural>/<id>`; also of removed resources */
  async read(plural: string, id: string, base: string): Promise<JsonObject> {
    const ref = await this.paths.refOf(plural, id);
    return resourceJson(await this.paths.rowOf(ref), {
      snapshot: await this.registry.snapshot(),
      type: ref.type,
      base,
    });
  }

  /** `GET /v1/<plural>/<id>/<link>` */
  async follow(
    plural: string,
    id: string,
    link: string,
    query: ListQuery,
    base: string,
    self: string,
  ): Promise<JsonObject> {
    const ref = await this.paths.refOf(plural, id);
    const wanted = link.toLowerCase();
    if (wanted === 'transitions') return this.transitions(ref, query, self);
    if (wanted === 'processinstances') return this.processesOf(ref, query, base, self);
    return (
      (await this.related(ref, wanted, query, base, self)) ??
      (await this.child(ref, wanted, query, base, self)) ??
      this.reference(ref, wanted, base)
    );
  }

  private async processesOf(ref: ResourceRef, query: ListQuery, base: string, self: string): Promise<JsonObject> {
    await this.paths.rowOf(ref);
    return this.processes.list(query, base, self, ref.number);
  }

  /** The resources of a declared relationship. */
  private async related(
    ref: ResourceRef,
    link: string,
    query: ListQuery,
    base: string,
    self: string,
  ): Promise<JsonObject | null> {
    const relationship = Object.entries(ref.type.relationships).find(
      ([name, { kind }]) => kind !== 'reference' && name.toLowerCase() === link,
    )?.[1];
    if (relationship === undefined) return null;
    const row = await this.paths.rowOf(ref);
    return this.lists.related(relationOf(relationship, row)!, query, base, self);
  }

  private async child(
    ref: ResourceRef,
    link: string,
    query: ListQuery,
    base: string,
    self: string,
  ): Promise<JsonObject | null> {
    const relation = await this.registry.find((snapshot) =>
      childrenOf(snapshot.types, ref.type).find((candidate) => candidate.link.toLowerCase() === link),
    );
    if (relation === undefined || isReference(ref, link)) return null;
    await this.paths.rowOf(ref);
    return this.lists.children(
      relation.child,
      relation.field,
      formatId(ref.type.idPrefix, ref.number),
      query,
      base,
      self,
    );
  }

  private async reference(ref: ResourceRef, link: string, base: string): Promise<JsonObject> {
    const [field, definition] =
      Object.entries(ref.type.fields).find(
        ([name, { type }]) => type === 'reference' && linkOfReference(name).toLowerCase() === link,
      ) ?? [];
    if (field === undefined)
      throw new DroverError('NotFound', `The type ${ref.type.name} has no link "${link.slice(0, 100)}"`);
    const row = await this.paths.rowOf(ref);
    const target = row.data[field];
    if (typeof target !== 'string')
      throw new DroverError('NotFound', `The field ${field} of this ${ref.type.name} is not set`);
    return this.read(definition!.to!, target, base);
  }

  private async transitions(ref: ResourceRef, query: ListQuery, self: string): Promise<JsonObject> {
    refuseFilters(query);
    await this.paths.rowOf(ref);
    const { limit, marker } = query.page;
    const { transitions, more } = await this.backend.call(listTransitions, {
      resourceId: ref.number,
      limit,
      afterRevision: numberOfMarker(marker),
    });
    const nextMarker = more && transitions.length > 0 ? markerOf(transitions.at(-1)!.revision) : null;
    return collection(
      { data: transitions.map(transitionJson), nextMarker },
      { resourceType: 'transition', self, limit },
    );
  }
}

function isReference(ref: ResourceRef, link: string): boolean {
  return Object.entries(ref.type.fields).some(
    ([name, field]) => field.type === 'reference' && linkOfReference(name).toLowerCase() === link,
  );
}

function transitionJson(row: TransitionRow): JsonObject {
  const { from, to, stateField, process, processId, revision, time } = row;
  return {
    type: 'transition',
    from,
    to,
    stateField,
    process,
    processId: processId === null ? null : formatId(PROCESS_INSTANCE_PREFIX, processId),
    revision,
    ...dates('time', time),
  };
}
