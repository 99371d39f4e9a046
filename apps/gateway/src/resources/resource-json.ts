import type { ResourceRow } from '@drover/contracts';
import { formatId, type JsonObject, PROCESS_INSTANCE_PREFIX } from '@drover/kernel';
import { externalResource, legalActions, linkOfReference, type TypeDefinition } from '@drover/process-model';
import type { RegistrySnapshot } from '@drover/registry';
import { childrenOf } from '../registry/relations.js';

/** What the JSON of one resource is made of. */
export interface ResourceView {
  snapshot: RegistrySnapshot;
  type: TypeDefinition;
  base: string;
}

/** A resource as HTTP answers it: its own JSON with links and the actions that are legal now. `processId`: what the request started. */
export function resourceJson(row: ResourceRow, view: ResourceView, processId: number | null = null): JsonObject {
  const self = resourceUrl(view.base, view.type, row.id);
  const links = linksOf(row, view, self);
  if (processId !== null) links['processInstance'] = processUrl(view.base, processId);
  // Written into, not copied: an object of so many keys costs more to copy than to make.
  return externalResource(row, view.type, { id: null, type: null, links, actions: actionsOf(row, view.type, self) });
}

export function collectionUrl(base: string, type: TypeDefinition): string {
  return `${base}/${type.plural.toLowerCase()}`;
}

export function resourceUrl(base: string, type: TypeDefinition, number: number): string {
  return `${collectionUrl(base, type)}/${formatId(type.idPrefix, number)}`;
}

export function processUrl(base: string, number: number): string {
  return `${base}/processinstances/${formatId(PROCESS_INSTANCE_PREFIX, number)}`;
}

function actionsOf(row: ResourceRow, type: TypeDefinition, self: string): Record<string, string> {
  const regions = Object.fromEntries(Object.entries(row.regions).map(([name, region]) => [name, region.state]));
  const actions: Record<string, string> = {};
  for (const verb of legalActions(type, row.state, regions)) actions[verb] = `${self}?action=${verb}`;
  return actions;
}

function linksOf(row: ResourceRow, { snapshot, type }: ResourceView, self: string): Record<string, string> {
  const links: Record<string, string> = { self };
  for (const [name, field] of Object.entries(type.fields)) {
    if (field.type === 'reference' && typeof row.data[name] === 'string')
      links[linkOfReference(name)] = `${self}/${linkOfReference(name).toLowerCase()}`;
  }
  for (const [name, { kind }] of Object.entries(type.relationships))
    if (kind !== 'reference') links[name] = `${self}/${name.toLowerCase()}`;
  for (const { link } of childrenOf(snapshot.types, type)) links[link] ??= `${self}/${link.toLowerCase()}`;
  links['processInstances'] = `${self}/processinstances`;
  links['transitions'] = `${self}/transitions`;
  links['why'] = `${self}/why`;
  return links;
}
