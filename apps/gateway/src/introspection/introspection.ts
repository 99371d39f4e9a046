import { Injectable } from '@nestjs/common';
import type { Filter } from '@drover/contracts';
import { DroverError, type JsonObject } from '@drover/kernel';
import type { ProcessDefinition, TypeDefinition } from '@drover/process-model';
import { collection, sliceOf } from '../http/collection.js';
import { echoFilters, type FilterKind, parseFilters } from '../http/filters.js';
import type { ListQuery } from '../http/list-query.js';
import { Registry } from '../registry/registry.js';
import { processDefinitionJson, resourceDefinitionJson } from './definition-json.js';
import { HandlersOf } from './handlers-of.js';

/** A process definition with its type. */
export interface ProcessOfType {
  process: ProcessDefinition;
  type: TypeDefinition;
}

const PROCESS_FIELDS = new Map<string, FilterKind>([
  ['name', 'text'],
  ['resourceType', 'text'],
]);
const TYPE_FIELDS = new Map<string, FilterKind>([['name', 'text']]);

/** What is declared, read back: process and resource definitions. */
@Injectable()
export class Introspection {
  constructor(
    private readonly registry: Registry,
    private readonly handlers: HandlersOf,
  ) {}

  async listProcesses(query: ListQuery, base: string, self: string, only?: TypeDefinition): Promise<JsonObject> {
    const { types } = await this.registry.snapshot();
    const filters = parseFilters(query.filters, PROCESS_FIELDS);
    const all = (only === undefined ? byName(types.all()) : [only])
      .flatMap((type) => byName(Object.values(type.processes)).map((process) => ({ process, type })))
      .filter(({ process }) => filters.every((filter) => matches(filter, process)));
    const stepsOf = await this.handlers.lookUp();
    const { items, nextMarker } = sliceOf(all, query.page.limit, query.page.marker);
    const data = items.map(({ process, type }) => processDefinitionJson(process, type, stepsOf(process.name), base));
    return collection(
      { data, nextMarker },
      { resourceType: 'processDefinition', self, limit: query.page.limit, filters: echoFilters(filters) },
    );
  }

  async readProcess(id: string, base: string): Promise<JsonObject> {
    const { process, type } = await this.processOf(id);
    const stepsOf = await this.handlers.lookUp();
    return processDefinitionJson(process, type, stepsOf(process.name), base);
  }

  async listTypes(query: ListQuery, base: string, self: string): Promise<JsonObject> {
    const { types } = await this.registry.snapshot();
    const filters = parseFilters(query.filters, TYPE_FIELDS);
    const all = byName(types.all()).filter((type) =>
      filters.every((filter) => matches(filter, { name: type.name, resourceType: type.name })),
    );
    const { items, nextMarker } = sliceOf(all, query.page.limit, query.page.marker);
    const data = items.map((type) => resourceDefinitionJson(type, base));
    return collection(
      { data, nextMarker },
      { resourceType: 'resourceDefinition', self, limit: query.page.limit, filters: echoFilters(filters) },
    );
  }

  async readType(id: string, base: string): Promise<JsonObject> {
    return resourceDefinitionJson(await this.typeOf(id), base);
  }

  async processesOfType(id: string, query: ListQuery, base: string, self: string): Promise<JsonObject> {
    return this.listProcesses(query, base, self, await this.typeOf(id));
  }

  /** `1pd!instance.start`, any letter case; the bare name too. @throws DroverError ProcessUnknown */
  async processOf(id: string): Promise<ProcessOfType> {
    const name = id.toLowerCase().replace(/^1pd!/, '');
    const found = await this.registry.find(({ types }) => {
      const process = types.process(name);
      return process && { process, type: types.byName(process.resourceType)! };
    });
    if (found === undefined)
      throw new DroverError('ProcessUnknown', `There is no process definition "${id.slice(0, 150)}"`);
    return found;
  }

  /** `1rd!instance`, any letter case; the bare name too. @throws DroverError TypeUnknown */
  async typeOf(id: string): Promise<TypeDefinition> {
    const name = id.toLowerCase().replace(/^1rd!/, '');
    const found = await this.registry.find(({ types }) => {
      const type = types.byPlural(name);
      return type?.name.toLowerCase() === name ? type : undefined;
    });
    if (found === undefined)
      throw new DroverError('TypeUnknown', `There is no resource definition "${id.slice(0, 150)}"`);
    return found;
  }
}

/** All of it is in memory: equality and prefix are what a list of names needs. */
function matches(filter: Filter, row: { name: string; resourceType: string }): boolean {
  const actual = row[filter.field as 'name' | 'resourceType'].toLowerCase();
  const wanted = String(filter.value).toLowerCase();
  switch (filter.modifier) {
    case 'eq':
      return actual === wanted;
    case 'ne':
      return actual !== wanted;
    case 'prefix':
      return actual.startsWith(wanted);
    default:
      throw new DroverError('InvalidFilter', `This list has the modifiers ne and prefix, not "${filter.modifier}"`, {
        fieldName: filter.field,
      });
  }
}

function byName<T extends { name: string }>(items: T[]): T[] {
  return items.sort((a, b) => (a.name < b.name ? -1 : 1));
}
