import { oneRow } from '@drover/database';
import type { DataSource, EntityManager } from 'typeorm';
import { LOCK_NUMBERING, READ_NUMBERING, setNumbering } from '../sql/shards.sql.js';

/** Which of how many databases this is. Its numbers of resources and processes are those with `number % count === index`. */
export interface Shard {
  /** 0 to count - 1 */
  index: number;
  /** 1: there is but one database */
  count: number;
}

/** More would leave each shard too few numbers below 2^53; nobody has so many databases. */
const MAX_SHARDS = 1_024;

interface Numbering {
  start: number;
  step: number;
  last: number;
  started: boolean;
}

/**
 * Reads `k/n`: the k-th of n shards, from 0.
 * @throws Error that says what it must be
 */
export function parseShard(text: string): Shard {
  const [, index, count] = /^(\d{1,4})\/(\d{1,4})$/.exec(text)?.map(Number) ?? [];
  if (index === undefined || count === undefined || count < 1 || count > MAX_SHARDS || index >= count)
    throw new Error(`must be k/n with 0 <= k < n <= ${MAX_SHARDS}, such as 0/1 or 2/4`);
  return { index, count };
}

/**
 * Makes the database number what it creates as the shard that it is. Once it was told, or a number was drawn, it is that shard for good:
 * a number that two shards give would be one id for two resources. Runs before anything is created, at every boot.
 * @throws Error when the database is another shard
 */
export async function ensureShard(dataSource: DataSource, shard: Shard): Promise<void> {
  const present = await numbering(dataSource);
  if (isOf(present, shard)) return;
  if (!untouched(present)) throw refusal(present, shard);
  await dataSource.transaction(async (on) => {
    await on.query(LOCK_NUMBERING);
    // A replica without the setting may have drawn one a moment ago.
    const locked = await numbering(on);
    if (!untouched(locked)) throw refusal(locked, shard);
    await on.query(setNumbering(first(shard), shard.count));
  });
}

/** Numbers begin at 1. */
const first = ({ index, count }: Shard): number => (index === 0 ? count : index);

const isOf = ({ start, step, last }: Numbering, shard: Shard): boolean =>
  step === shard.count && start === first(shard) && last % shard.count === shard.index;

const untouched = ({ start, step, started }: Numbering): boolean => start === 1 && step === 1 && !started;

function refusal({ start, step }: Numbering, { index, count }: Shard): Error {
  return new Error(
    `DROVER_SHARD is ${index}/${count}, and this database is the shard ${start % step}/${step}: a database never becomes another shard`,
  );
}

async function numbering(on: DataSource | EntityManager): Promise<Numbering> {
  return (await oneRow<Numbering>(on, READ_NUMBERING))!;
}
