import type { CommitTransition, RelationRef } from '@drover/contracts';
import { PINNED_SETTINGS } from '@drover/database';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LOCK_RELATIONS, READ_HINDERED, RELATION_LOCKS } from '../sql/relations.sql.js';
import { connectionOf, planOfPrepared } from '../testing/explain.js';
import { startTwoStores, type TestStore } from '../testing/start-store.js';
import { blank, change, create, schedule } from '../testing/transitions.js';

const ROUNDS = 80;

let first: TestStore;
let second: TestStore;
beforeAll(async () => void ([first, second] = await startTwoStores()));
afterAll(() => first[Symbol.asyncDispose]());

/** A new resource that names others, as an engine writes it where a `refuseWhile` looks at these references. */
function relating(type: string, refs: string[], state: string | null = null): CommitTransition {
  const made = create(state);
  const relates = refs.map((ref) => Number(ref.slice(ref.indexOf(':') + 1)));
  return { ...made, insert: { ...made.insert!, type, refs }, relates };
}

const disksOf = (id: number): RelationRef => ({ kind: 'list', type: 'disk', ref: `rackId:${id}` });
const removes = (resourceId: number, unless: RelationRef[]): CommitTransition => schedule(resourceId, { unless });

const rack = async (): Promise<number> => (await first.applied(create())).resourceId;

describe('a start that hangs on relations', () => {
  it('is refused while one holds a resource, with the present rows, and changes nothing', async () => {
    const id = await rack();
    const disk = await first.applied(relating('disk', [`rackId:${id}`]));
    const start = removes(id, [disksOf(id)]);
    const [outcome] = await first.commit(start);
    expect(outcome).toMatchObject({ outcome: 'conflict', related: true, resource: { id, revision: 1 }, process: null });
    // What is removed, of another type or points elsewhere holds nothing up.
    await first.sql(`update resource set state = 'removed', resting = 'removed' where id = $1`, [disk.resourceId]);
    await first.applied(relating('nic', [`rackId:${id}`]));
    await first.applied(relating('disk', [`rackId:${id}9`, `shelfId:${id}`]));
    expect((await first.commit(start))[0]).toMatchObject({ outcome: 'applied' });
  });

  it('its repeat is answered as the first try was, whatever is related by now', async () => {
    const id = await rack();
    const start = removes(id, [disksOf(id)]);
    const { processId } = await first.applied(start);
    await first.applied(relating('disk', [`rackId:${id}`]));
    expect((await first.commit(start))[0]).toMatchObject({ outcome: 'repeat', processId });
  });

  it('looks at a reference, and at many to many', async () => {
    const [host, guest] = [await rack(), await rack()];
    const reference = { kind: 'reference', type: 'volume', id: host } as const;
    expect((await first.commit(removes(guest, [reference])))[0]).toMatchObject({ related: true });
    expect((await first.commit(removes(guest, [{ ...reference, type: 'disk' }])))[0]).toMatchObject({
      outcome: 'applied',
    });
    const many = { kind: 'through', type: 'volume', through: 'map', ref: `hostId:${host}`, to: 'guestId' } as const;
    await first.applied(relating('map', [`guestId:${guest}`], 'removed'));
    const map = await first.applied(relating('map', [`guestId:${guest}`, `hostId:${host}`]));
    expect((await first.commit(removes(host, [many])))[0]).toMatchObject({ related: true });
    await first.sql(`update resource set state = 'purged', resting = 'purged' where id = $1`, [guest]);
    expect((await first.commit(removes(host, [many])))[0]).toMatchObject({ outcome: 'applied' });
    expect(map.resourceId).toBeGreaterThan(0);
  });

  it('waits for who is about to relate, and then sees it', async () => {
    const id = await rack();
    const other = await connectionOf(first);
    try {
      await other.query('begin');
      await other.query(LOCK_RELATIONS.text, [[id % RELATION_LOCKS], [false], false]);
      const [made] = (
        await other.query<{ id: number }>(
          `insert into resource (id, revision, data_revision, type, kind, state, resting, transitioning)
           values (nextval('drover_number'), 1, 1, 'disk', 'disk', 'active', 'active', 'no') returning id`,
        )
      ).rows;
      await other.query(
        `insert into resource_data (id, created, revision, type, uuid, data, refs)
         values ($1, now(), 1, 'disk', $2, '{}', $3)`,
        [made!.id, `uuid ${made!.id}`, [`rackId:${id}`]],
      );
      let answered = false;
      const started = first.commit(removes(id, [disksOf(id)])).finally(() => (answered = true));
      await expect
        .poll(
          async () => (await second.sql(`select 1 from pg_locks where locktype = 'advisory' and not granted`)).length,
        )
        .toBe(1);
      expect(answered).toBe(false);
      await other.query('commit');
      expect((await started)[0]).toMatchObject({ outcome: 'conflict', related: true });
    } finally {
      other.release(new Error('used up'));
    }
  });

  it('in the same moment as relations are made: where both are applied, the relation came second', async () => {
    const seen = new Set<string>();
    for (let round = 0; round < ROUNDS; round++) {
      const id = await rack();
      const moved = await first.applied(relating('disk', []));
      const makes = [
        relating('disk', [`rackId:${id}`]),
        blank({
          resourceId: moved.resourceId,
          change: change(null, { refs: [`rackId:${id}`], data: {} }),
          relates: [id],
        }),
      ];
      const [[start], ...made] = await Promise.all([
        second.commit(removes(id, [disksOf(id)])),
        ...makes.map((one) => first.commit(one)),
      ]);
      const applied = made.map(([outcome]) => (outcome as { outcome: 'applied'; resourceId: number }).resourceId);
      seen.add(start!.outcome);
      if (start!.outcome !== 'applied') continue;
      // A transaction gets its number with its first write, which comes after the lock.
      const [order] = await first.sql<{ late: boolean }>(
        `select bool_and(d.xmin::text::bigint > r.xmin::text::bigint) as late
           from resource r, resource_data d where r.id = $1 and d.id = any ($2)`,
        [id, applied],
      );
      expect(order!.late, `round ${round}`).toBe(true);
    }
    expect([...seen].toSorted()).toEqual(['applied', 'conflict']);
  });

  it('in the same batch as one that is made: that goes first', async () => {
    const id = await rack();
    const moved = await first.applied(relating('disk', []));
    const [start, move] = await first.commit(
      removes(id, [disksOf(id)]),
      blank({
        resourceId: moved.resourceId,
        change: change(null, { refs: [`rackId:${id}`], data: {} }),
        relates: [id],
      }),
    );
    expect(move).toMatchObject({ outcome: 'applied' });
    expect(start).toMatchObject({ outcome: 'conflict', related: true });
  });
});

it('relations are found through their index, on a connection with pinned plans', async () => {
  const client = await connectionOf(first);
  try {
    await client.query(`begin; ${PINNED_SETTINGS}`);
    await client.query(LOCK_RELATIONS.text, [[1], [true], true]);
    await client.query(`prepare hindered(json) as ${READ_HINDERED.text}`);
    const plan = JSON.stringify(await planOfPrepared(client, 'hindered', ['[{"n":0,"type":"a","ref":"b:1"}]']));
    expect(plan.match(/resource_data_refs/g)).toHaveLength(2);
    expect(plan).not.toContain('Seq Scan');
    await client.query('rollback');
  } finally {
    client.release(new Error('its settings are its own'));
  }
});
