import { describe, expect, it } from 'vitest';
import type { StoredDefinition } from './definition-store.js';
import { StoredTypes } from './stored-types.js';

const row = (name: string, more: Partial<StoredDefinition> = {}): StoredDefinition => ({
  name,
  version: 1,
  document: { apiVersion: 'drover/v1', kind: 'ResourceType', name },
  hash: '',
  system: false,
  revision: 1,
  warnings: [],
  created: 0,
  deleted: false,
  ...more,
});
const broken = (name: string): StoredDefinition => row(name, { document: { kind: 'ResourceType', name } });

describe('the stored types', () => {
  it('are compiled when they are asked for, and once', () => {
    const types = StoredTypes.NONE.after(1, [row('volume'), broken('host')]);
    const volume = types.byName('volume');
    expect(volume).toMatchObject({ name: 'volume', version: 1, plural: 'volumes' });
    expect(types.byName('volume')).toBe(volume);
    expect(types.byName('tape')).toBeUndefined();
  });

  it('of a later revision keep what did not change', () => {
    const before = StoredTypes.NONE.after(1, [row('volume'), row('host'), row('tape')]);
    const [volume, host] = [before.byName('volume'), before.byName('host')];
    const after = before.after(2, [row('host', { version: 2 }), row('tape', { version: 2, deleted: true })]);
    expect(after.byName('volume')).toBe(volume);
    expect(after.byName('host')).toMatchObject({ version: 2 });
    expect(after.all().map(({ name }) => name)).toEqual(['volume', 'host']);
    expect(after.row('tape')).toBeUndefined();
    expect(before.byName('host')).toBe(host);
    expect(before.all()).toHaveLength(3);
  });

  it('that this release cannot use say so when they are used, and no sooner', () => {
    const types = StoredTypes.NONE.after(1, [row('volume'), broken('host')]);
    const said = /^the stored definition host, version 1, cannot be used: host: /;
    expect(() => types.byName('host')).toThrow(said);
    expect(() => types.all()).toThrow(said);
    expect(types.byName('volume')).toBeDefined();
  });
});
