import { Injectable } from '@nestjs/common';
import { listResources, readRelated, type RelationRef, type ResourceRow, type WorkRow } from '@drover/contracts';
import { DroverError, formatId, type JsonObject } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import {
  externalResource,
  ownProcess,
  type ProcessDefinition,
  relationOf,
  type Surroundings,
  type TypeDefinition,
} from '@drover/process-model';
import { EngineRegistry } from '../registry/engine-registry.js';

/** Resources of one relationship that an event carries, at most. */
const MAX_INCLUDED = 100;
/** Bytes of JSON that the related resources of one event may have together: with the resource itself, an event stays below 1 MB. */
const MAX_INCLUDED_BYTES = 512 * 1024;
/** Resources that a refusal names. */
const MAX_NAMED = 3;

/** Reads related resources for what processes declare about them: `include` and `refuseWhile`. */
@Injectable()
export class RelatedReads {
  constructor(
    private readonly bus: MessageBus,
    private readonly registry: EngineRegistry,
  ) {}

  /** The relationships that the events of this process carry; most carry none. */
  includesOf({ process }: WorkRow, around: Surroundings): string[] {
    return ownProcess(around.type, process.name)?.include ?? [];
  }

  /**
   * The resources of the included relationships by name, in their external form: a list or, of a reference field, one or null.
   * @throws DroverError BodyTooLarge when they are too many or too large for an event; TypeUnknown
   */
  async included(
    { process, resource }: WorkRow,
    around: Surroundings,
    names: string[],
    signal: AbortSignal,
  ): Promise<JsonObject> {
    const related: JsonObject = {};
    for (const name of names) {
      const relationship = around.type.relationships[name]!;
      const relation = relationOf(relationship, resource);
      const found = relation === null ? [] : await this.rows(name, relation, process.name, signal);
      related[name] = relationship.kind === 'reference' ? (found[0] ?? null) : found;
    }
    const bytes = Buffer.byteLength(JSON.stringify(related));
    if (bytes > MAX_INCLUDED_BYTES) throw tooLarge(process.name, `${names.join(', ')} have ${bytes} bytes`);
    return related;
  }

  private async rows(name: string, relation: RelationRef, process: string, signal: AbortSignal): Promise<JsonObject[]> {
    const type = await this.typeNamed(relation.type);
    const rows: ResourceRow[] = [];
    for (let afterId: number | null = null, more = true; more;) {
      const { resources, next }: { resources: ResourceRow[]; next: number | null } =
        await this.bus.requestUntilAnswered(
          listResources,
          {
            type: type.name,
            filters: [],
            limit: MAX_INCLUDED + 1 - rows.length,
            afterId,
            descending: false,
            includeRemoved: false,
            relation,
          },
          signal,
        );
      rows.push(...resources);
      if (rows.length > MAX_INCLUDED) throw tooLarge(process, `${name} holds more than ${MAX_INCLUDED} resources`);
      more = next !== null;
      afterId = next;
    }
    return rows.map((row) => externalResource(row, type));
  }

  /** Of the processes of a type that are refused now, why: what a chain or a delegate to one of them is told. */
  async refusals(type: TypeDefinition, resource: Pick<ResourceRow, 'id' | 'data'>): Promise<Map<string, string>> {
    const refusals = new Map<string, string>();
    for (const definition of Object.values(type.processes))
      try {
        await this.refuseWhile(definition, type, resource);
      } catch (error) {
        if (!(error instanceof DroverError) || error.code !== 'ActionNotAvailable') throw error;
        refusals.set(definition.name, error.message);
      }
    return refusals;
  }

  /**
   * Refuses a start while a relationship that the process names is not empty. The commit looks again; this one knows names.
   * @throws DroverError ActionNotAvailable, which names the first of the related resources
   */
  async refuseWhile(definition: ProcessDefinition, type: TypeDefinition, resource: Pick<ResourceRow, 'id' | 'data'>) {
    for (const name of definition.refuseWhile) {
      const relation = relationOf(type.relationships[name]!, resource);
      if (relation === null) continue;
      const { members, moreMembers } = await this.bus.request(readRelated, {
        relation,
        stateField: 'state',
        afterMember: 0,
        parentId: 0,
        parentDispatches: [],
        afterChild: 0,
      });
      if (members.length === 0) continue;
      const prefix = (await this.registry.mirror.loaded()).types.byName(relation.type)?.idPrefix ?? '';
      const named = members.slice(0, MAX_NAMED).map(({ id, state }) => `${formatId(prefix, id)} (${state ?? ''})`);
      const left = members.length - named.length;
      const more = left === 0 ? '' : ` and ${moreMembers ? 'over ' : ''}${left} more`;
      throw new DroverError(
        'ActionNotAvailable',
        `${definition.name} is refused while ${name} is not empty: ${named.join(', ')}${more}`,
        { detail: { relationship: name, ids: members.slice(0, 100).map(({ id }) => formatId(prefix, id)) } },
      );
    }
  }

  private async typeNamed(name: string): Promise<TypeDefinition> {
    const type = await this.registry.mirror.find(({ types }) => types.byName(name));
    if (type === undefined) throw new DroverError('TypeUnknown', `The related type ${name} is not declared`);
    return type;
  }
}

function tooLarge(process: string, why: string): DroverError {
  return new DroverError(
    'BodyTooLarge',
    `The event of ${process} cannot include its related resources: ${why}; at most ${MAX_INCLUDED} of each relationship and ${MAX_INCLUDED_BYTES / 1024} KiB together are sent`,
  );
}
