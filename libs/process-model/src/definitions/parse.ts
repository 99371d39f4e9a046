import { DroverError, MAX_BODY_BYTES, MAX_JSON_DEPTH, parseJson, refuseUnstorable, type Json } from '@drover/kernel';
import { type CST, parseAllDocuments, Parser, type YAMLError } from 'yaml';
import type { Document } from './document.js';
import { shapeProblems, type Problem } from './validate.js';

/** Aliases that one YAML document may expand in all: enough to share a block, too few for a bomb. */
const MAX_ALIASES = 50;
/** Documents in one text. */
const MAX_DOCUMENTS = 1_000;

export interface ParseOptions {
  format: 'yaml' | 'json';
  /** named in messages */
  file?: string;
}

/** A document and where it stands, for messages. */
export interface LocatedDocument {
  document: Document;
  where: string;
}

/**
 * The definition documents of a text: YAML (several, separated by `---`) or JSON (one, or an array of them). Bounded in bytes,
 * depth, aliases and number, before anything recurses. Shape only: names and states are checked by `compileType` and `checkType`.
 * @throws DroverError InvalidDefinition, whose `extra.detail` is a list of `{path, message}` over all documents of the text
 */
export function parseDocuments(text: string, options: ParseOptions): Document[] {
  return parseLocated(text, options).map((located) => located.document);
}

/** As `parseDocuments`, with the place of each document. */
export function parseLocated(text: string, options: ParseOptions): LocatedDocument[] {
  const file = options.file ?? 'the text';
  if (Buffer.byteLength(text) > MAX_BODY_BYTES)
    fail(file, [{ path: '', message: `is over ${MAX_BODY_BYTES / 1024} KiB` }]);
  const values = options.format === 'json' ? jsonValues(text, file) : yamlValues(text, file);
  if (values.length > MAX_DOCUMENTS) fail(file, [{ path: '', message: `holds over ${MAX_DOCUMENTS} documents` }]);
  const problems: Problem[] = [];
  const wheres = values.map((_, i) => `${file}, document ${i + 1}`);
  values.forEach((value, i) => {
    for (const { path, message } of shapeProblems(value)) problems.push({ path, message: `${wheres[i]}: ${message}` });
  });
  if (problems.length > 0) throw invalid(problems);
  return values.map((value, i) => ({ document: value as unknown as Document, where: wheres[i]! }));
}

/** One message for people, every problem in `detail`. */
export function invalid(problems: Problem[]): DroverError {
  const text = problems.map((problem) =>
    problem.path === '' ? problem.message : `${problem.message} (at ${problem.path})`,
  );
  const more = text.length > 5 ? `; and ${text.length - 5} more` : '';
  return new DroverError('InvalidDefinition', text.slice(0, 5).join('; ') + more, { detail: problems });
}

function fail(file: string, problems: Problem[]): never {
  throw invalid(problems.map(({ path, message }) => ({ path, message: `${file}: ${message}` })));
}

function jsonValues(text: string, file: string): Json[] {
  try {
    const value = parseJson(text);
    refuseDuplicateKeys(text);
    return Array.isArray(value) ? value : [value];
  } catch (error) {
    return fail(file, [{ path: '', message: messageOf(error) }]);
  }
}

/** JSON is YAML: the YAML reader finds the keys that `JSON.parse` silently drops. The depth is already bounded. */
function refuseDuplicateKeys(text: string): void {
  const error = parseAllDocuments(text, { uniqueKeys: true, logLevel: 'silent' })
    .flatMap((document) => document.errors)
    .find((found) => found.code === 'DUPLICATE_KEY');
  if (error !== undefined) throw new DroverError('InvalidDefinition', firstLine(error));
}

function yamlValues(text: string, file: string): Json[] {
  try {
    refuseDeepYaml(text);
    const documents = parseAllDocuments(text, { version: '1.2', schema: 'core', uniqueKeys: true, logLevel: 'silent' });
    const values: Json[] = [];
    for (const document of documents) {
      const error = document.errors[0] ?? document.warnings[0];
      if (error !== undefined) throw new DroverError('InvalidDefinition', firstLine(error));
      const value = document.toJS({ maxAliasCount: MAX_ALIASES }) as Json;
      if (value === null) continue; // nothing between two separators
      refuseDeepValue(value);
      refuseUnstorable(value);
      values.push(value);
    }
    return values;
  } catch (error) {
    return fail(file, [{ path: '', message: messageOf(error) }]);
  }
}

function messageOf(error: unknown): string {
  if (error instanceof DroverError) return error.message;
  if (error instanceof ReferenceError) return 'has too many YAML aliases';
  if (error instanceof RangeError) return tooDeep;
  return 'cannot be read';
}

function firstLine(error: YAMLError): string {
  return error.message.split('\n')[0]!.replace(/:$/, '');
}

const tooDeep = `is nested deeper than ${MAX_JSON_DEPTH} levels`;

/** Measures the concrete syntax tree with a stack of its own: composing a deep document would recurse. */
function refuseDeepYaml(text: string): void {
  for (const token of new Parser().parse(text)) {
    if (token.type !== 'document' || token.value === undefined) continue;
    const stack: { token: CST.Token; depth: number }[] = [{ token: token.value, depth: 1 }];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (next.depth > MAX_JSON_DEPTH + 1) throw new DroverError('InvalidDefinition', tooDeep);
      if (!('items' in next.token)) continue;
      for (const item of next.token.items) {
        if (item.key) stack.push({ token: item.key, depth: next.depth + 1 });
        if (item.value) stack.push({ token: item.value, depth: next.depth + 1 });
      }
    }
  }
}

/** Aliases add depth that the text does not show; numbers such as `.inf` are no JSON. */
function refuseDeepValue(root: Json): void {
  const stack: { value: Json; depth: number }[] = [{ value: root, depth: 0 }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { value, depth } = next;
    if (typeof value === 'number' && !Number.isFinite(value))
      throw new DroverError('InvalidDefinition', `the number ${value} is not allowed`);
    if (value === null || typeof value !== 'object') continue;
    if (depth >= MAX_JSON_DEPTH) throw new DroverError('InvalidDefinition', tooDeep);
    for (const child of Object.values(value)) stack.push({ value: child, depth: depth + 1 });
  }
}
