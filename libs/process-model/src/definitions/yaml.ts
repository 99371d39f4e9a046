import { DroverError, MAX_JSON_DEPTH, refuseUnstorable, type Json } from '@drover/kernel';
import {
  Composer,
  type CST,
  type Document,
  isScalar,
  Lexer,
  parseAllDocuments,
  Parser,
  visit,
  type YAMLError,
} from 'yaml';

/** Aliases that one YAML document may expand in all: enough to share a block, too few for a bomb. */
const MAX_ALIASES = 50;
/** Documents in one text. */
const MAX_DOCUMENTS = 1_000;
/** The parser keeps up to three tokens open for one level. */
const MAX_OPEN_TOKENS = 4 * MAX_JSON_DEPTH;

/**
 * The values of a YAML 1.2 text, empty documents skipped. Time and stack stay linear in the text: depth and number are bounded
 * while it is being read, and keys are compared by a set (the library's own check is quadratic: 17 s for 256 KiB, 2 cores, 2026-11).
 * @throws DroverError InvalidDefinition, TooDeep or InvalidBodyContent; the text says what is wrong
 */
export function readYaml(text: string): Json[] {
  try {
    return documentsOf(text, boundedTokens(text))
      .map(valueOf)
      .filter((value) => value !== null);
  } catch (error) {
    if (error instanceof ReferenceError) throw new DroverError('InvalidDefinition', 'has too many YAML aliases');
    if (error instanceof RangeError) throw tooDeep();
    throw error;
  }
}

const OPTIONS = { version: '1.2', schema: 'core', uniqueKeys: false, logLevel: 'silent' } as const;

/** Composed from the tokens, which cost the most; read once more only where something is wrong, for the line and column in the message. */
function documentsOf(text: string, tokens: CST.Token[]): Document[] {
  const documents = [...new Composer(OPTIONS).compose(tokens)];
  const isSound = documents.every(({ errors, warnings }) => errors.length === 0 && warnings.length === 0);
  return isSound ? documents : parseAllDocuments(text, OPTIONS);
}

/** JSON is YAML: this finds the keys that `JSON.parse` silently drops. The depth must already be bounded. */
export function refuseDuplicateKeys(jsonText: string): void {
  for (const document of parseAllDocuments(jsonText, { uniqueKeys: false, logLevel: 'silent' }))
    refuseDuplicates(document);
}

function valueOf(document: Document): Json {
  const error = document.errors[0] ?? document.warnings[0];
  if (error !== undefined) throw new DroverError('InvalidDefinition', firstLine(error));
  refuseDuplicates(document);
  const value = document.toJS({ maxAliasCount: MAX_ALIASES }) as Json;
  refuseDeepValue(value);
  refuseUnstorable(value);
  return value;
}

function firstLine(error: YAMLError): string {
  return error.message.split('\n')[0]!.replace(/:$/, '');
}

function tooDeep(): DroverError {
  return new DroverError('TooDeep', `is nested deeper than ${MAX_JSON_DEPTH} levels`);
}

function refuseDuplicates(document: Document): void {
  visit(document, {
    Map: (_, map) => {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        if (!isScalar(key)) throw new DroverError('InvalidDefinition', 'the key of a map must be plain text');
        const name = String(key.value);
        if (seen.has(name))
          throw new DroverError('InvalidDefinition', `the key "${name}" stands twice in one map; keys are unique`);
        seen.add(name);
      }
    },
  });
}

/** Reads lexeme by lexeme and stops at the first bound; then measures each syntax tree, since composing it would recurse. */
function boundedTokens(text: string): CST.Token[] {
  const parser = new Parser();
  const tokens: CST.Token[] = [];
  let documents = 0;
  const take = (token: CST.Token): void => {
    tokens.push(token);
    if (token.type !== 'document') return;
    if (++documents > MAX_DOCUMENTS)
      throw new DroverError('InvalidDefinition', `holds over ${MAX_DOCUMENTS} documents`);
    if (token.value !== undefined) refuseDeepTree(token.value);
  };
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) take(token);
    if (parser.stack.length > MAX_OPEN_TOKENS) throw tooDeep();
  }
  for (const token of parser.end()) take(token);
  return tokens;
}

function refuseDeepTree(root: CST.Token): void {
  const stack: { token: CST.Token; depth: number }[] = [{ token: root, depth: 1 }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (next.depth > MAX_JSON_DEPTH + 1) throw tooDeep();
    if (!('items' in next.token)) continue;
    for (const item of next.token.items) {
      if (item.key) stack.push({ token: item.key, depth: next.depth + 1 });
      if (item.value) stack.push({ token: item.value, depth: next.depth + 1 });
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
    if (depth >= MAX_JSON_DEPTH) throw tooDeep();
    for (const child of Object.values(value)) stack.push({ value: child, depth: depth + 1 });
  }
}
