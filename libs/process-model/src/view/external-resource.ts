import type { ResourceRow } from '@drover/contracts';
import { formatId, type Json, type JsonObject } from '@drover/kernel';
import type { TypeDefinition } from '../definitions/types.js';
import { isGone } from '../states/index.js';

/**
 * A resource as the outside sees it (protocol §2), without links and actions: what process events, transition events and HTTP
 * answers share. Declared fields come first, so that they can never hide the envelope; fields of type `password` are left out.
 * @param out what it is written into: its own keys keep their places, before all others
 */
export function externalResource(row: ResourceRow, type: TypeDefinition, out: JsonObject = {}): JsonObject {
  for (const [name, field] of Object.entries(type.fields)) {
    if (field.type !== 'password') out[name] = row.data[name] ?? null;
  }
  // Reaching removed ended what was live in the other regions; they stay where they were, as a record.
  const gone = isGone(row.state);
  for (const name of Object.keys(type.stateFields)) {
    const region = row.regions[name];
    out[name] = region?.state ?? type.stateFields[name]!.initial;
    out[`${name}Transitioning`] = gone ? 'no' : (region?.transitioning ?? 'no');
  }
  out['id'] = formatId(type.idPrefix, row.id);
  out['type'] = row.type;
  out['kind'] = row.kind;
  out['uuid'] = row.uuid;
  out['name'] = row.name;
  out['description'] = row.description;
  out['state'] = row.state;
  out['transitioning'] = row.transitioning;
  out['transitioningMessage'] = row.message ?? (row.transitioning === 'yes' ? 'In Progress' : null);
  out['transitioningProgress'] = row.progress;
  // One by one, as all of them: objects made for two keys and copied cost more than the rest of this together.
  out['created'] = isoTime(row.created);
  out['createdTS'] = row.created;
  out['removed'] = isoTime(row.removed);
  out['removedTS'] = row.removed;
  out['accountId'] = row.accountId === null ? null : formatId('a', row.accountId);
  out['revision'] = row.revision;
  out['data'] = (row.data['data'] as Json | undefined) ?? {};
  return out;
}

/** A time in both of the API's forms: ISO 8601 and, with `TS`, epoch milliseconds. */
export function dates(name: string, millis: number | null): JsonObject {
  return { [name]: isoTime(millis), [`${name}TS`]: millis };
}

function isoTime(millis: number | null): string | null {
  return millis === null ? null : new Date(millis).toISOString();
}
