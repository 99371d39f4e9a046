import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DroverError, type JsonObject } from '@drover/kernel';
import { rows } from '@drover/database';
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
import { READ_FILES, WRITE_FILE } from '../sql/registry.sql.js';
import {
  compiled,
  lockRegistry,
  presentDefinitions,
  raiseRevision,
  type StoredDefinition,
} from './definition-store.js';
import { HandlerFiles } from './handler-files.js';
import { nextVersion, RegistryService } from './registry.service.js';

/**
 * Applies folders of definitions at boot. A document makes a new version only when its hash differs from the last one that a file of
 * that type applied, so that what was changed through the API survives a restart. What is wrong keeps its last good version.
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
  async apply(folder: string, options: { system: boolean }): Promise<void> {
    const files = await readFolder(folder);
    const { findings, handlers } = await this.dataSource.transaction((on) => this.applyFiles(on, files, options));
    const errors = findings.filter(({ severity }) => severity === 'error');
    for (const { where, message } of errors) {
      this.problems.push(message);
      this.log.error({ where, finding: message }, 'a definition was not applied');
    }
    this.metrics.definitionErrors.set(this.problems.length);
    if (options.system && errors.length > 0)
      throw new Error(`the system definitions are wrong: ${errors.map(({ message }) => message).join('; ')}`);
    await this.handlerFiles.register(handlers);
  }

  private async applyFiles(on: EntityManager, files: DefinitionFile[], { system }: { system: boolean }) {
    const revision = (await lockRegistry(on)) + 1;
    const stored = new Map((await presentDefinitions(on)).map((row) => [row.name, row]));
    const existing = new Map([...stored].map(([name, row]) => [name, compiled(row)]));
    const loaded = loadDefinitions(files, { system, existing: [...existing.values()] });
    const applied = new Map(
      (await rows<{ name: string; hash: string }>(on, READ_FILES)).map(({ name, hash }) => [name, hash]),
    );
    const changed = loaded.types.filter(({ type, hash }) => applied.get(`type/${type.name}`) !== hash);
    const findings: LocatedFinding[] = loaded.findings.filter(({ where }) => where !== TOGETHER);
    let written = 0;
    for (const one of settled(changed, existing, findings)) {
      if (await this.applyOne(on, one, stored.get(one.type.name), existing, revision, findings)) written++;
    }
    if (written > 0) await raiseRevision(on);
    return { findings, handlers: loaded.handlers };
  }

  private async applyOne(
    on: EntityManager,
    { type, document, hash, warnings, where }: LoadedType,
    before: StoredDefinition | undefined,
    existing: Map<string, TypeDefinition>,
    revision: number,
    findings: LocatedFinding[],
  ): Promise<boolean> {
    let isNew = false;
    if (before?.hash !== hash) {
      const versioned = { ...type, version: await nextVersion(on, type.name) };
      const row = { document: document as unknown as JsonObject, hash, warnings };
      try {
        await this.registry.write(on, { type: versioned, before: existing.get(type.name) ?? null, row, revision });
      } catch (error) {
        if (!(error instanceof DroverError)) throw error;
        findings.push({ finding: 'invalid-document', message: error.message, where, severity: 'error' });
        return false;
      }
      isNew = true;
    }
    await rows(on, WRITE_FILE, [`type/${type.name}`, hash]);
    return isNew;
  }
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
