import type { DefinitionRow } from '@drover/contracts';
import { oneRow, rows, type Queryable } from '@drover/database';
import { DroverError } from '@drover/kernel';
import { compileType, type ResourceTypeDocument, type TypeDefinition } from '@drover/process-model';
import {
  ADD_REGION,
  COUNT_IN_STATES,
  INSERT_DEFINITION,
  INSERT_DEFINITIONS,
  JOIN_REGISTRY,
  LAST_VERSIONS,
  LOCK_REGISTRY,
  RAISE_REVISION,
  READ_DEFINITION,
  READ_DEFINITIONS,
  READ_REVISION,
} from '../sql/registry.sql.js';

/** A definition as it is stored: what travels, and the hash of its document. */
export type StoredDefinition = DefinitionRow & { hash: string };

/** All definitions are far fewer than this. */
const ALL = 1_000_000;

export async function registryRevision(on: Queryable): Promise<number> {
  return (await oneRow<{ revision: number }>(on, READ_REVISION))!.revision;
}

/** Takes the lock under which definitions change; held until the transaction ends. */
export async function lockRegistry(on: Queryable): Promise<number> {
  await rows(on, JOIN_REGISTRY);
  return (await oneRow<{ revision: number }>(on, LOCK_REGISTRY))!.revision;
}

/** A higher revision, seen by all when the transaction commits. */
export async function raiseRevision(on: Queryable): Promise<number> {
  return (await oneRow<{ revision: number }>(on, RAISE_REVISION))!.revision;
}

/** The newest version of every type that changed after a revision; of 0: of every type that is not deleted. */
export function definitionsSince(on: Queryable, revision: number): Promise<StoredDefinition[]> {
  return rows<StoredDefinition>(on, READ_DEFINITIONS, [revision, '', ALL]);
}

/** A given version, or the newest one (also of a deleted type). */
export function readDefinition(
  on: Queryable,
  name: string,
  version: number | null,
): Promise<StoredDefinition | undefined> {
  return oneRow<StoredDefinition>(on, READ_DEFINITION, [name, version]);
}

export async function insertDefinition(
  on: Queryable,
  row: Omit<StoredDefinition, 'created'>,
): Promise<StoredDefinition> {
  const { name, version, document, hash, system, revision, warnings, deleted } = row;
  const values = [name, version, document, hash, system, revision, JSON.stringify(warnings), deleted];
  return (await oneRow<StoredDefinition>(on, INSERT_DEFINITION, values))!;
}

/** What a declaration stores besides what is the same for all of them. */
export type NewDefinition = Pick<StoredDefinition, 'name' | 'version' | 'document' | 'hash' | 'warnings'>;

/** Rows of one statement: a document may have 1 MiB. */
const ROWS_PER_INSERT = 200;

/** Several at once. */
export async function insertDefinitions(
  on: Queryable,
  declared: readonly NewDefinition[],
  { system, revision }: Pick<StoredDefinition, 'system' | 'revision'>,
): Promise<void> {
  for (let i = 0; i < declared.length; i += ROWS_PER_INSERT)
    await rows(on, INSERT_DEFINITIONS, [JSON.stringify(declared.slice(i, i + ROWS_PER_INSERT)), system, revision]);
}

/** The version that each name would get next: they go on counting when a type is declared anew after its deletion. */
export async function nextVersions(on: Queryable, names: readonly string[]): Promise<(name: string) => number> {
  const last = await rows<{ name: string; version: number }>(on, LAST_VERSIONS, [names]);
  const versions = new Map(last.map(({ name, version }) => [name, version]));
  return (name) => (versions.get(name) ?? 0) + 1;
}

/**
 * The stored document was checked when it was declared: this cannot fail for what a released version accepted.
 * @throws DroverError InvalidDefinition that names the definition
 */
export function compiled({ name, document, version, system }: StoredDefinition): TypeDefinition {
  try {
    return compileType(document as unknown as ResourceTypeDocument, { version, system });
  } catch (error) {
    if (!(error instanceof DroverError)) throw error;
    const message = `the stored definition ${name}, version ${version}, cannot be used: ${error.message}`;
    throw new DroverError(error.code, message, { ...error.extra, cause: error });
  }
}

/**
 * States of the old definition that the new one no longer has and in which resources are, as `state (count)`.
 * When a state was dropped, the table of resources is locked against writing until the transaction ends: nobody moves into it meanwhile.
 */
export async function occupiedDroppedStates(
  on: Queryable,
  before: TypeDefinition,
  after: TypeDefinition,
): Promise<string[]> {
  const occupied: string[] = [];
  let locked = false;
  for (const field of ['state', ...Object.keys(before.stateFields)]) {
    const kept = statesOf(after, field);
    const dropped = [...statesOf(before, field)].filter((state) => !kept.has(state));
    if (dropped.length === 0) continue;
    if (!locked) await on.query('lock table resource in share mode');
    locked = true;
    const counts = await rows<{ state: string; count: number }>(on, COUNT_IN_STATES, [after.name, field, dropped]);
    for (const { state, count } of counts) occupied.push(`${field === 'state' ? '' : `${field} `}${state} (${count})`);
  }
  return occupied;
}

/** Resources made before a state field was declared get its initial state. */
export async function addNewRegions(on: Queryable, before: TypeDefinition, after: TypeDefinition): Promise<void> {
  for (const [field, { initial }] of Object.entries(after.stateFields)) {
    if (!Object.hasOwn(before.stateFields, field)) await rows(on, ADD_REGION, [after.name, field, initial]);
  }
}

/** Every state that a resource of the type can be in, of one state field. */
export function statesOf(type: TypeDefinition, stateField: string): Set<string> {
  const states = new Set<string>();
  if (stateField === 'state') {
    states.add('requested');
    for (const state of type.finalStates) states.add(state);
  }
  const initial = type.stateFields[stateField]?.initial;
  if (initial !== undefined) states.add(initial);
  for (const process of Object.values(type.processes)) {
    if (process.stateField !== stateField) continue;
    for (const state of process.startStates) states.add(state);
    for (const [transitioning, done] of Object.entries(process.done)) states.add(transitioning).add(done);
  }
  return states;
}
