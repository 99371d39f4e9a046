import { DroverError } from '@drover/kernel';
import { describe, expect, it } from 'vitest';
import { parseDocuments, type ParseOptions } from './parse.js';

const HEAD = 'apiVersion: drover/v1\nkind: ResourceType\n';

function problemsOf(
  text: string,
  options: ParseOptions = { format: 'yaml', file: 'a.yaml' },
): { path: string; message: string }[] {
  try {
    parseDocuments(text, options);
  } catch (error) {
    expect(error).toBeInstanceOf(DroverError);
    expect((error as DroverError).code).toBe('InvalidDefinition');
    return (error as DroverError).extra.detail as { path: string; message: string }[];
  }
  throw new Error('was accepted');
}

describe('parseDocuments', () => {
  it('reads several YAML documents of one text, skipping empty ones', () => {
    const documents = parseDocuments(`---\n${HEAD}name: disk\n---\n---\n${HEAD}name: net\n`, { format: 'yaml' });
    expect(documents.map((document) => 'name' in document && document.name)).toEqual(['disk', 'net']);
  });

  it('reads one JSON document or an array of them', () => {
    const document = { apiVersion: 'drover/v1', kind: 'ResourceType', name: 'disk' };
    expect(parseDocuments(JSON.stringify(document), { format: 'json' })).toEqual([document]);
    expect(parseDocuments(JSON.stringify([document, document]), { format: 'json' })).toHaveLength(2);
  });

  it('an unknown key says which keys are allowed, and where it stands', () => {
    const [problem] = problemsOf(
      `${HEAD}name: a\n---\n${HEAD}name: disk\nprocesses: { go: { start: [a], transitioning: b, done: c, tries: 3 } }`,
    );
    expect(problem!.path).toBe('/processes/go');
    expect(problem!.message).toMatch(
      /a\.yaml, document 2: unknown key "tries"; allowed here: start, transitioning, done, /,
    );
  });

  it.each([
    [
      '{ start: [stopped], transitioning: starting }',
      'the process go: "done" is missing; name the state that it ends in, after "starting"',
    ],
    [
      '{ start: [a, b], transitioning: { a: going, b: rising } }',
      'the process go: "done" is missing; name the state that it ends in, after "going" or "rising"',
    ],
    [
      '{ start: [a, b], done: c }',
      'the process go: "transitioning" is missing; name the state in which it works, once started from "a" or "b"',
    ],
    [
      '{ transitioning: going, done: gone }',
      'the process go: "start" is missing; list the states that it may start from',
    ],
  ])('a process %s says what to write where', (process, message) => {
    expect(problemsOf(`${HEAD}name: disk\nprocesses: { go: ${process} }`)[0]!.message).toContain(message);
  });

  it('a process that lacks two keys hears of both', () => {
    const messages = problemsOf(`${HEAD}name: disk\nprocesses: { go: { start: [a] } }`).map(({ message }) => message);
    expect(messages).toEqual([
      expect.stringContaining('"transitioning" is missing; name the state in which it works, once started from "a"'),
      expect.stringContaining('"done" is missing; name the state that it ends in, after its transitioning state'),
    ]);
  });

  it('all problems of all documents are listed at once', () => {
    const problems = problemsOf(`${HEAD}name: Disk\n---\n${HEAD}nam: disk\n`);
    expect(problems.map((problem) => problem.message)).toEqual([
      expect.stringContaining('"Disk" does not match'),
      expect.stringContaining('"name" is missing'),
      expect.stringContaining('unknown key "nam"'),
    ]);
  });

  it.each([
    ['a kind that is none', 'apiVersion: drover/v1\nkind: Thing\nname: a', /kind must be/],
    ['a list', '- 1', /must be a map/],
    ['a duplicate key', `${HEAD}name: a\nname: b`, /unique/i],
    ['broken YAML', 'a: [1, 2', /a\.yaml: /],
    ['a tag that runs code', `${HEAD}name: !!js/function "x"`, /unresolved tag/i],
    ['an infinite number', `${HEAD}name: .inf`, /Infinity/],
    ['U+0000', `${HEAD}name: "a\\0b"`, /U\+0000/],
    ['a key __proto__', `${HEAD}name: a\nfields: { __proto__: { type: int } }`, /__proto__/],
    ['a key constructor', `${HEAD}name: a\nprocesses: { constructor: 1 }`, /constructor/],
    ['a text over the limit', `# ${'x'.repeat(256 * 1024)}`, /256 KiB/],
    ['10,000 levels of flow', `a: ${'['.repeat(10_000)}${']'.repeat(10_000)}`, /deeper than 32/],
    ['10,000 levels on one line', `a:\n  ${'- '.repeat(10_000)}x`, /deeper than 32/],
    ['40 levels of maps', Array.from({ length: 40 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'), /deeper than 32/],
    ['a quarter megabyte of brackets', '['.repeat(250_000), /deeper than 32/],
    ['thousands of documents', '---\n'.repeat(60_000), /over 1000 documents/],
    ['a map for a key', `${HEAD}name: a\nfields: { ? { a: 1 } : 2 }`, /must be plain text/],
    ['an alias bomb', aliasBomb(), /too many YAML aliases|deeper/],
    ['depth made of aliases', aliasDepth(), /deeper than 32|too many YAML aliases/],
  ])('%s is refused', (_, text, message) => {
    expect(problemsOf(text)[0]!.message).toMatch(message);
  });

  it.each([
    ['a duplicate key', '{"apiVersion":"drover/v1","kind":"ResourceType","name":"a","name":"b"}', /unique/i],
    ['10,000 levels', '['.repeat(10_000) + ']'.repeat(10_000), /deeper than 32/],
    ['what is not JSON', 'name: a', /not valid JSON/],
    ['__proto__', '{"__proto__":1}', /__proto__/],
  ])('JSON: %s is refused', (_, text, message) => {
    expect(problemsOf(text, { format: 'json', file: 'a.json' })[0]!.message).toMatch(message);
  });
});

// Quadratic, this takes minutes; the limit is for that, not for a busy machine.
it('25,000 keys in one map take a moment, not minutes', { timeout: 90_000 }, () => {
  const text = Array.from({ length: 25_000 }, (_, i) => `k${i}: 1`).join('\n');
  expect(problemsOf(text)[0]!.message).toMatch(/kind must be/);
});

function aliasBomb(): string {
  const levels = ['a: &a [x, x, x, x, x, x, x, x, x]'];
  for (let i = 1; i < 12; i++) {
    const [from, to] = [String.fromCharCode(96 + i), String.fromCharCode(97 + i)];
    levels.push(`${to}: &${to} [${Array(9).fill(`*${from}`).join(', ')}]`);
  }
  return levels.join('\n');
}

function aliasDepth(): string {
  const nest = (inner: string): string => `${'['.repeat(20)}${inner}${']'.repeat(20)}`;
  return `a: &a ${nest('x')}\nb: &b ${nest('*a')}\nc: ${nest('*b')}`;
}
