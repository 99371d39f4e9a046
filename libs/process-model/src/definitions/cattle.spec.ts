import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { DefinitionFile, LocatedFinding } from './load.js';
import { loadDefinitions, registryOf } from './load.js';
import { DEFINITION_SCHEMA } from './schema.js';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

function filesBelow(folder: string): DefinitionFile[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.yaml'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => ({ name: path.slice(ROOT.length), text: readFileSync(path, 'utf8') }));
}

const system = loadDefinitions(filesBelow('apps/resource-store/definitions'), { system: true });
const systemTypes = system.types.map(({ type }) => type);
const examples = loadDefinitions(filesBelow('examples/definitions'), { system: false, existing: systemTypes });
const registry = registryOf(examples, systemTypes);
const findings = [...system.findings, ...examples.findings];

/** The facts, read from Cattle's source: name, type, start, transitioning, done, delegate, state field, source. */
const rows = readFileSync(new URL('fixtures/cattle-processes.tsv', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => line.split('\t') as [string, string, string, string, string, string, string, string]);

function mapOf(text: string, froms: string[]): Record<string, string> {
  if (!text.includes('=')) return Object.fromEntries(froms.map((from) => [from, text]));
  return Object.fromEntries(text.split(',').map((pair) => pair.split('=') as [string, string]));
}

describe("Cattle's definitions", () => {
  it('all 61 types load without an error', () => {
    expect(findings.filter((finding) => finding.severity === 'error')).toEqual([]);
    expect(registry.all()).toHaveLength(61);
    expect(
      registry
        .all()
        .filter((type) => type.system)
        .map((type) => type.name),
    ).toEqual(['account', 'credential', 'externalHandler']);
  });

  it('the files hold exactly the 306 processes of the table', () => {
    const names = registry.all().flatMap((type) => Object.values(type.processes).map((process) => process.name));
    expect(names.sort()).toEqual(rows.map(([name]) => name).sort());
    expect(rows).toHaveLength(306);
  });

  it.each(rows)(
    '%s of %s has the edges of the table',
    (name, type, start, transitioning, done, delegate, stateField) => {
      const process = registry.process(name)!;
      const starts = [...new Set(start.split(','))];
      const map = mapOf(transitioning, starts);
      expect(process.resourceType).toBe(type);
      expect(new Set(process.startStates)).toEqual(new Set(starts));
      expect(process.transitioning).toEqual(map);
      expect(process.done).toEqual(mapOf(done, Object.values(map)));
      expect(process.delegate?.process ?? '').toBe(delegate);
      expect(process.stateField).toBe(stateField);
    },
  );

  it('ids of an instance look like 1i5, and a new account, key or handler goes on by itself', () => {
    expect(registry.byName('instance')!.idPrefix).toBe('i');
    for (const type of systemTypes)
      expect(type.processes['create']!.delegate).toEqual({
        process: `${type.name.toLowerCase()}.activate`,
        always: true,
      });
  });
});

describe('tools/convert-cattle.mjs', () => {
  it('makes the files of examples/definitions/cattle from the table', async () => {
    const tool = (await import(/* @vite-ignore */ join(ROOT, 'tools/convert-cattle.mjs'))) as {
      readTable: (text: string) => Map<string, unknown[]>;
      definitionOf: (type: string, rows: unknown[]) => string;
    };
    const table = tool.readTable(readFileSync(new URL('fixtures/cattle-processes.tsv', import.meta.url), 'utf8'));
    const files = filesBelow('examples/definitions/cattle');
    expect(files).toHaveLength(51);
    for (const { name, text } of files) {
      const type = name.split('/').at(-1)!.replace('.yaml', '');
      expect(text).toBe(tool.definitionOf(type, table.get(type)!));
    }
  });
});

describe('docs/cattle-findings.md', () => {
  const path = join(ROOT, 'docs/cattle-findings.md');

  it('lists every finding on the shipped definitions, word for word (UPDATE_GOLDEN=1 rewrites the list)', () => {
    const page = readFileSync(path, 'utf8');
    const [head, list, tail] = page.split(/<!-- (?:begin|end) findings -->\n/) as [string, string, string];
    const now = findingList(findings);
    if (process.env['UPDATE_GOLDEN'] === '1')
      writeFileSync(path, `${head}<!-- begin findings -->\n${now}<!-- end findings -->\n${tail}`);
    else expect(list).toBe(now);
  });

  it('explains each of them', () => {
    const page = readFileSync(path, 'utf8');
    for (const finding of findings) expect(page).toContain(`### ${finding.process} ${finding.state}`);
  });
});

function findingList(all: LocatedFinding[]): string {
  const lines = all.map((finding) => {
    const why = finding.accepted === undefined ? '' : ` Accepted: ${finding.accepted}`;
    const severity = finding.accepted === undefined ? finding.severity : 'accepted error';
    return `- **${severity}** \`${finding.finding}\` ${finding.message}.${why}\n`;
  });
  return `\n${lines.join('')}\n`;
}

describe('the published JSON Schema', () => {
  it('is the one that the library uses (UPDATE_GOLDEN=1 rewrites it)', () => {
    const path = join(ROOT, 'docs/reference/definition.schema.json');
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, `${JSON.stringify(DEFINITION_SCHEMA, null, 2)}\n`);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(JSON.parse(JSON.stringify(DEFINITION_SCHEMA)));
  });
});
