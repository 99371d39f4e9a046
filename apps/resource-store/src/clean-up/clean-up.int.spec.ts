import { applyDefinition, listDuePurges, type PurgeCursor } from '@drover/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AdmissionsService } from '../gates/admissions.service.js';
import { HousekeepingJob } from '../partitions/housekeeping.job.js';
import { LIST_DUE_PURGES } from '../sql/clean-up.sql.js';
import { startStore, type TestStore } from '../testing/start-store.js';
import { asksFor, create, finish, schedule } from '../testing/transitions.js';

let store: TestStore;
beforeAll(async () => {
  store = await startStore();
  for (const [name, purgeAfterMillis] of [
    ['volume', undefined],
    ['apple', 3_600_000],
    ['kept', null],
  ] as const)
    await store.bus.request(applyDefinition, {
      document: {
        apiVersion: 'drover/v1',
        kind: 'ResourceType',
        name,
        ...(purgeAfterMillis === undefined ? {} : { purgeAfterMillis }),
      },
      mode: 'create',
      name: null,
    });
});
afterAll(() => store[Symbol.asyncDispose]());
beforeEach(async () => {
  await store.sql('truncate resource, resource_data, process_live, process_finished, feed, lease');
});

const HOUR = 3_600_000;

/** A resource of the type that reached a state through commits, `hours` ago. */
async function gone(state: 'removed' | 'purged', hours: number, type = 'volume'): Promise<number> {
  const started = create('removing');
  const insert = { ...started.insert!, type, kind: type };
  const { resourceId, processId } = await store.applied({ ...started, insert });
  await store.applied(finish(resourceId, processId!, 1, 'removed', { expectType: type }));
  if (state === 'purged') {
    const purge = await store.applied(
      schedule(resourceId, {
        expectType: type,
        expectStates: ['removed'],
        change: { ...schedule(resourceId).change!, toState: 'purging' },
      }),
    );
    await store.applied(finish(resourceId, purge.processId!, 1, 'purged', { expectType: type }));
  }
  const ago = [resourceId, hours];
  await store.sql(
    `update resource_data set removed = removed - $2 * interval '1 hour', purged = purged - $2 * interval '1 hour' where id = $1`,
    ago,
  );
  return resourceId;
}

const list = (over: object = {}) =>
  store.bus.request(listDuePurges, { engine: 'one', leaseMillis: 60_000, limit: 100, after: null, ...over });

describe('what is due to be purged', () => {
  it('has been removed for as long as its type says, by the clock of the database', async () => {
    const old = await gone('removed', 25);
    await gone('removed', 23);
    const apple = await gone('removed', 2, 'apple');
    await gone('removed', 900, 'kept');
    await gone('purged', 30);
    const { due, mine, next } = await list();
    expect(due.map(({ resourceId, type }) => [type, resourceId])).toEqual([
      ['apple', apple],
      ['volume', old],
    ]);
    expect({ mine, next }).toEqual({ mine: true, next: null });
    expect(due[1]!.revision).toBe(2);
    expect(Date.now() - due[1]!.removed).toBeGreaterThan(24 * HOUR);
  });

  it('comes a page at a time; what is being purged or stuck is passed over and holds nothing up', async () => {
    const ids: number[] = [];
    for (let i = 0; i < 5; i++) ids.push(await gone('removed', 48 - i));
    await store.sql(`update resource set state = 'purging', resting = 'purging' where id = any ($1)`, [
      ids.slice(0, 2),
    ]);
    const seen: number[] = [];
    let after: PurgeCursor | null = null;
    let pages = 0;
    do {
      const page: Awaited<ReturnType<typeof list>> = await list({ limit: 2, after });
      seen.push(...page.due.map(({ resourceId }) => resourceId));
      after = page.next;
      pages++;
    } while (after !== null);
    expect(seen).toEqual(ids.slice(2));
    expect(pages).toBe(3);
  });

  it('is handed to one engine at a time', async () => {
    await gone('removed', 48);
    expect(await list()).toMatchObject({ mine: true, due: [{}] });
    expect(await list({ engine: 'two' })).toEqual({ mine: false, due: [], next: null });
    await store.sql(`update lease set expires_at = now() where job = 'purge'`);
    expect(await list({ engine: 'two' })).toMatchObject({ mine: true, due: [{}] });
  });

  it('is found by its index, however much else there is', async () => {
    await store.sql(
      `insert into resource_data (id, created, removed, revision, type, uuid, data, purged)
       select -n, now(), case when n % 2 = 0 then now() end, 1, 'volume', 'u' || n, '{}', case when n % 2 = 0 then now() end
         from generate_series(1, 20000) n`,
    );
    await store.sql(
      `insert into resource (id, revision, data_revision, type, kind, state, resting, transitioning)
       select id, 1, 1, type, type, 'active', 'active', 'no' from resource_data`,
    );
    await store.sql('analyze resource, resource_data');
    const values = [['apple', 'volume'], [0, 0], ['-infinity', '-infinity'], [0, 0], 200];
    const plan = (await store.sql<{ 'QUERY PLAN': string }>(`explain ${LIST_DUE_PURGES}`, values))
      .map((row) => row['QUERY PLAN'])
      .join('\n');
    expect(plan).toContain('resource_data_removed');
    expect(plan).not.toMatch(/Seq Scan on resource/);
  });
});

describe('purged resources', () => {
  const housekeeping = () => store.get(HousekeepingJob).once(new AbortController().signal);
  const left = async (): Promise<number[]> =>
    (await store.sql<{ id: number }>('select id from resource_data order by id')).map(({ id }) => id);
  /** Drops all history, as its partitions are dropped. */
  const forgotten = () => store.sql('truncate feed, process_finished');

  it('are deleted when the last of their history is gone, and not before', async () => {
    const id = await gone('purged', 32 * 24);
    await housekeeping();
    expect(await left()).toEqual([id]);
    await forgotten();
    await housekeeping();
    expect(await left()).toEqual([]);
    expect(await store.sql('select 1 from resource')).toEqual([]);
  });

  it('stay while they are young, while anything lives on them, and when they are purged no more', async () => {
    const young = await gone('purged', 30 * 24);
    const lively = await gone('purged', 32 * 24);
    const forced = await gone('purged', 32 * 24);
    const removed = await gone('removed', 900 * 24);
    await forgotten();
    await store.sql(`update resource set state = 'active', resting = 'active' where id = $1`, [forced]);
    const { resourceId, processId } = await store.applied(create('creating'));
    await store.sql('update process_live set resource_id = $1 where id = $2', [lively, processId]);
    await housekeeping();
    expect(await left()).toEqual([young, lively, forced, removed, resourceId]);
    await store.sql('truncate process_live');
    await housekeeping();
    expect(await left()).toEqual([young, forced, removed, resourceId]);
  });

  it('are deleted in bounded batches until none is left', async () => {
    await store.sql(
      `with r as (
         insert into resource (id, revision, data_revision, type, kind, state, resting, transitioning)
         select -n, 1, 1, 'volume', 'volume', 'purged', 'purged', 'no' from generate_series(1, 2500) n returning id)
       insert into resource_data (id, created, removed, purged, revision, type, uuid, data)
       select id, now(), now(), now() - interval '40 days', 1, 'volume', 'd' || id, '{}' from r`,
    );
    await housekeeping();
    expect(await left()).toEqual([]);
  });
});

it('a purge is stamped once, and the row of a purged resource can be forced back', async () => {
  const id = await gone('purged', 0);
  const [row] = await store.sql<{ removed: Date; purged: Date }>(
    'select removed, purged from resource_data where id = $1',
    [id],
  );
  expect(row!.purged).not.toBe(null);
  expect(row!.removed).not.toBe(null);
  expect(
    await store.sql('select 1 from resource r join resource_data d using (id) where r.data_revision <> d.revision'),
  ).toEqual([]);
});

it('definition versions that were replaced long ago are deleted, save the newest and those that something lives on', async () => {
  const define = (description: string) =>
    store.bus.request(applyDefinition, {
      document: { apiVersion: 'drover/v1', kind: 'ResourceType', name: 'versioned', description },
      mode: description === '1' ? 'create' : 'update',
      name: description === '1' ? null : 'versioned',
    });
  for (const description of ['1', '2', '3', '4', '5']) await define(description);
  // Version 1 is lived on, 2 and 3 were replaced long ago, 4 only now.
  await store.sql(
    `update definition set created = created - interval '32 days' where name = 'versioned' and version < 5`,
  );
  const { processId } = await store.applied(create('creating'));
  await store.sql(`update process_live set resource_type = 'versioned', definition_version = 1 where id = $1`, [
    processId,
  ]);
  await store.get(HousekeepingJob).once(new AbortController().signal);
  const versions = await store.sql(`select version from definition where name = 'versioned' order by version`);
  expect(versions).toEqual([{ version: 1 }, { version: 4 }, { version: 5 }]);
});

describe('gates of handlers', () => {
  const housekeeping = () => store.get(HousekeepingJob).once(new AbortController().signal);
  const gates = async (): Promise<string> =>
    (await store.sql<{ handler: string }>('select handler from handler_gate order by handler'))
      .map(({ handler }) => handler)
      .join(' ');
  beforeEach(() => store.sql('truncate handler_gate'));

  /** A registered handler, as the registry has it. */
  async function registered(name: string, data: object, state = 'active'): Promise<void> {
    const insert = { ...create().insert!, type: 'externalHandler', kind: 'externalHandler', name, data: data as never };
    const { resourceId } = await store.applied(create(null, { insert }));
    await store.sql('update resource set state = $2, resting = $2 where id = $1', [resourceId, state]);
  }

  it('that tell nothing are deleted; those with a place taken, somebody waiting, or failures are not', async () => {
    await store.sql(
      `insert into handler_gate (handler, failures, opened_until) values
         ('idle', 0, null), ('busy', 0, null), ('wanted', 0, null), ('failed', 1, null), ('open', 5, now()), ('half', 0, now())`,
    );
    const busy = await store.applied(create('creating'));
    await store.sql(`update process_live set admitted = 'busy' where id = $1`, [busy.processId]);
    const wanted = await store.applied(create('creating'));
    await store.sql(`update process_live set held_by = 'limit/wanted' where id = $1`, [wanted.processId]);
    await housekeeping();
    expect(await gates()).toBe('busy failed half open wanted');
    await store.sql('truncate process_live');
    await housekeeping();
    expect(await gates()).toBe('failed half open');
  });

  it('keep their failures for as long as a registered handler counts them, else until they are old', async () => {
    const circuitBreaker = { failures: 9, openMillis: 1_000 };
    await registered('counts', { circuitBreaker });
    await registered('resting', { circuitBreaker }, 'inactive');
    await registered('gone', { circuitBreaker }, 'removed');
    await registered('unlimited', { circuitBreaker: null });
    const insert = `insert into handler_gate (handler, failures, changed)
      select handler, 3, now() - $1 * interval '1 day' from unnest('{counts,resting,gone,unlimited,inside}'::text[]) handler`;
    await store.sql(insert, [30]);
    await housekeeping();
    expect(await gates()).toBe('counts gone inside resting unlimited');
    await store.sql('truncate handler_gate');
    await store.sql(insert, [32]);
    await housekeeping();
    expect(await gates()).toBe('counts');
  });

  it('under whose lock somebody is are left alone, and one that failed meanwhile stays', async () => {
    await store.sql(`insert into handler_gate (handler, failures) values ('demo', 0)`);
    const other = store.dataSource.createQueryRunner();
    await other.connect();
    await other.startTransaction();
    await other.query(`select from handler_gate where handler = 'demo' for update`);
    await housekeeping();
    await other.query(`update handler_gate set failures = 1 where handler = 'demo'`);
    await other.commitTransaction();
    await other.release();
    await housekeeping();
    expect(await gates()).toBe('demo');
  });

  it('are made anew by whoever asks for a place while they are being deleted: no limit is exceeded', async () => {
    const admissions = store.get(AdmissionsService);
    await Promise.all(Array.from({ length: 30 }, () => store.applied(create('creating'))));
    await store.sql(`update process_live set status = 'held', held_by = 'limit/demo'`);
    const ask = () => admissions.admit(asksFor('demo', 4, { limit: 1 }));
    const deleting = `delete from handler_gate where handler = any (array(
      select handler from handler_gate for update skip locked))`;
    let over = false;
    const deleted = (async () => {
      while (!over) await store.sql(deleting);
    })();
    const answers = await Promise.all(Array.from({ length: 40 }, ask));
    over = true;
    await deleted;
    expect(answers.flatMap(({ work }) => work)).toHaveLength(4);
  });
});
