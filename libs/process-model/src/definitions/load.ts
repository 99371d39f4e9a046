import { DroverError } from '@drover/kernel';
import { parseProcessNames } from '../handlers/bindings.js';
import { checkRegistry, checkType, registryWarnings } from './check.js';
import { compileType } from './compile.js';
import type { HandlerRegistration, ResourceTypeDocument } from './document.js';
import type { CheckResult, Finding } from './findings.js';
import { documentHash } from './hash.js';
import { parseLocated, type LocatedDocument } from './parse.js';
import { TypeRegistry } from './registry.js';
import type { TypeDefinition } from './types.js';

/** One file of a definitions folder; a name that ends in `.json` is JSON, anything else YAML. */
export interface DefinitionFile {
  name: string;
  text: string;
}

export interface LoadOptions {
  /** shipped with the product */
  system: boolean;
  /** types that are there already: they may be referred to, and their names are taken unless the folder redeclares them */
  existing?: readonly TypeDefinition[];
  /** version of a type that is compiled (default 1) */
  versionOf?: (name: string) => number;
}

export interface LoadedType {
  type: TypeDefinition;
  document: ResourceTypeDocument;
  hash: string;
  /** file and number of the document */
  where: string;
  warnings: Finding[];
}

export interface LocatedFinding extends Finding {
  where: string;
  severity: 'error' | 'warning';
}

export interface Loaded {
  /** the types without errors of their own */
  types: LoadedType[];
  handlers: HandlerRegistration[];
  /** every error and warning of the whole folder */
  findings: LocatedFinding[];
}

/**
 * Parses, compiles and checks a whole folder. Collects all errors instead of stopping at the first; files may come in any order.
 * Never throws for what a file contains: look for findings of severity `error`.
 */
export function loadDefinitions(files: readonly DefinitionFile[], options: LoadOptions): Loaded {
  const loaded: Loaded = { types: [], handlers: [], findings: [] };
  const seen = new Map<string, string>();
  const reserved = new Set((options.existing ?? []).flatMap(({ name, system }) => (system ? [name] : [])));
  for (const file of files) {
    for (const located of parseFile(file, loaded)) {
      if (located.document.kind === 'Handlers') addHandlers(loaded, located.document.handlers, located.where);
      else addType(loaded, located.document, located.where, seen, { ...options, reserved });
    }
  }
  const declared = new Set(loaded.types.map(({ type }) => type.name));
  const existing = (options.existing ?? []).filter((type) => !declared.has(type.name));
  const together = [...existing, ...loaded.types.map(({ type }) => type)];
  for (const finding of checkRegistry(together))
    loaded.findings.push({ ...finding, where: 'all definitions', severity: 'error' });
  const owners = new Map(loaded.types.map((one) => [one.type.name, one]));
  for (const warning of registryWarnings(together)) {
    const owner = warning.type === undefined ? undefined : owners.get(warning.type);
    if (owner === undefined) continue;
    owner.warnings.push(warning);
    loaded.findings.push({ ...warning, where: owner.where, severity: 'warning' });
  }
  return loaded;
}

/** The registry of what was loaded, on top of what was there. */
export function registryOf(loaded: Loaded, existing: readonly TypeDefinition[] = []): TypeRegistry {
  return loaded.types.reduce((registry, { type }) => registry.withType(type), new TypeRegistry(existing));
}

function parseFile(file: DefinitionFile, loaded: Loaded): LocatedDocument[] {
  try {
    return parseLocated(file.text, { format: file.name.endsWith('.json') ? 'json' : 'yaml', file: file.name });
  } catch (error) {
    pushError(loaded, error, file.name, '');
    return [];
  }
}

function addType(
  loaded: Loaded,
  document: ResourceTypeDocument,
  where: string,
  seen: Map<string, string>,
  options: LoadOptions & { reserved: ReadonlySet<string> },
): void {
  const first = seen.get(document.name);
  if (first !== undefined) {
    const message = `the type ${document.name} is declared twice: in ${first} and in ${where}; keep one`;
    loaded.findings.push({ finding: 'duplicate-name', message, where, severity: 'error' });
    return;
  }
  seen.set(document.name, where);
  if (!options.system && options.reserved.has(document.name)) {
    const message = `${document.name} is a system definition, shipped with the product; choose another name`;
    loaded.findings.push({ finding: 'system-definition', message, where, severity: 'error' });
    return;
  }
  try {
    const type = compileType(document, { version: options.versionOf?.(document.name) ?? 1, system: options.system });
    const { errors, warnings } = checkType(type, document.accept);
    for (const error of errors) loaded.findings.push({ ...error, where, severity: 'error' });
    for (const warning of warnings) loaded.findings.push({ ...warning, where, severity: 'warning' });
    if (errors.length === 0) loaded.types.push({ type, document, hash: documentHash(document), where, warnings });
  } catch (error) {
    pushError(loaded, error, where);
  }
  addHandlers(loaded, document.handlers ?? [], where);
}

function addHandlers(loaded: Loaded, handlers: HandlerRegistration[], where: string): void {
  for (const handler of handlers) {
    try {
      for (const name of processNamesOf(handler)) parseProcessNames(name);
      loaded.handlers.push(handler);
    } catch (error) {
      pushError(loaded, error, `${where}, handler ${handler.name}`);
    }
  }
}

function processNamesOf(handler: HandlerRegistration): string[] {
  const names = [...(handler.processConfigs ?? []).map((config) => config.name), handler.processNames ?? ''].filter(
    Boolean,
  );
  if (names.length === 0)
    throw new DroverError('InvalidDefinition', 'names no process: give processConfigs or processNames');
  return names;
}

/** @param prefix what the message still lacks of its place */
function pushError(loaded: Loaded, error: unknown, where: string, prefix = `${where}: `): void {
  if (!(error instanceof DroverError)) throw error;
  loaded.findings.push({
    finding: 'invalid-document',
    message: prefix + error.message,
    where,
    severity: 'error',
  });
}

/**
 * One document declared at run time, compiled and checked against the types that are there.
 * @throws DroverError InvalidDefinition, or SystemDefinition when the name belongs to the product; the checker's errors are in
 * `extra.detail` as findings
 */
export function declareType(
  document: ResourceTypeDocument,
  existing: readonly TypeDefinition[],
  options: { version: number; system?: boolean },
): { type: TypeDefinition; warnings: Finding[]; hash: string } {
  const system = options.system ?? false;
  if (!system && existing.some((type) => type.system && type.name === document.name))
    throw new DroverError('SystemDefinition', `${document.name} is a system definition and cannot be redeclared`);
  const type = compileType(document, { version: options.version, system });
  const { errors, warnings }: CheckResult = checkType(type, document.accept);
  const types = [...existing.filter((other) => other.name !== type.name), type];
  const own = (finding: Finding): boolean => finding.type === type.name;
  const together = checkRegistry(types).filter(own);
  const all = [...errors, ...together];
  if (all.length > 0)
    throw new DroverError('InvalidDefinition', all.map((finding) => finding.message).join('; '), { detail: all });
  return { type, warnings: [...warnings, ...registryWarnings(types).filter(own)], hash: documentHash(document) };
}
