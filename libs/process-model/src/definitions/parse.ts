import { DroverError, MAX_BODY_BYTES, parseJson, type Json } from '@drover/kernel';
import type { Document } from './document.js';
import { shapeProblems, type Problem } from './validate.js';
import { readYaml, refuseDuplicateKeys } from './yaml.js';

/** Documents in one JSON array. */
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

function yamlValues(text: string, file: string): Json[] {
  try {
    return readYaml(text);
  } catch (error) {
    return fail(file, [{ path: '', message: messageOf(error) }]);
  }
}

function messageOf(error: unknown): string {
  return error instanceof DroverError ? error.message : 'cannot be read';
}
