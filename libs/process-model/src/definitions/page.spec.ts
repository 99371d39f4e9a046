import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../../../..');
const read = (name: string): string => readFileSync(join(ROOT, 'docs/reference', name), 'utf8');

/** Names of all properties that the schema declares, at any depth. */
function keysOf(schema: unknown, found = new Set<string>()): Set<string> {
  if (typeof schema !== 'object' || schema === null) return found;
  const { properties } = schema as { properties?: object };
  for (const key of Object.keys(properties ?? {})) found.add(key);
  for (const value of Object.values(schema)) keysOf(value, found);
  return found;
}

it('the page of the definition format has every key of its schema', () => {
  const page = read('definitions.md');
  const keys = [...keysOf(JSON.parse(read('definition.schema.json')))];
  expect(keys).toEqual(expect.arrayContaining(['fields', 'jitter', 'circuitBreaker', 'failures']));
  expect(keys.filter((key) => !new RegExp(`[\`{ ]${key}[\`,: ]`).test(page))).toEqual([]);
});
