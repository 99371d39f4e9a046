import { applyDefinition, deleteDefinition, readDefinition, readRegistry } from '@drover/contracts';
import type { JsonObject } from '@drover/kernel';
import { createDatabase, type TestDatabase } from '@drover/testing';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startStore, type TestStore } from '../testing/start-store.js';
import { blank, change, create, schedule } from '../testing/transitions.js';
import { QueryService } from '../query/query.service.js';
import { DefinitionFolder } from './definition-folder.js';
import { RegistryService } from './registry.service.js';

let database: TestDatabase;
let folder: string;
beforeEach(async () => {
  database = await createDatabase();
  folder = await mkdtemp(join(tmpdir(), 'drover-test-definitions-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
  await database[Symbol.asyncDispose]();
});

const boot = (): Promise<TestStore> => startStore({ databaseUrl: database.url, definitions: folder });
const file = (name: string, document: unknown): Promise<void> =>
  writeFile(join(folder, name), JSON.stringify(document));
const type = (name: string, more: object = {}): JsonObject => ({
  apiVersion: 'drover/v1',
  kind: 'ResourceType',
  name,
  ...more,
});
const registry = (store: TestStore, sinceRevision = 0) =>
  store.bus.request(readRegistry, { sinceRevision, afterName: null });
const apply = (
  store: TestStore,
  document: JsonObject,
  mode: 'create' | 'update' = 'create',
  name: string | null = null,
) => store.bus.request(applyDefinition, { document, mode, name });
const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error: { code: string }) => error.code,
  );

describe('definitions of the folder', () => {
  it('are applied at boot, on top of the system definitions, and once', async () => {
    await file('volume.json', type('volume'));
    let revision: number;
    {
      await using store = await boot();
      const read = await registry(store);
      revision = read.revision;
      expect(read.definitions.map(({ name, version, system }) => [name, version, system])).toEqual(
        expect.arrayContaining([
          ['volume', 1, false],
          ['externalHandler', 1, true],
          ['account', 1, true],
        ]),
      );
    }
    await using again = await boot();
    expect((await registry(again)).revision).toBe(revision);
  });

  it('make a new version only when the file changed; what the API changed meanwhile stays', async () => {
    await file('volume.json', type('volume'));
    {
      await using store = await boot();
      await apply(store, type('volume', { description: 'by the API' }), 'update');
    }
    {
      await using store = await boot();
      const { definition } = await store.bus.request(readDefinition, { name: 'volume', version: null });
      expect(definition).toMatchObject({ version: 2, document: { description: 'by the API' } });
    }
    await file('volume.json', type('volume', { description: 'by the file' }));
    await using store = await boot();
    const { definition, versions } = await store.bus.request(readDefinition, { name: 'volume', version: null });
    expect(definition).toMatchObject({ version: 3, document: { description: 'by the file' } });
    expect(versions.map(({ version }) => version)).toEqual([1, 2, 3]);
  });

  it('that are wrong keep their last good version, and the rest loads', async () => {
    await file('volume.json', type('volume'));
    await (await boot())[Symbol.asyncDispose]();
    await file(
      'volume.json',
      type('volume', { processes: { go: { start: ['nowhere'], transitioning: 'x', done: 'y' } } }),
    );
    await file('host.json', type('host'));
    await writeFile(join(folder, 'broken.yaml'), 'a: [');
    await using store = await boot();
    const { definitions } = await registry(store);
    expect(definitions.find(({ name }) => name === 'volume')).toMatchObject({ version: 1 });
    expect(definitions.map(({ name }) => name)).toContain('host');
    expect(store.get(DefinitionFolder).problems.length).toBeGreaterThanOrEqual(2);
    expect(store.complaints.map(({ message }) => message)).toContain('a definition was not applied');
  });

  it('that redeclare a system definition are refused', async () => {
    await file('account.json', type('account', { description: 'mine' }));
    await using store = await boot();
    expect((await registry(store)).definitions.find(({ name }) => name === 'account')).toMatchObject({
      system: true,
      version: 1,
    });
    expect(store.get(DefinitionFolder).problems.join()).toContain('account');
  });

  it('register their handlers, active at once, and leave alone what operators did to them', async () => {
    const handlers = [
      { name: 'driver', processConfigs: [{ name: 'volume.create,pre.volume.remove', onError: 'volume.error' }] },
    ];
    await file('volume.json', type('volume', { handlers }));
    {
      await using store = await boot();
      const { handlers: active } = await registry(store);
      expect(active).toMatchObject([
        { name: 'driver', priority: 1000, delivery: 'core', processConfigs: handlers[0]!.processConfigs },
      ]);
      await store.applied(
        blank({ resourceId: active![0]!.resourceId, change: change('inactive', { transitioning: 'no' }) }),
      );
      expect((await registry(store)).handlers).toEqual([]);
    }
    await using store = await boot();
    expect((await registry(store)).handlers).toEqual([]);
  });
});

describe('a folder of definitions that is as it was applied last', () => {
  const applied = (store: TestStore): Promise<{ name: string }[]> =>
    store.sql(`select name from definition_file where name like 'type/%' and name not like 'type/a%' order by name`);

  it('is not looked at again, until a byte of it changes', async () => {
    await file('volume.json', type('volume'));
    {
      await using store = await boot();
      await store.sql(`delete from definition_file where name = 'type/volume'`);
    }
    {
      await using store = await boot();
      expect((await applied(store)).map(({ name }) => name)).not.toContain('type/volume');
    }
    await writeFile(join(folder, 'volume.json'), `${JSON.stringify(type('volume'))} `);
    await using store = await boot();
    expect((await applied(store)).map(({ name }) => name)).toContain('type/volume');
  });

  it('is judged anew at each boot while something in it is wrong', async () => {
    await file('volume.json', type('volume', { nonsense: 1 }));
    await (await boot())[Symbol.asyncDispose]();
    await using store = await boot();
    expect(store.get(DefinitionFolder).problems.join()).toContain('nonsense');
    expect(store.complaints.map(({ message }) => message)).toContain('a definition was not applied');
  });

  it('is applied again after another one came between, wrong or not', async () => {
    const described = async (description: string) => file('volume.json', type('volume', { description }));
    await described('first');
    await (await boot())[Symbol.asyncDispose]();
    await described('second');
    await file('broken.json', { nonsense: 1 });
    await (await boot())[Symbol.asyncDispose]();
    await described('first');
    await rm(join(folder, 'broken.json'));
    await using store = await boot();
    const { definition } = await store.bus.request(readDefinition, { name: 'volume', version: null });
    expect(definition).toMatchObject({ version: 3, document: { description: 'first' } });
  });

  it('is applied again when the API registered one of its handlers otherwise', async () => {
    const handler = (priority: number) => ({ name: 'driver', priority, processConfigs: [{ name: 'volume.create' }] });
    await file('volume.json', type('volume', { handlers: [handler(700)] }));
    {
      await using store = await boot();
      await apply(store, type('tape', { handlers: [handler(800)] }));
      expect((await registry(store)).handlers).toMatchObject([{ name: 'driver', priority: 800 }]);
    }
    await using store = await boot();
    expect((await registry(store)).handlers).toMatchObject([{ name: 'driver', priority: 700 }]);
  });
});

describe('a stored definition that this release cannot use', () => {
  it('lets the store boot, and is named by whatever needs it', async () => {
    {
      await using store = await boot();
      await apply(store, type('volume'));
      await apply(store, type('host'));
      await store.sql(`update definition set document = document || '{"nonsense": 1}' where name = 'volume'`);
    }
    await using store = await boot();
    const types = await store.get(RegistryService).types();
    expect(types.byName('host')).toMatchObject({ plural: 'hosts' });
    expect(() => types.byName('volume')).toThrow('the stored definition volume, version 1, cannot be used');
    const refused = await apply(store, type('tape')).catch((error: Error) => error.message);
    expect(refused).toContain('the stored definition volume, version 1, cannot be used');
  });
});

describe('definitions declared at run time', () => {
  it('are known by every replica at once: a list may be filtered by a field that another one has just declared', async () => {
    await using one = await boot();
    await using other = await boot();
    const nullSize = { field: 'size', modifier: 'null' as const, value: null };
    const asked = { limit: 10, afterId: null, descending: false, includeRemoved: false };
    await apply(one, type('box'));
    // The other one looks, and trusts what it saw for a while.
    await other.get(RegistryService).types();
    const document = type('box', { fields: { size: { type: 'int' } } });
    await one.get(RegistryService).apply({ document, mode: 'update', name: 'box' });
    const listed = await other.get(QueryService).resources({ ...asked, type: 'box', filters: [nullSize] });
    expect(listed).toEqual({ resources: [], more: false, next: null });
  });

  it('are versioned, and raise the revision that commits are checked against', async () => {
    await using store = await boot();
    const before = (await registry(store)).revision;
    const created = await apply(store, type('disk'));
    expect(created).toMatchObject({ changed: true, definition: { name: 'disk', version: 1, revision: before + 1 } });
    expect(await apply(store, type('disk'), 'update', 'disk')).toMatchObject({ changed: false });
    const since = await registry(store, before);
    expect(since.definitions.map(({ name }) => name)).toEqual(['disk']);
    expect(since.revision).toBe(before + 1);
    const { resourceId } = await store.applied(create());
    const [stale] = await store.commit(schedule(resourceId, { registryRevision: before }));
    expect(stale).toEqual({ outcome: 'staleRegistry', registryRevision: before + 1 });
  });

  it('are refused with a code that says why', async () => {
    await using store = await boot();
    await apply(store, type('disk'));
    expect(await code(apply(store, type('disk')))).toBe('NotUnique');
    expect(await code(apply(store, type('tape'), 'update'))).toBe('NotFound');
    expect(await code(apply(store, type('account'), 'update'))).toBe('SystemDefinition');
    expect(await code(apply(store, type('disk'), 'update', 'tape'))).toBe('InvalidDefinition');
    expect(await code(apply(store, type('disk', { nonsense: 1 }), 'update'))).toBe('InvalidDefinition');
    expect(await code(store.bus.request(deleteDefinition, { name: 'account' }))).toBe('SystemDefinition');
    expect(await code(store.bus.request(readDefinition, { name: 'tape', version: null }))).toBe('NotFound');
  });

  it('may not drop a state that resources are in', async () => {
    await using store = await boot();
    const processes = {
      park: { start: ['active'], transitioning: 'parking', done: 'parked' },
      unpark: { start: ['parked'], transitioning: 'unparking', done: 'active' },
    };
    await apply(store, type('volume', { processes }));
    const { resourceId } = await store.applied(create('parked', { start: null }));
    const refused = await apply(store, type('volume'), 'update').catch((error: Error) => error.message);
    expect(refused).toContain('parked (1)');
    await store.applied(blank({ resourceId, change: change('active', { transitioning: 'no' }) }));
    expect(await apply(store, type('volume'), 'update')).toMatchObject({ changed: true, definition: { version: 2 } });
  });

  it('give a new state field to the resources that are there', async () => {
    await using store = await boot();
    await apply(store, type('volume'));
    const { resourceId } = await store.applied(create());
    const stateFields = { allocationState: { initial: 'idle' } };
    const processes = {
      allocate: { stateField: 'allocationState', start: ['idle'], transitioning: 'allocating', done: 'allocated' },
      free: { stateField: 'allocationState', start: ['allocated'], transitioning: 'freeing', done: 'idle' },
    };
    await apply(store, type('volume', { stateFields, processes }), 'update');
    const [row] = await store.sql<{ regions: JsonObject }>('select regions from resource where id = $1', [resourceId]);
    expect(row!.regions).toMatchObject({ allocationState: { state: 'idle', transitioning: 'no' } });
  });

  it('are deleted when no unpurged resource is left, and travel once as deleted', async () => {
    await using store = await boot();
    await apply(store, type('volume'));
    const { resourceId } = await store.applied(create());
    expect(await code(store.bus.request(deleteDefinition, { name: 'volume' }))).toBe('DefinitionInUse');
    await store.applied(blank({ resourceId, change: change('purged', { transitioning: 'no' }) }));
    const { revision } = await registry(store);
    await store.bus.request(deleteDefinition, { name: 'volume' });
    expect((await registry(store, revision)).definitions).toMatchObject([{ name: 'volume', deleted: true }]);
    expect((await registry(store)).definitions.map(({ name }) => name)).not.toContain('volume');
    expect(await apply(store, type('volume'))).toMatchObject({ definition: { version: 3 } });
  });

  it('a copy that is up to date is told the revision and nothing else', async () => {
    await using store = await boot();
    await apply(store, type('volume'));
    const { revision, handlers, pauses } = await registry(store);
    expect({ handlers, pauses }).toEqual({ handlers: [], pauses: [] });
    const same = { revision, definitions: [], handlers: null, pauses: null, limits: null, more: false };
    expect(await registry(store, revision)).toEqual(same);
  });

  it('are handed out in pages that the broker carries', async () => {
    await using store = await boot();
    const fields = Object.fromEntries(
      Array.from({ length: 50 }, (_, i) => [`field${i}`, { type: 'string', description: 'x'.repeat(4_000) }]),
    );
    for (let i = 0; i < 5; i++) await apply(store, type(`big${i}`, { fields }));
    const names: string[] = [];
    let pages = 0;
    for (let afterName: string | null = null; pages < 10;) {
      const page: Awaited<ReturnType<typeof registry>> = await store.bus.request(readRegistry, {
        sinceRevision: 0,
        afterName,
      });
      expect(JSON.stringify(page).length).toBeLessThan(800_000);
      expect(page.handlers === null).toBe(afterName !== null);
      names.push(...page.definitions.map(({ name }) => name));
      pages++;
      if (!page.more) break;
      afterName = page.definitions.at(-1)!.name;
    }
    expect(pages).toBeGreaterThan(1);
    expect(names.filter((name) => name.startsWith('big'))).toHaveLength(5);
    expect(new Set(names).size).toBe(names.length);
  });
});
