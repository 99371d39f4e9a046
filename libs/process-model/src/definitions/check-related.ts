import { transitioningFor } from '../states/predicates.js';
import { FINDINGS, type Finding, type FindingCode } from './findings.js';
import { relatedName } from './relationships.js';
import { TypeRegistry } from './registry.js';
import type { ProcessDefinition, RelatedWork, Relationship, TypeDefinition } from './types.js';

/** What is wrong with a type's related work, seen from the type alone: relationships that it does not have, entries that are one. */
export function relatedFindings(type: TypeDefinition): Finding[] {
  return Object.values(type.processes).flatMap((process) => {
    const named: [string, string[]][] = [
      ['related', process.related.map(({ forEach }) => forEach)],
      ['include', process.include],
      ['refuseWhile', process.refuseWhile],
    ];
    const unknown = named.flatMap(([key, names]) =>
      [...new Set(names)]
        .filter((name) => !Object.hasOwn(type.relationships, name))
        .map((name) =>
          about(
            'unknown-relationship',
            process,
            `${key} names the relationship "${name}", which ${type.name} does not have; declare it under relationships or use one of ${namesOf(type)}`,
          ),
        ),
    );
    const keys = process.related.map((work) => `${work.when} ${relatedName(work)}`);
    const twice = process.related
      .filter((work, i) => keys.indexOf(`${work.when} ${relatedName(work)}`) < i)
      .map((work) =>
        about(
          'duplicate-related',
          process,
          `related lists ${work.process} for ${work.forEach} twice with \`when: ${work.when}\`; keep one`,
        ),
      );
    return [...unknown, ...twice];
  });
}

/**
 * What relationships and related work get wrong together with other types. A type that is not declared (yet) is a warning: types may
 * come in any order; the step fails at run time as long as it is missing. What a declared type lacks is an error.
 */
export function relationFindings(types: readonly TypeDefinition[]): Finding[] {
  const registry = new TypeRegistry(types);
  return types.flatMap((type) => [
    ...Object.entries(type.relationships).flatMap(([name, relationship]) =>
      relationshipFindings(registry, type, name, relationship),
    ),
    ...Object.values(type.processes).flatMap((process) =>
      process.related.flatMap((work) => workFindings(registry, type, process, work)),
    ),
    ...Object.values(type.processes).flatMap((process) => circle(registry, process)),
  ]);
}

/** Does this finding let the types load? */
export function isWarning({ finding }: Finding): boolean {
  return FINDINGS[finding] === 'warning';
}

function about(finding: FindingCode, process: ProcessDefinition, message: string): Finding {
  return { finding, process: process.name, type: process.resourceType, message: `${process.name}: ${message}` };
}

function namesOf(type: TypeDefinition): string {
  return Object.keys(type.relationships).join(', ') || 'none';
}

function relationshipFindings(
  registry: TypeRegistry,
  type: TypeDefinition,
  name: string,
  relationship: Relationship,
): Finding[] {
  if (relationship.kind === 'reference') return [];
  const found: Finding[] = [];
  const say = (finding: FindingCode, message: string): number =>
    found.push({ finding, type: type.name, message: `${type.name}: the relationship ${name} ${message}` });
  const missing = (typeName: string): number =>
    say('unknown-related-type', `needs the type "${typeName}", which is not declared; declare it too`);
  const points = (fromName: string, field: string, to: string): void => {
    const from = registry.byName(fromName);
    if (from === undefined) missing(fromName);
    else if (!Object.hasOwn(from.fields, field) || from.fields[field]!.to !== to)
      say(
        'relationship-impossible',
        `needs the field "${field}" of ${fromName} to be a reference to ${to}; declare it there, or correct the relationship`,
      );
  };
  if (relationship.kind === 'list') points(relationship.type, relationship.by, type.name);
  else {
    if (registry.byName(relationship.type) === undefined) missing(relationship.type);
    points(relationship.through, relationship.by, type.name);
    if (registry.byName(relationship.through) !== undefined)
      points(relationship.through, relationship.to, relationship.type);
  }
  return found;
}

function workFindings(
  registry: TypeRegistry,
  type: TypeDefinition,
  process: ProcessDefinition,
  work: RelatedWork,
): Finding[] {
  // A relationship that there is not is a finding about the type alone.
  if (!Object.hasOwn(type.relationships, work.forEach)) return [];
  const relationship = type.relationships[work.forEach]!;
  const target = registry.byName(relationship.type);
  if (target === undefined)
    return [
      about(
        'unknown-related-type',
        process,
        `related work needs ${work.process}, and the type ${relationship.type} is not declared; declare it too, until then the step fails`,
      ),
    ];
  const child = Object.values(target.processes).find(({ name }) => name === work.process);
  if (child === undefined)
    return [
      about(
        'unknown-related-process',
        process,
        `related work names ${work.process}, which ${target.name} does not have; it has ${Object.keys(target.processes).join(', ') || 'no process'}`,
      ),
    ];
  if (work.states === null || work.states.some((state) => transitioningFor(child, state) !== null)) return [];
  return [
    about(
      'related-never-starts',
      process,
      `${child.name} can start from none of the states ${work.states.join(', ')}; it starts from ${child.startStates.join(', ')}`,
    ),
  ];
}

/** A process that leads back to itself by related work and delegates; told of each process of the circle that has related work. */
function circle(registry: TypeRegistry, process: ProcessDefinition): Finding[] {
  const path: string[] = [];
  const closed = new Set<string>();
  const walk = (name: string): string[] | null => {
    if (name === process.name && path.length > 0) return [...path, name];
    const next = registry.process(name);
    if (next === undefined || closed.has(name)) return null;
    closed.add(name);
    path.push(name);
    const onward = [
      ...next.related.map((work) => work.process),
      ...(next.delegate === null ? [] : [next.delegate.process]),
    ];
    for (const one of onward) {
      const found = walk(one);
      if (found !== null) return found;
    }
    path.pop();
    return null;
  };
  const found = process.related.length === 0 ? null : walk(process.name);
  if (found === null) return [];
  const message = `related work leads in a circle: ${found.join(' → ')}; remove one of the entries`;
  return [about('circular-related', process, message)];
}
