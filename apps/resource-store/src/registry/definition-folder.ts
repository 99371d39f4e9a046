import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DroverError, type JsonObject } from '@drover/kernel';
import { oneRow, rows } from '@drover/database';
import {
  checkRegistry,
  loadDefinitions,
  type DefinitionFile,
  type LoadedType,
  type LocatedFinding,
  type TypeDefinition,
} from '@drover/process-model';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import { StoreLog } from '../observability/store-log.js';
import { StoreMetrics } from '../observability/store-metrics.js';
import { FORGET_FILE, READ_FILE, READ_FILES, WRITE_FILES } from '../sql/registry.sql.js';
import {
  insertDefinitions,
  lockRegistry,
  type NewDefinition,
  nextVersions,
  raiseRevision,
} from './definition-store.js';
import { HandlerFiles, OWN_FOLDER } from './handler-files.js';
import { RegistryService } from './registry.service.js';

const SYSTEM_FOLDER = 'folder/system';
/** Of this program, above its sources and its build alike. */
const MANIFEST = new URL('../../package.json', import.meta.url);

/**
 * Applies folders of definitions at boot. A document makes a new version only when its hash differs from the last one that a file of
 * that type applied, so that what was changed through the API survives a restart. What is wrong keeps its last good version.
 *
 * A folder that is byte for byte what this release applied last, without an error, is not even parsed: with 5,000 types that was
 * two thirds of a boot (2026-11-23, 2 cores).
 */
@Injectable()
export class DefinitionFolder {
  /** Errors of the last boot, for /readyz and for people. */
  readonly problems: string[] = [];

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly registry: RegistryService,
    private readonly handlerFiles: HandlerFiles,
    private readonly metrics: StoreMetrics,
    private readonly log: StoreLog,
  ) {}

  /** @throws Error when a system definition is wrong: that is our own bug, and nothing works without them */
  async apply(folder: string, { system }: { system: boolean }): Promise<void> {
    const name = system ? SYSTEM_FOLDER : OWN_FOLDER;
    const files = await readFolder(folder);
    const hash = await folderHash(files);
    this.metrics.definitionErrors.set(this.problems.length);
    if ((await oneRow<{ hash: string }>(this.dataSource, READ_FILE, [name]))?.hash === hash) return;
    const { findings, handlers } = await this.dataSource.transaction(async (on) => {
      await rows(on, FORGET_FILE, [name]);
      return this.applyFiles(on, files, system);
    });
    const errors = findings.filter(({ severity }) => severity === 'error');
    for (const { where, message } of errors) {
      this.problems.push(message);
      this.log.error({ where, finding: message }, 'a definition was not applied');
    }
    this.metrics.definitionErrors.set(this.problems.length);
    if (system && errors.length > 0)
      throw new Error(`the system definitions are wrong: ${errors.map(({ message }) => message).join('; ')}`);
    const registered = await this.handlerFiles.register(handlers);
    if (registered && errors.length === 0) await rows(this.dataSource, WRITE_FILES, [[name], [hash]]);
  }

  private async applyFiles(on: EntityManager, files: DefinitionFile[], system: boolean) {
    const revision = (await lockRegistry(on)) + 1;
    const stored = await this.registry.presentTypes(on);
    const existing = new Map(stored.all().map((type) => [type.name, type]));
    const loaded = loadDefinitions(files, { system, existing: [...existing.values()] });
    const applied = new Map(
      (await rows<{ name: string; hash: string }>(on, READ_FILES)).map(({ name, hash }) => [name, hash]),
    );
    const changed = loaded.types.filter(({ type, hash }) => applied.get(`type/${type.name}`) !== hash);
    const findings: LocatedFinding[] = loaded.findings.filter(({ where }) => where !== TOGETHER);
    const good = settled(changed, existing, findings);
    const replaced = good.filter(({ type, hash }) => stored.row(type.name)?.hash !== hash);
    const refused = await this.replace(on, replaced, existing, findings);
    const written = replaced.filter((one) => !refused.has(one));
    const versionOf = await nextVersions(
      on,
      written.map(({ type }) => type.name),
    );
    const declared = written.map((one) => newDefinition(one, versionOf(one.type.name)));
    await insertDefinitions(on, declared, { system, revision });
    const done = good.filter((one) => !refused.has(one));
    await rows(on, WRITE_FILES, [done.map(({ type }) => `type/${type.name}`), done.map(({ hash }) => hash)]);
    if (written.length > 0) await raiseRevision(on);
    return { findings, handlers: loaded.handlers };
  }

  /** @returns those that resources stand against; each is a finding */
  private async replace(
    on: EntityManager,
    types: LoadedType[],
    existing: ReadonlyMap<string, TypeDefinition>,
    findings: LocatedFinding[],
  ): Promise<Set<LoadedType>> {
    const refused = new Set<LoadedType>();
    for (const one of types) {
      try {
        await this.registry.replace(on, existing.get(one.type.name), one.type);
      } catch (error) {
        if (!(error instanceof DroverError)) throw error;
        findings.push({ finding: 'invalid-document', message: error.message, where: one.where, severity: 'error' });
        refused.add(one);
      }
    }
    return refused;
  }
}

function newDefinition({ type, document, hash, warnings }: LoadedType, version: number): NewDefinition {
  return { name: type.name, version, document: document as unknown as JsonObject, hash, warnings };
}

/** Where loadDefinitions says an error is that concerns several documents. */
const TOGETHER = 'all definitions';

/**
 * The types that can be applied together with those that are there: what clashes with another type or refers to nothing is left out,
 * again and again until nothing does.
 */
function settled(
  types: LoadedType[],
  existing: ReadonlyMap<string, TypeDefinition>,
  findings: LocatedFinding[],
): LoadedType[] {
  for (let good = types; ;) {
    const names = new Set(good.map(({ type }) => type.name));
    const others = [...existing.values()].filter(({ name }) => !names.has(name));
    const found = checkRegistry([...others, ...good.map(({ type }) => type)]);
    const bad = new Set(found.flatMap(({ type }) => (type !== undefined && names.has(type) ? [type] : [])));
    if (bad.size === 0) return good;
    for (const finding of found)
      if (finding.type !== undefined && bad.has(finding.type)) {
        const { where } = good.find(({ type }) => type.name === finding.type)!;
        findings.push({ ...finding, where, severity: 'error' });
      }
    good = good.filter(({ type }) => !bad.has(type.name));
  }
}

/** Every YAML and JSON file below a folder, by name. */
async function readFolder(folder: string): Promise<DefinitionFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && /\.(ya?ml|json)$/i.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return Promise.all(paths.map(async (name) => ({ name, text: await readFile(name, 'utf8') })));
}

/** Of names and texts, and of the release: another one may judge the same text otherwise. */
async function folderHash(files: DefinitionFile[]): Promise<string> {
  const { version } = JSON.parse(await readFile(MANIFEST, 'utf8')) as { version: string };
  const texts = files.map(({ name, text }) => [name, text]);
  return createHash('sha256')
    .update(JSON.stringify([version, texts]))
    .digest('hex');
}
