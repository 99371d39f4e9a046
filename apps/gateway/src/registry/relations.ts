import type { TypeDefinition, TypeRegistry } from '@drover/process-model';

/** A reference field seen from the type it points to. */
export interface ChildRelation {
  /** link name on the parent */
  link: string;
  child: TypeDefinition;
  /** reference field of the child */
  field: string;
}

const known = new WeakMap<TypeRegistry, Map<string, ChildRelation[]>>();

/**
 * The types with reference fields to this one. The first such field of a child gives the link the child's plural; further ones add
 * their own name. Computed once per registry, which never changes.
 */
export function childrenOf(types: TypeRegistry, parent: TypeDefinition): readonly ChildRelation[] {
  let relations = known.get(types);
  if (relations === undefined) known.set(types, (relations = allRelations(types)));
  return relations.get(parent.name) ?? [];
}

function allRelations(types: TypeRegistry): Map<string, ChildRelation[]> {
  const relations = new Map<string, ChildRelation[]>();
  for (const child of types.all()) {
    const seen = new Set<string>();
    for (const [field, { type, to }] of Object.entries(child.fields)) {
      if (type !== 'reference' || to === undefined) continue;
      const link = seen.has(to) ? `${child.plural}By${capital(field)}` : child.plural;
      seen.add(to);
      relations.set(to, [...(relations.get(to) ?? []), { link, child, field }]);
    }
  }
  return relations;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
