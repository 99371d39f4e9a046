import { createDataSource, rows } from '@drover/database';
import { createDatabase } from '@drover/testing';
import { DataSource } from 'typeorm';
import { expect, it } from 'vitest';
import { dataSourceOptions, withBootLock } from '@drover/database';
import { ENTITIES } from '../entities/index.js';
import { MIGRATIONS } from './index.js';

const options = (url: string) => ({
  url,
  applicationName: 'test',
  entities: ENTITIES,
  migrations: MIGRATIONS,
  poolSize: 4,
});

interface Described {
  columns: unknown[];
  keys: unknown[];
  indexes: unknown[];
}

/** Columns, primary keys and B-tree indexes of a schema, as the database itself says them. */
async function describeSchema(dataSource: DataSource, schema: string): Promise<Described> {
  const tables = ENTITIES.map((entity) => dataSource.getMetadata(entity).tableName);
  const columns = await rows(
    dataSource,
    `select table_name, column_name, udt_name, is_nullable, regexp_replace(column_default, '^nextval\\(.*feed_id.*$', 'feed_id') as "default"
       from information_schema.columns where table_schema = $1 and table_name = any ($2) order by 1, 2`,
    [schema, tables],
  );
  const keys = await rows(
    dataSource,
    `select c.conrelid::regclass::text as "table", c.conname, array_agg(a.attname::text order by k.n) as columns
       from pg_constraint c
       cross join lateral unnest(c.conkey) with ordinality k(attnum, n)
       join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.attnum
      where c.contype = 'p' and c.connamespace = $1::regnamespace and c.conrelid::regclass::text ~ $2
      group by 1, 2 order by 1`,
    [schema, `(^|\\.)"?(${tables.join('|')})"?$`],
  );
  // Compared without: partitions (entities know none), storage settings, the BRIN index of commands, sequences.
  const indexes = await rows(
    dataSource,
    `select tablename, indexname,
            replace(replace(regexp_replace(indexdef, ' ON (ONLY )?', ' ON '), $1 || '.', ''), '"', '') as definition
       from pg_indexes where schemaname = $1 and tablename = any ($2) and indexdef not like '%USING brin%' and indexdef not like '%DESC%'
      order by 1, 2`,
    [schema, tables],
  );
  const plain = (list: unknown[]) => JSON.parse(JSON.stringify(list).replaceAll(`${schema}.`, '')) as unknown[];
  return { columns: plain(columns), keys: plain(keys), indexes: plain(indexes) };
}

it('migrations and entities describe one schema', async () => {
  await using database = await createDatabase();
  const migrated = createDataSource(options(database.url));
  await migrated.initialize();
  await migrated.runMigrations();
  const expected = await describeSchema(migrated, 'public');
  await migrated.query('create schema by_entities');
  await migrated.query('create sequence by_entities.feed_id');
  const synchronized = new DataSource({ ...dataSourceOptions(options(database.url)), schema: 'by_entities' } as never);
  await synchronized.initialize();
  await synchronized.synchronize();
  const actual = await describeSchema(synchronized, 'by_entities');
  expect(actual.columns).toEqual(expected.columns);
  expect(actual.keys).toEqual(expected.keys);
  expect(actual.indexes).toEqual(expected.indexes);
  expect(expected.columns.length).toBeGreaterThan(90);
  await synchronized.destroy();
  await migrated.destroy();
});

it('references of rows that the version before wrote are filled in', async () => {
  await using database = await createDatabase();
  const before = createDataSource({ ...options(database.url), migrations: MIGRATIONS.slice(0, 1) });
  await before.initialize();
  await before.runMigrations();
  const fields = { hostId: { type: 'reference', to: 'host' }, standby: { type: 'reference', to: 'host' } };
  await before.query(
    `insert into definition (name, version, document, hash, system, revision, warnings, deleted) values ('instance', 1, $1, 'h', false, 1, '[]', false)`,
    [{ fields }],
  );
  await before.query(
    `insert into resource_data (id, created, revision, type, uuid, data)
     select n, now(), 1, t, t || n, d from (values
       (1, 'instance', '{"hostId": "1h5", "standby": null}'::jsonb), (2, 'instance', '{"hostId": "1h5", "standby": "1h12"}'),
       (3, 'instance', '{}'), (4, 'other', '{"hostId": "1h5"}'), (5, 'instance', '{"hostId": 5}')) x(n, t, d)`,
  );
  await before.destroy();
  const after = createDataSource(options(database.url));
  await after.initialize();
  await after.runMigrations();
  expect(await rows(after, 'select id, refs from resource_data order by id')).toEqual([
    { id: 1, refs: ['hostId:5'] },
    { id: 2, refs: ['hostId:5', 'standby:12'] },
    { id: 3, refs: null },
    { id: 4, refs: null },
    { id: 5, refs: null },
  ]);
  await after.destroy();
});

it('resources that the version before wrote rest in the state they are in', async () => {
  await using database = await createDatabase();
  const before = createDataSource({ ...options(database.url), migrations: MIGRATIONS.slice(0, 2) });
  await before.initialize();
  await before.runMigrations();
  await before.query(
    `insert into resource (id, revision, data_revision, type, kind, state, transitioning)
     values (1, 1, 1, 'disk', 'disk', 'active', 'no'), (2, 1, 1, 'disk', 'disk', 'activating', 'yes')`,
  );
  await before.destroy();
  const after = createDataSource(options(database.url));
  await after.initialize();
  await after.runMigrations();
  expect(await rows(after, 'select id, state, resting from resource order by id')).toEqual([
    { id: 1, state: 'active', resting: 'active' },
    { id: 2, state: 'activating', resting: 'activating' },
  ]);
  await after.destroy();
});

it('replicas that boot at once migrate once', async () => {
  await using database = await createDatabase();
  const replicas = Array.from({ length: 4 }, () => createDataSource(options(database.url)));
  await Promise.all(
    replicas.map(async (replica) => {
      await replica.initialize();
      await withBootLock(replica, () => replica.runMigrations());
    }),
  );
  expect(await replicas[0]!.query('select count(*)::int as count from schema_migration')).toEqual([
    { count: MIGRATIONS.length },
  ]);
  await Promise.all(replicas.map((replica) => replica.destroy()));
});
