#!/usr/bin/env node
/**
 * Turns the table of Cattle's process definitions (tab-separated: name, resourceType, start, transitioning, done, delegate,
 * stateField, source) into one definition file per resource type.
 *
 *   node tools/convert-cattle.mjs <table.tsv> <folder> [--force]
 *
 * A file that is there already is left alone unless --force is given: some types have fields that the table knows nothing of.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DEFAULT_VERBS = ['create', 'activate', 'deactivate', 'remove', 'purge', 'update'];
const LINE = 120;
const initialOf = { allocationState: 'inactive', healthState: 'initializing' };

/** Rows of the table by resource type, in its order. */
export function readTable(text) {
  const types = new Map();
  for (const line of text.split('\n').slice(1)) {
    if (line.trim() === '') continue;
    const [name, type, start, transitioning, done, delegate, stateField, source] = line.split('\t');
    const row = {
      verb: name.split('.')[1],
      start: unique(start),
      transitioning: states(transitioning),
      done: states(done),
    };
    if (delegate) row.delegate = delegate.split('.')[1];
    if (stateField && stateField !== 'state') row.stateField = stateField;
    types.set(type, [...(types.get(type) ?? []), { ...row, generated: source === 'defaultProcesses' }]);
  }
  return types;
}

/** The text of one type's definition file. */
export function definitionOf(type, rows) {
  const lines = ['apiVersion: drover/v1', 'kind: ResourceType', `name: ${type}`];
  const regions = [...new Set(rows.map((row) => row.stateField).filter(Boolean))];
  if (regions.length > 0)
    lines.push(
      `stateFields: { ${regions.map((field) => `${field}: { initial: ${initialOf[field] ?? 'inactive'} }`).join(', ')} }`,
    );
  const defaults = defaultsLine(rows);
  if (defaults !== null) lines.push(defaults);
  const written = rows.filter((row) => !row.generated);
  if (written.length > 0) lines.push('processes:', ...written.flatMap(processLines));
  return `${lines.join('\n')}\n`;
}

function defaultsLine(rows) {
  if (!rows.some((row) => row.generated)) return 'defaultProcesses: false';
  const missing = DEFAULT_VERBS.filter((verb) => !rows.some((row) => row.verb === verb));
  return missing.length === 0 ? null : `defaultProcesses: { exclude: [${missing.join(', ')}] }`;
}

function processLines({ verb, start, transitioning, done, delegate, stateField }) {
  const parts = [`start: [${start.join(', ')}]`, `transitioning: ${flow(transitioning)}`, `done: ${flow(done)}`];
  if (delegate) parts.push(`delegate: ${delegate}`);
  if (stateField) parts.push(`stateField: ${stateField}`);
  const line = `  ${verb}: { ${parts.join(', ')} }`;
  return line.length <= LINE ? [line] : [`  ${verb}:`, ...parts.flatMap(partLines)];
}

/** A part too long for a line goes on the next ones, entry by entry. */
function partLines(part) {
  if (part.length + 4 <= LINE) return [`    ${part}`];
  const [, key, open, inner] = /^(\w+): ([[{]) ?(.*?) ?[\]}]$/.exec(part);
  const lines = [''];
  for (const entry of inner.split(', ')) {
    if (lines.at(-1).length + entry.length > LINE - 10) lines.push('');
    lines.push(`${lines.pop()}${entry}, `);
  }
  return [`    ${key}: ${open}`, ...lines.map((line) => `      ${line.trimEnd()}`), `    ${open === '[' ? ']' : '}'}`];
}

function flow(value) {
  if (typeof value === 'string') return value;
  return `{ ${Object.entries(value)
    .map(([from, to]) => `${from}: ${to}`)
    .join(', ')} }`;
}

function unique(text) {
  return [...new Set(text.split(','))];
}

function states(text) {
  return text.includes('=') ? Object.fromEntries(text.split(',').map((pair) => pair.split('='))) : text;
}

function main([table, folder, force]) {
  if (folder === undefined) {
    console.error('usage: node tools/convert-cattle.mjs <table.tsv> <folder> [--force]');
    return 2;
  }
  mkdirSync(folder, { recursive: true });
  let written = 0;
  const types = readTable(readFileSync(table, 'utf8'));
  for (const [type, rows] of types) {
    const file = join(folder, `${type}.yaml`);
    if (existsSync(file) && force !== '--force') continue;
    writeFileSync(file, definitionOf(type, rows));
    written++;
  }
  console.log(`${written} of ${types.size} types written to ${folder}`);
  return 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv.slice(2));
