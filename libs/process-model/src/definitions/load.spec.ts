import { DroverError } from '@drover/kernel';
import { describe, expect, it } from 'vitest';
import type { ResourceTypeDocument } from './document.js';
import { documentHash } from './hash.js';
import { declareType, loadDefinitions, registryOf, type LoadOptions, type Loaded } from './load.js';
import { parseDocuments } from './parse.js';
import { TypeRegistry } from './registry.js';

const head = (name: string): string => `apiVersion: drover/v1\nkind: ResourceType\nname: ${name}\n`;
const load = (files: Record<string, string>, options: Partial<LoadOptions> = {}): Loaded =>
  loadDefinitions(
    Object.entries(files).map(([name, text]) => ({ name, text })),
    { system: false, ...options },
  );
const messages = (loaded: Loaded): string[] => loaded.findings.map((finding) => finding.message);

describe('loadDefinitions', () => {
  it('files may come in any order and refer to each other', () => {
    const nic = `${head('nic')}fields: { hostId: { type: reference, to: host } }`;
    for (const files of [
      { 'a.yaml': nic, 'b.yaml': head('host') },
      { 'a.yaml': head('host'), 'b.yaml': nic },
    ]) {
      const loaded = load(files);
      expect(loaded.findings).toEqual([]);
      expect(registryOf(loaded).byName('nic')!.fields['hostId']!.to).toBe('host');
    }
  });

  it('collects the errors of all files and still loads what is sound', () => {
    const loaded = load({
      'a.yaml': 'not: [closed',
      'b.yaml': `${head('disk')}tries: 3`,
      'c.yaml': `${head('net')}processes: { up: { start: [nowhere], transitioning: going-up, done: active } }`,
      'd.json': '{"apiVersion":"drover/v1","kind":"ResourceType","name":"host"}',
    });
    expect(loaded.types.map(({ type }) => type.name)).toEqual(['host']);
    expect(messages(loaded)).toEqual([
      expect.stringMatching(/^a\.yaml: (?!a\.yaml)/),
      expect.stringMatching(/unknown key "tries"/),
      expect.stringMatching(/net\.up can never start/),
    ]);
    expect(loaded.findings[2]).toMatchObject({ where: 'c.yaml, document 1', severity: 'error' });
  });

  it('two documents of one name are an error that names both places', () => {
    const loaded = load({ 'a.yaml': head('disk'), 'b.yaml': `${head('net')}---\n${head('disk')}` });
    expect(loaded.findings).toMatchObject([{ finding: 'duplicate-name', severity: 'error' }]);
    expect(messages(loaded)[0]).toBe(
      'the type disk is declared twice: in a.yaml, document 1 and in b.yaml, document 2; keep one',
    );
  });

  it('a system definition cannot be redeclared', () => {
    const system = load({ 'a.yaml': head('account') }, { system: true });
    const existing = system.types.map(({ type }) => type);
    expect(load({ 'b.yaml': head('account') }, { existing }).findings).toMatchObject([
      { finding: 'system-definition' },
    ]);
    expect(load({ 'b.yaml': head('accounts') }, { existing }).findings).toMatchObject([{ finding: 'name-taken' }]);
  });

  it('a redeclared type is checked in place of the old one', () => {
    const existing = load({ 'a.yaml': head('disk') }).types.map(({ type }) => type);
    const loaded = load({ 'a.yaml': `${head('disk')}plural: discs` }, { existing, versionOf: () => 2 });
    expect(loaded.findings).toEqual([]);
    expect(registryOf(loaded, existing).all()).toMatchObject([{ plural: 'discs', version: 2 }]);
  });

  it('handlers come from both kinds of document; a bad process name is an error', () => {
    const handlers =
      'handlers:\n  - { name: demo, processConfigs: [{ name: "disk.create,pre.disk.remove", onError: disk.remove }] }\n';
    const lone = 'apiVersion: drover/v1\nkind: Handlers\n';
    const loaded = load({
      'a.yaml': head('disk') + handlers,
      'b.yaml': `${lone}handlers: [{ name: all, processNames: "*.create" }]`,
      'c.yaml': `${lone}handlers: [{ name: bad, processNames: "a b" }]`,
      'd.yaml': `${lone}handlers: [{ name: idle }]`,
    });
    expect(loaded.handlers.map((handler) => handler.name)).toEqual(['demo', 'all']);
    expect(messages(loaded)).toEqual([
      expect.stringMatching(/handler bad/),
      expect.stringMatching(/handler idle: names no process/),
    ]);
  });

  it('warnings do not keep a type from loading', () => {
    const loaded = load({ 'a.yaml': `${head('disk')}final: [lost]` });
    expect(loaded.types[0]!.warnings).toMatchObject([{ finding: 'unknown-final' }]);
    expect(loaded.findings).toMatchObject([{ severity: 'warning' }]);
  });
});

describe('declareType', () => {
  const document = (text: string): ResourceTypeDocument =>
    parseDocuments(text, { format: 'yaml' })[0] as ResourceTypeDocument;
  const codeOf = (work: () => unknown): string => {
    try {
      work();
    } catch (error) {
      return (error as DroverError).code;
    }
    return 'none';
  };

  it('compiles, checks and hashes one document against the types that are there', () => {
    const declared = declareType(document(head('disk')), [], { version: 4 });
    expect(declared).toMatchObject({
      type: { name: 'disk', version: 4 },
      warnings: [],
      hash: documentHash(document(head('disk'))),
    });
  });

  it('refuses what the checker refuses, taken names, and system types', () => {
    const account = declareType(document(head('account')), [], { version: 1, system: true }).type;
    expect(codeOf(() => declareType(document(head('account')), [account], { version: 2 }))).toBe('SystemDefinition');
    expect(codeOf(() => declareType(document(`${head('acc')}plural: accounts`), [account], { version: 1 }))).toBe(
      'InvalidDefinition',
    );
    expect(codeOf(() => declareType(document(`${head('a')}defaultProcesses: false`), [], { version: 1 }))).toBe(
      'InvalidDefinition',
    );
  });
});

describe('TypeRegistry', () => {
  const type = (name: string) => load({ 'a.yaml': head(name) }).types[0]!.type;
  const registry = new TypeRegistry([type('ipAddress'), type('account'), type('agent')]);

  it('finds types by name, path and prefix, and processes by name', () => {
    expect(registry.byName('ipAddress')!.name).toBe('ipAddress');
    expect(registry.byName('ipaddress')).toBeUndefined();
    expect(['ipaddresses', 'IPADDRESS', 'ipAddresses'].map((text) => registry.byPlural(text)?.name)).toEqual(
      Array(3).fill('ipAddress'),
    );
    expect(registry.byPrefix('a').map((found) => found.name)).toEqual(['account', 'agent']);
    expect(registry.byPrefix('zz')).toEqual([]);
    expect(registry.process('ipAddress.Create')!.name).toBe('ipaddress.create');
  });

  it('deriving leaves the old registry as it was', () => {
    const more = registry.withType({ ...type('agent'), version: 2 }).without('account');
    expect(more.all().map(({ name, version }) => [name, version])).toEqual([
      ['ipAddress', 1],
      ['agent', 2],
    ]);
    expect(registry.byName('account')).toBeDefined();
    expect(more.process('account.create')).toBeUndefined();
  });
});

it('the hash of a document depends on its content alone', () => {
  const yaml = parseDocuments(`${head('disk')}final: [lost]`, { format: 'yaml' })[0]!;
  const json = parseDocuments('{"final":["lost"],"name":"disk","kind":"ResourceType","apiVersion":"drover/v1"}', {
    format: 'json',
  })[0]!;
  expect(documentHash(yaml)).toBe(documentHash(json));
  expect(documentHash(yaml)).toMatch(/^[0-9a-f]{64}$/);
  expect(documentHash({ ...(yaml as ResourceTypeDocument), final: [] })).not.toBe(documentHash(yaml));
});
