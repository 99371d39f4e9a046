import type { ResourceTypeDocument, RelatedDocument } from './document.js';
import { isReservedFieldName, linkOfReference, processName, regionFieldNames } from './names.js';
import type { RelatedWork, Relationship } from './types.js';
import type { Problem } from './validate.js';

/** The relationships of a type by name: those of its reference fields, then the declared ones. */
export function relationshipsOf(document: ResourceTypeDocument): Record<string, Relationship> {
  const found: Record<string, Relationship> = {};
  for (const [field, { type, to }] of Object.entries(document.fields ?? {}))
    if (type === 'reference' && to !== undefined)
      found[linkOfReference(field)] ??= { kind: 'reference', type: to, field };
  for (const [name, { list, by, through, to }] of Object.entries(document.relationships ?? {}))
    found[name] =
      through === undefined || to === undefined
        ? { kind: 'list', type: list, by }
        : { kind: 'through', type: list, through, by, to };
  return found;
}

/** Names that are taken: a relationship is a link of its resource, beside the fields, and paths ignore letter case. */
export function relationshipProblems(document: ResourceTypeDocument): Problem[] {
  const taken = new Map<string, string>();
  for (const [field, { type }] of Object.entries(document.fields ?? {})) {
    taken.set(field.toLowerCase(), `the field ${field}`);
    if (type === 'reference') taken.set(linkOfReference(field).toLowerCase(), `the link of the field ${field}`);
  }
  for (const region of Object.keys(document.stateFields ?? {}))
    for (const name of [region, ...regionFieldNames(region)])
      taken.set(name.toLowerCase(), `the state field ${region}`);
  return Object.keys(document.relationships ?? {}).flatMap((name) => {
    const path = `/relationships/${name}`;
    if (isReservedFieldName(name))
      return [{ path, message: `the relationship "${name}" has a name that is reserved for the API; choose another` }];
    const owner = taken.get(name.toLowerCase());
    taken.set(name.toLowerCase(), `the relationship ${name}`);
    return owner === undefined
      ? []
      : [{ path, message: `the relationship "${name}" has the name of ${owner}; choose another` }];
  });
}

/** Related work as declared, filled in. A verb belongs to the related type; of an unknown relationship it stays as it is written. */
export function relatedWork(document: RelatedDocument, relationships: Record<string, Relationship>): RelatedWork {
  const { forEach, process } = document;
  const type = Object.hasOwn(relationships, forEach) ? relationships[forEach]!.type : null;
  return {
    forEach,
    process: process.includes('.') || type === null ? process.toLowerCase() : processName(type, process),
    when: document.when ?? 'before',
    order: document.order ?? 'parallel',
    onFailure: document.onFailure ?? 'fail',
    onCancel: document.onCancel ?? 'cancel',
    onParentEnd: document.onParentEnd ?? 'cancel',
    states: document.states ?? null,
  };
}

/** What tells the entries of a process apart, and names their steps: `<forEach>.<verb>`. */
export function relatedName({ forEach, process }: RelatedWork): string {
  return `${forEach}.${process.slice(process.indexOf('.') + 1)}`;
}
