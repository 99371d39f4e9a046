import { Injectable } from '@nestjs/common';
import { applyDefinition, deleteDefinition, type DefinitionRow, readDefinition } from '@drover/contracts';
import type { JsonObject } from '@drover/kernel';
import { dates } from '@drover/process-model';
import type { RegistrySnapshot } from '@drover/registry';
import { Backend } from '../backend/backend.js';
import { collection, sliceOf } from '../http/collection.js';
import { refuseFilters } from '../http/filters.js';
import type { ListQuery } from '../http/list-query.js';
import { resourceDefinitionUrl } from '../introspection/definition-json.js';
import { Log } from '../log.js';
import { Registry } from '../registry/registry.js';
import { collectionUrl } from '../resources/resource-json.js';

/** Declaring types at run time. The store checks and keeps the documents; this gateway knows them before it answers. */
@Injectable()
export class Definitions {
  constructor(
    private readonly registry: Registry,
    private readonly backend: Backend,
    private readonly log: Log,
  ) {}

  async list(query: ListQuery, base: string, self: string): Promise<JsonObject> {
    refuseFilters(query);
    const snapshot = await this.registry.snapshot();
    const all = [...snapshot.definitions.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const { items, nextMarker } = sliceOf(all, query.page.limit, query.page.marker);
    return collection(
      { data: items.map((row) => definitionJson(row, snapshot, base)), nextMarker },
      { resourceType: 'definition', self, limit: query.page.limit, createTypes: { definition: `${base}/definitions` } },
    );
  }

  async read(name: string, base: string): Promise<JsonObject> {
    const { name: known } = await this.registry.definitionNamed(name);
    const { definition, versions } = await this.backend.call(readDefinition, { name: known, version: null });
    return {
      ...definitionJson(definition, await this.registry.snapshot(), base),
      versions: versions.map(({ version, created }) => ({ version, ...dates('created', created) })),
    };
  }

  /** 201: checked, stored, and usable through any gateway. */
  async create(document: JsonObject, base: string): Promise<JsonObject> {
    const { definition } = await this.backend.callOnce(applyDefinition, { document, mode: 'create', name: null });
    return this.applied(definition, base);
  }

  /** A new version, unless the document equals the present one. */
  async update(name: string, document: JsonObject, base: string): Promise<JsonObject> {
    const { name: known } = await this.registry.definitionNamed(name);
    const { definition } = await this.backend.call(applyDefinition, { document, mode: 'update', name: known });
    return this.applied(definition, base);
  }

  async remove(name: string, base: string): Promise<JsonObject> {
    const answer = await this.read(name, base);
    await this.backend.callOnce(deleteDefinition, { name: String(answer['name']) });
    await this.catchUp();
    return { ...answer, links: {}, removed: true };
  }

  private async applied(row: DefinitionRow, base: string): Promise<JsonObject> {
    await this.catchUp();
    return definitionJson(row, await this.registry.snapshot(), base);
  }

  /** The document is stored whatever happens now: a gateway that cannot read it yet does so within two seconds. */
  private async catchUp(): Promise<void> {
    await this.registry
      .refresh()
      .catch((error: unknown) => this.log.warn({ err: error }, 'the changed definitions cannot be read yet'));
  }
}

function definitionJson(row: DefinitionRow, snapshot: RegistrySnapshot, base: string): JsonObject {
  const type = snapshot.types.byName(row.name);
  return {
    id: row.name,
    type: 'definition',
    links: {
      self: `${base}/definitions/${row.name}`,
      resourceDefinition: resourceDefinitionUrl(base, row.name),
      resourceDot: `${resourceDefinitionUrl(base, row.name)}/resourcedot`,
      ...(type === undefined ? {} : { resources: collectionUrl(base, type) }),
    },
    actions: {},
    name: row.name,
    version: row.version,
    system: row.system,
    warnings: row.warnings.map((warning) => ({ ...warning })),
    ...dates('created', row.created),
    document: row.document,
  };
}
