import type { TypeDefinition } from '../definitions/types.js';

const NONE: ReadonlySet<string> = new Set();

/**
 * The reference fields by which some type's `refuseWhile` looks for related resources. Whoever sets one adds to a relation that a start may
 * hang on; any other reference is nobody's business. Never changes: one for each set of types.
 */
export class WatchedReferences {
  private readonly byType = new Map<string, Set<string>>();

  constructor(types: readonly TypeDefinition[]) {
    for (const { processes, relationships } of types)
      for (const name of Object.values(processes).flatMap((process) => process.refuseWhile)) {
        const relationship = relationships[name];
        if (relationship === undefined || relationship.kind === 'reference') continue;
        const type = relationship.kind === 'through' ? relationship.through : relationship.type;
        const fields = this.byType.get(type) ?? new Set();
        this.byType.set(type, fields.add(relationship.by));
      }
  }

  /**
   * The resources that watched ones of these references point at.
   * @param refs `<field>:<number>` each, as they are stored
   */
  targets(type: string, refs: readonly string[] | undefined): number[] {
    const fields = this.byType.get(type) ?? NONE;
    if (fields.size === 0 || refs === undefined) return [];
    return refs.flatMap((ref) => {
      const colon = ref.indexOf(':');
      return fields.has(ref.slice(0, colon)) ? Number(ref.slice(colon + 1)) : [];
    });
  }
}

export const NO_WATCHED_REFERENCES = new WatchedReferences([]);
