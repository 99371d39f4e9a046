import { isWarning, relatedFindings, relationFindings } from './check-related.js';
import { reachFindings } from './check-reach.js';
import { structureFindings } from './check-structure.js';
import type { Acceptance } from './document.js';
import { settle, type CheckResult, type Finding } from './findings.js';
import type { TypeDefinition } from './types.js';

/**
 * The model checker: everything about one type's machine that would surprise whoever runs it. Pure and complete: it lists all
 * findings, sorted by nothing but the definition's order.
 * @param accept the document's `accept`: findings that are meant, with the reason
 */
export function checkType(type: TypeDefinition, accept: readonly Acceptance[] = []): CheckResult {
  return settle(type.name, [...structureFindings(type), ...relatedFindings(type), ...reachFindings(type)], accept);
}

/**
 * What types can only get wrong together: names that are taken (singular and plural, any letter case), references to types that
 * do not exist, related work that cannot be. The order of the types does not matter. Errors only: see {@link registryWarnings}.
 */
export function checkRegistry(types: readonly TypeDefinition[]): Finding[] {
  return [
    ...takenNames(types),
    ...unknownReferences(types),
    ...relationFindings(types).filter((finding) => !isWarning(finding)),
  ];
}

/** What is missing only so far: types that relationships and related work need and that may be declared later. */
export function registryWarnings(types: readonly TypeDefinition[]): Finding[] {
  return relationFindings(types).filter(isWarning);
}

function takenNames(types: readonly TypeDefinition[]): Finding[] {
  const owners = new Map<string, TypeDefinition>();
  const found: Finding[] = [];
  for (const type of types)
    for (const name of new Set([type.name.toLowerCase(), type.plural.toLowerCase()])) {
      const owner = owners.get(name);
      if (owner === undefined) owners.set(name, type);
      else
        found.push({
          finding: owner.name === type.name ? 'duplicate-name' : 'name-taken',
          type: type.name,
          message: `${type.name}: the name "${name}" is taken by the type ${owner.name} (singular and plural are unique over all types, whatever the letter case); rename one or set \`plural\``,
        });
    }
  return found;
}

function unknownReferences(types: readonly TypeDefinition[]): Finding[] {
  const names = new Set(types.map((type) => type.name));
  return types.flatMap((type) =>
    Object.entries(type.fields)
      .filter(([, field]) => field.to !== undefined && !names.has(field.to))
      .map(([name, field]) => ({
        finding: 'unknown-reference' as const,
        type: type.name,
        message: `${type.name}: the field ${name} refers to the type "${field.to}", which does not exist; declare it, or correct \`to\``,
      })),
  );
}
