import type { RelationRef } from '@drover/contracts';
import { parseId, type JsonObject } from '@drover/kernel';
import type { ProcessDefinition, Relationship, TypeDefinition } from '../definitions/types.js';

const referenceFields = new WeakMap<TypeDefinition, string[]>();

/** The reference fields of a type; kept, since every change asks for them and a definition never changes. */
function referencesIn(type: TypeDefinition): string[] {
  let fields = referenceFields.get(type);
  if (fields === undefined) {
    fields = Object.keys(type.fields).filter((name) => type.fields[name]!.type === 'reference');
    referenceFields.set(type, fields);
  }
  return fields;
}

/**
 * What a resource's reference fields point at, one `<field>:<number>` for each that is set: the index by which relationships are read.
 * @param data the stored document
 */
export function refsOf(type: TypeDefinition, data: JsonObject): string[] {
  return referencesIn(type).flatMap((field) => {
    const value = data[field];
    const number = typeof value === 'string' ? parseId(value.toLowerCase())?.number : undefined;
    return number === undefined ? [] : [refTo(field, number)];
  });
}

/** The entry that points at a resource. */
export function refTo(field: string, number: number): string {
  return `${field}:${number}`;
}

/**
 * The references after a change of data, or undefined when no reference field is among what changes.
 * @param changed top-level keys with their new values
 */
export function refsAfter(type: TypeDefinition, before: JsonObject, changed: JsonObject | null): string[] | undefined {
  if (changed === null || !referencesIn(type).some((field) => Object.hasOwn(changed, field))) return undefined;
  return refsOf(type, { ...before, ...changed });
}

/** The relations that must be empty for a process to start. */
export function hindrances(
  { refuseWhile }: ProcessDefinition,
  type: TypeDefinition,
  resource: { id: number; data: JsonObject },
): RelationRef[] {
  return refuseWhile.flatMap((name) => relationOf(type.relationships[name]!, resource) ?? []);
}

/** Where the resources of a relationship are found; null: the reference field is not set. */
export function relationOf(
  relationship: Relationship,
  { id, data }: { id: number; data: JsonObject },
): RelationRef | null {
  const { kind, type } = relationship;
  if (kind === 'list') return { kind, type, ref: refTo(relationship.by, id) };
  if (kind === 'through')
    return { kind, type, through: relationship.through, ref: refTo(relationship.by, id), to: relationship.to };
  const value = data[relationship.field];
  const number = typeof value === 'string' ? parseId(value.toLowerCase())?.number : undefined;
  return number === undefined ? null : { kind, type, id: number };
}
