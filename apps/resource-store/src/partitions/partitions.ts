import { rows, type Queryable } from '@drover/database';

/** A table that is partitioned by day. */
export interface PartitionedTable {
  name: 'feed' | 'process_finished';
  retentionDays: number;
}

/** Days that exist ahead of today: what a store outlives without its hourly job. */
export const DAYS_AHEAD = 7;
const DAY_MILLIS = 86_400_000;

interface Partition {
  name: string;
  attached: boolean;
  detachPending: boolean;
}

/** `feed_20261122`: rows of that day, UTC. */
export function partitionName(table: string, day: number): string {
  return `${table}_${new Date(day * DAY_MILLIS).toISOString().slice(0, 10).replaceAll('-', '')}`;
}

/** The day (since 1970) that a partition's name says, or null when it is none of that table's. */
export function partitionDay(table: string, name: string): number | null {
  const match = /^(.+)_(\d{4})(\d{2})(\d{2})$/.exec(name);
  if (match === null || match[1] !== table) return null;
  const millis = Date.parse(`${match[2]}-${match[3]}-${match[4]}T00:00:00Z`);
  return Number.isNaN(millis) ? null : millis / DAY_MILLIS;
}

/** Today by the database's clock, as days since 1970. */
export async function databaseDay(on: Queryable): Promise<number> {
  const [row] = await rows<{ day: number }>(on, `select floor(date_part('epoch', now()) / 86400)::int as day`);
  return row!.day;
}

/**
 * Makes the partitions of yesterday to `DAYS_AHEAD` days from now. Each is made as a table of its own and attached: that locks out
 * nobody who writes, as `create table … partition of` would.
 * @returns names of those that were missing
 */
export async function ensurePartitions(on: Queryable, table: PartitionedTable, today: number): Promise<string[]> {
  const present = new Set((await partitionsOf(on, table.name)).filter((p) => p.attached).map((p) => p.name));
  const made: string[] = [];
  for (let day = today - 1; day <= today + DAYS_AHEAD; day++) {
    const name = partitionName(table.name, day);
    if (present.has(name)) continue;
    await on.query(`create table if not exists ${name} (like ${table.name} including defaults including storage)`);
    await on.query(`alter table ${table.name} attach partition ${name}
      for values from ('${dayStart(day)}') to ('${dayStart(day + 1)}')`);
    made.push(name);
  }
  return made;
}

/**
 * Drops the partitions older than the retention: detached without locking out readers and writers, then dropped. Finishes what a
 * crash left between the two. Must not run inside a transaction.
 * @returns names of those that were dropped
 */
export async function dropExpired(on: Queryable, table: PartitionedTable, today: number): Promise<string[]> {
  const dropped: string[] = [];
  for (const { name, attached, detachPending } of await partitionsOf(on, table.name)) {
    const day = partitionDay(table.name, name);
    if (day === null || day >= today - table.retentionDays) continue;
    if (table.name === 'feed')
      await on.query(`update relay set trimmed = greatest(trimmed, coalesce((select max(id) from ${name}), 0))`);
    if (detachPending) await on.query(`alter table ${table.name} detach partition ${name} finalize`);
    else if (attached) await on.query(`alter table ${table.name} detach partition ${name} concurrently`);
    await on.query(`drop table ${name}`);
    dropped.push(name);
  }
  return dropped;
}

/** Attached partitions, and tables named like one. */
function partitionsOf(on: Queryable, table: string): Promise<Partition[]> {
  return rows<Partition>(
    on,
    `select c.relname as name, i.inhrelid is not null as attached, coalesce(i.inhdetachpending, false) as "detachPending"
       from pg_class c
       left join pg_inherits i on i.inhrelid = c.oid and i.inhparent = to_regclass($1)
      where c.relnamespace = (select relnamespace from pg_class where oid = to_regclass($1))
        and c.relkind = 'r' and c.relname ~ ('^' || $1 || '_[0-9]{8}$')
      order by c.relname`,
    [table],
  );
}

const dayStart = (day: number): string => new Date(day * DAY_MILLIS).toISOString();
