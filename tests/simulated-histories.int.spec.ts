import { readFileSync } from 'node:fs';
import { createDatabase } from '@drover/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startStore, type TestStore } from '../apps/resource-store/src/testing/start-store.js';
import { BEGINNING, simulate, type StoreOperation, typesOf } from '../libs/simulator/src/index.js';
import { History } from './support/simulated/history.js';
import { empty, Repetition } from './support/simulated/repeat.js';
import { expectSameRows, type StoredRows, storedRows } from './support/simulated/stored-rows.js';

/** Histories that are repeated; each holds some hundred commits. */
const SEEDS = 16;

const definition = (name: string): string =>
  readFileSync(new URL(`../examples/definitions/${name}.yaml`, import.meta.url), 'utf8');
const types = typesOf(['instance', 'volume', 'nic', 'ipAddress'].map(definition));

/**
 * PostgreSQL with a clock that stands still until it is set: an unqualified `now()` finds this function before the system's own. The
 * store's statements are the real ones, and so every clock can be compared to the millisecond.
 */
const SETTABLE_CLOCK = `
create table public.simulated_clock (at timestamptz not null);
insert into public.simulated_clock values (pg_catalog.now());
create function public.now() returns timestamptz language sql stable as 'select at from public.simulated_clock'`;

interface Step {
  operation: StoreOperation;
  now: number;
  /** what the model holds then, where it is compared */
  rows: StoredRows | null;
}

let store: TestStore;
let clockAt = 0;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  const database = await createDatabase();
  closing.push(async () => database[Symbol.asyncDispose]());
  {
    await using plain = await startStore({ databaseUrl: database.url });
    await plain.sql(`drop schema public cascade`);
    await plain.sql(`create schema public`);
    for (const statement of SETTABLE_CLOCK.split(';')) await plain.sql(statement);
    await plain.sql(`alter database "${database.name}" set search_path = public, pg_catalog`);
  }
  store = await startStore({ databaseUrl: database.url });
  closing.unshift(async () => store[Symbol.asyncDispose]());
});
afterAll(async () => {
  for (const close of closing) await close();
});

/** @param at epoch milliseconds of the real database */
async function setClock(at: number): Promise<void> {
  if (at === clockAt) return;
  await store.sql('update public.simulated_clock set at = to_timestamp($1::double precision / 1000)', [at]);
  clockAt = at;
}

it(`PostgreSQL answers and keeps what the simulator's store does, in ${SEEDS} random histories`, async () => {
  let operations = 0;
  const kinds = new Set<string>();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const steps: Step[] = [];
    const { violations } = simulate({
      seed,
      types,
      record: (operation, now, model) => {
        const compared = operation.kind === 'atRest' || operation.kind === 'deletePurged';
        steps.push({ operation, now, rows: compared ? storedRows(model, now) : null });
      },
    });
    expect(violations).toEqual([]);
    const [registry] = await store.sql<{ revision: number }>('select revision from registry');
    const history = new History(seed, Date.now() - BEGINNING, registry!.revision - 1);
    const repetition = new Repetition(store, history, types);
    await setClock(BEGINNING + history.offset);
    await empty(store, 4);
    for (const [i, { operation, now, rows }] of steps.entries()) {
      kinds.add(operation.kind);
      await setClock(now + history.offset);
      try {
        await repetition.ask(operation);
        if (rows !== null) await expectSameRows(store, history, rows);
      } catch (cause) {
        throw new Error(`seed ${seed}, operation ${i}: ${JSON.stringify(operation)}`, { cause });
      }
    }
    operations += steps.length;
  }
  console.log(`${SEEDS} histories, ${operations} operations of ${kinds.size} kinds on PostgreSQL, all as in the model`);
}, 300_000);
