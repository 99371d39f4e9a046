import type { DefinitionRow, HandlerRow, LimitRow, PauseRow } from '@drover/contracts';
import { rows } from '@drover/database';
import { DroverError, monotonicMillis, type JsonObject } from '@drover/kernel';
import { checkRegistry, compileType, declareType, parseDocuments, type TypeDefinition } from '@drover/process-model';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import { Hints } from '../observability/hints.js';
import { fitting } from '../query/fitting.js';
import { READ_LIMITS } from '../sql/gates.sql.js';
import { COUNT_UNPURGED, READ_DEFINITIONS, READ_HANDLERS, READ_PAUSES, READ_VERSIONS } from '../sql/registry.sql.js';
import {
  addNewRegions,
  definitionsSince,
  insertDefinition,
  lockRegistry,
  nextVersions,
  occupiedDroppedStates,
  raiseRevision,
  readDefinition,
  registryRevision,
  type StoredDefinition,
} from './definition-store.js';
import { handlerRow, type StoredHandler } from './handler-row.js';
import { HandlerFiles } from './handler-files.js';
import { StoredTypes } from './stored-types.js';

/** Definitions read per page before the page is cut to size. */
const PAGE_ROWS = 500;
const TYPES_TRUSTED_MILLIS = 1_000;

/** Declares and hands out definitions and handlers. One revision covers both; it rises in the transaction of the change. */
@Injectable()
export class RegistryService {
  private known = StoredTypes.NONE;
  private checkedAt = -TYPES_TRUSTED_MILLIS;
  /** changes heard of */
  private changes = 0;

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly hints: Hints,
    private readonly handlerFiles: HandlerFiles,
  ) {}

  async read(
    sinceRevision: number,
    afterName: string | null,
  ): Promise<{
    revision: number;
    definitions: DefinitionRow[];
    handlers: HandlerRow[] | null;
    pauses: PauseRow[] | null;
    limits: LimitRow[] | null;
    more: boolean;
  }> {
    // A copy that is up to date asks every few seconds: one statement says that nothing changed.
    if (afterName === null && sinceRevision > 0 && (await registryRevision(this.dataSource)) === sinceRevision)
      return { revision: sinceRevision, definitions: [], handlers: null, pauses: null, limits: null, more: false };
    // One snapshot for all of it: a revision must never be newer than what it is said to cover.
    return this.dataSource.transaction('REPEATABLE READ', async (on) => {
      const revision = await registryRevision(on);
      const handlers = afterName === null ? (await rows<StoredHandler>(on, READ_HANDLERS)).map(handlerRow) : null;
      const pauses = afterName === null ? await rows<PauseRow>(on, READ_PAUSES) : null;
      const limits = afterName === null ? await rows<LimitRow>(on, READ_LIMITS) : null;
      const found = await rows<StoredDefinition>(on, READ_DEFINITIONS, [sinceRevision, afterName ?? '', PAGE_ROWS + 1]);
      const { kept, cut } = fitting(found.slice(0, PAGE_ROWS));
      return {
        revision,
        definitions: kept,
        handlers,
        pauses,
        limits,
        more: cut.length > 0 || found.length > PAGE_ROWS,
      };
    });
  }

  async readOne(name: string, version: number | null) {
    const definition = await readDefinition(this.dataSource, name, version);
    if (definition === undefined) throw notFound(name, version);
    const versions = await rows<{ version: number; created: number }>(this.dataSource, READ_VERSIONS, [name]);
    return { definition: definition as DefinitionRow, versions };
  }

  /** The present types, at most a second old and never older than the last hint. */
  async types(): Promise<StoredTypes> {
    const now = monotonicMillis();
    if (now - this.checkedAt < TYPES_TRUSTED_MILLIS) return this.known;
    const { changes } = this;
    const revision = await registryRevision(this.dataSource);
    if (this.known.revision < revision)
      await this.dataSource.transaction('REPEATABLE READ', (on) => this.presentTypes(on));
    // What changed while this was read is not in it.
    if (changes === this.changes) this.checkedAt = now;
    return this.known;
  }

  /** Reads the types and compiles one, so that the first request finds both done: with 5,000 types it saves that one 0.2 s. */
  async warmUp(): Promise<void> {
    (await this.types()).byName('account');
  }

  /** The types as `on` sees them, which must be one snapshot or hold the registry's lock. Reads what has changed since the last time. */
  async presentTypes(on: EntityManager): Promise<StoredTypes> {
    const revision = await registryRevision(on);
    // Newer than the database: a backup was restored, nothing of it holds.
    const known = this.known.revision > revision ? StoredTypes.NONE : this.known;
    if (known.revision === revision) return known;
    const types = known.after(revision, await definitionsSince(on, known.revision));
    // Of two that read at once the older may come last.
    if (this.known.revision < revision) this.known = types;
    return types;
  }

  /**
   * A type with the fields that a request names: read anew where one is unknown, since another replica may have declared it a moment ago
   * (a gateway asks only for fields it knows). Without its definition, a type has no fields.
   */
  async typeWith(name: string, knows: (type: TypeDefinition) => boolean): Promise<TypeDefinition> {
    const known = (await this.types()).byName(name);
    if (known !== undefined && knows(known)) return known;
    this.forget();
    return (await this.types()).byName(name) ?? RegistryService.unknownType(name);
  }

  /** Somebody says that the registry changed: the next reader looks. */
  forget(): void {
    this.changes++;
    this.checkedAt = -TYPES_TRUSTED_MILLIS;
  }

  async apply(request: { document: JsonObject; mode: 'create' | 'update'; name: string | null }) {
    const documents = parseDocuments(JSON.stringify(request.document), { format: 'json', file: 'the document' });
    const document = documents[0];
    if (documents.length !== 1 || document === undefined || document.kind !== 'ResourceType')
      throw new DroverError('InvalidDefinition', 'One document of kind ResourceType is needed');
    if (request.name !== null && request.name !== document.name)
      throw new DroverError('InvalidDefinition', `The document is named ${document.name}, the path ${request.name}`);
    const applied = await this.dataSource.transaction(async (on) => {
      const revision = await lockRegistry(on);
      const types = await this.presentTypes(on);
      const before = types.row(document.name);
      if (before?.system === true)
        throw new DroverError('SystemDefinition', `${document.name} is a system definition and cannot be redeclared`);
      if (request.mode === 'create' && before !== undefined)
        throw new DroverError('NotUnique', `The type ${document.name} is declared already; change it by its name`);
      if (request.mode === 'update' && before === undefined) throw notFound(document.name, null);
      const version = (await nextVersions(on, [document.name]))(document.name);
      const { type, warnings, hash } = declareType(document, types.all(), { version });
      if (before?.hash === hash) return { definition: before, changed: false };
      await this.replace(on, types.byName(type.name), type);
      const { name, system } = type;
      const row = { name, version, document: document as unknown as JsonObject, hash, system, warnings };
      const definition = await insertDefinition(on, { ...row, revision: revision + 1, deleted: false });
      await raiseRevision(on);
      return { definition, changed: true };
    });
    if (applied.changed) {
      this.forget();
      await this.handlerFiles.register(document.handlers ?? []);
      this.hints.registry();
    }
    return applied as { definition: DefinitionRow; changed: boolean };
  }

  async delete(name: string): Promise<void> {
    await this.dataSource.transaction(async (on) => {
      const revision = await lockRegistry(on);
      const types = await this.presentTypes(on);
      const before = types.row(name);
      if (before === undefined) throw notFound(name, null);
      if (before.system) throw new DroverError('SystemDefinition', `${name} is a system definition`);
      const broken = checkRegistry(types.all().filter((type) => type.name !== name));
      if (broken.length > 0)
        throw new DroverError('DefinitionInUse', broken.map((finding) => finding.message).join('; '));
      await on.query('lock table resource in share mode');
      const occupied = await rows<{ state: string; count: number }>(on, COUNT_UNPURGED, [name]);
      if (occupied.length > 0) throw inUse(name, 'has resources that are not purged', occupied.map(described));
      await insertDefinition(on, {
        ...before,
        version: (await nextVersions(on, [name]))(name),
        revision: revision + 1,
        deleted: true,
      });
      await raiseRevision(on);
    });
    this.forget();
    this.hints.registry();
  }

  /**
   * Makes the resources that are there fit a new version of their type, in the transaction that writes it, under the registry's lock.
   * @param before undefined: there are none
   * @throws DroverError DefinitionInUse when resources are in a state that the new version drops
   */
  async replace(on: EntityManager, before: TypeDefinition | undefined, after: TypeDefinition): Promise<void> {
    if (before === undefined) return;
    const occupied = await occupiedDroppedStates(on, before, after);
    if (occupied.length > 0) throw inUse(after.name, 'has resources in states that this version drops', occupied);
    await addNewRegions(on, before, after);
  }

  /** How a resource of an unknown type is shown: as one without fields. */
  static unknownType(name: string): TypeDefinition {
    return compileType({ apiVersion: 'drover/v1', kind: 'ResourceType', name }, { version: 1, system: false });
  }
}

const described = ({ state, count }: { state: string; count: number }): string => `${state} (${count})`;

function inUse(name: string, why: string, occupied: string[]): DroverError {
  return new DroverError('DefinitionInUse', `${name} ${why}: ${occupied.join(', ')}`, { detail: occupied });
}

function notFound(name: string, version: number | null): DroverError {
  return new DroverError('NotFound', `There is no definition ${name}${version === null ? '' : ` version ${version}`}`);
}
