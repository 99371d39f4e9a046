import { createDatabase, startNats, startPostgres } from '@drover/testing';
import { describe, expect, it } from 'vitest';
import { startStore, type TestStore } from '../testing/start-store.js';
import { create, finish } from '../testing/transitions.js';
import { ensureShard } from './shard.js';

/** Starts a resource's process and ends it. @returns its numbers */
async function work(store: TestStore): Promise<number[]> {
  const { resourceId, processId } = await store.applied(create('creating'));
  await store.applied(finish(resourceId, processId!, 1));
  return [resourceId, processId!];
}

const drawn = async (store: TestStore, times: number): Promise<number[]> => {
  const numbers: number[] = [];
  for (let i = 0; i < times; i++) numbers.push(...(await work(store)));
  return numbers;
};

describe('two shards', () => {
  it('give no number twice, touch nothing of each other, and one goes on while the database of the other is down', async () => {
    await using postgres = await startPostgres();
    // Each has its own broker: stores of one broker answer for each other.
    await using nats = await startNats();
    await using even = await startStore({ shard: { index: 0, count: 2 } });
    await using odd = await startStore({ shard: { index: 1, count: 2 }, databaseUrl: postgres.url, nats });

    const numbers = [await drawn(even, 5), await drawn(odd, 5)];
    expect(numbers[0]!.every((number) => number % 2 === 0)).toBe(true);
    expect(numbers[1]!.every((number) => number % 2 === 1)).toBe(true);
    expect(Math.min(...numbers.flat())).toBeGreaterThan(0);

    const before = await even.dump();
    await drawn(odd, 3);
    expect(await even.dump()).toEqual(before);

    await postgres.kill();
    const waiting = work(odd).then(
      () => 'done',
      () => 'failed',
    );
    expect(await drawn(even, 5)).toHaveLength(10);
    await postgres.restart();
    await waiting;
    const after = await odd.sql<{ count: number }>('select count(*)::int as count from resource where id % 2 = 0');
    expect(after[0]!.count).toBe(0);
    expect((await work(odd)).every((number) => number % 2 === 1)).toBe(true);
  });
});

describe('the shard of a database', () => {
  const shards = { one: { index: 0, count: 1 }, first: { index: 0, count: 2 }, second: { index: 1, count: 2 } };

  it('stays what it was first told', async () => {
    await using database = await createDatabase();
    {
      await using store = await startStore({ shard: shards.second, databaseUrl: database.url });
      await ensureShard(store.dataSource, shards.second);
      for (const other of [shards.first, shards.one, { index: 1, count: 3 }])
        await expect(ensureShard(store.dataSource, other)).rejects.toThrow('this database is the shard 1/2');
      await work(store);
      await expect(ensureShard(store.dataSource, shards.first)).rejects.toThrow('never becomes another shard');
    }
    await using again = await startStore({ shard: shards.second, databaseUrl: database.url });
    expect((await work(again)).every((number) => number % 2 === 1)).toBe(true);
  });

  it('is 0/1 for good once a number was drawn', async () => {
    await using store = await startStore();
    await work(store);
    await ensureShard(store.dataSource, shards.one);
    await expect(ensureShard(store.dataSource, shards.second)).rejects.toThrow('this database is the shard 0/1');
  });
});
