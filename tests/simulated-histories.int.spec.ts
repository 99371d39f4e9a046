import { readFileSync } from 'node:fs';
import type { CommitOutcome, CommitTransition, ProcessFields, ProcessRow, ResourceRow } from '@drover/contracts';
import { createDatabase } from '@drover/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DueWorkService } from '../apps/resource-store/src/due-work/due-work.service.js';
import { SlotsService } from '../apps/resource-store/src/slots/slots.service.js';
import { WAKE_OLDEST_WAITING } from '../apps/resource-store/src/sql/presence.sql.js';
import { PROCESS_COLUMNS } from '../apps/resource-store/src/sql/rows.sql.js';
import { startStore, type TestStore } from '../apps/resource-store/src/testing/start-store.js';
import { readProcess, simulate, type StoreModel, type StoreOperation, typesOf } from '../libs/simulator/src/index.js';

/** Histories that are repeated; each holds some hundred commits. */
const SEEDS = 20;

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

let store: TestStore;
/** The real database lives today, the simulated one in its own time: milliseconds between them. */
let offset = 0;
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

async function setClock(now: number): Promise<void> {
  if (now === clockAt) return;
  await store.sql('update public.simulated_clock set at = to_timestamp($1::double precision / 1000)', [now + offset]);
  clockAt = now;
}

/** What the model's numbers are called in the real database. */
class Repeat {
  readonly ids = new Map<number, number>();
  readonly commands: string;
  private readonly baseRevision: number;

  constructor(seed: number, baseRevision: number) {
    this.commands = String(seed).padStart(8, '0');
    this.baseRevision = baseRevision;
  }

  id<T extends number | null>(of: T): T {
    if (of === null) return of;
    const known = this.ids.get(of);
    if (known === undefined) throw new Error(`the model's number ${of} has no counterpart`);
    return known as T;
  }

  transition(t: CommitTransition): CommitTransition {
    const fields = <F extends ProcessFields>(of: F | null): F | null =>
      of === null
        ? null
        : {
            ...of,
            // The swept process of another region may be known to the notes only: what is not live is no number either.
            predecessorId: of.predecessorId === null ? null : (this.ids.get(of.predecessorId) ?? null),
            ...(of.notAfter == null ? {} : { notAfter: of.notAfter + offset }),
          };
    return {
      ...t,
      commandId: t.commandId === null ? null : `${this.commands}${t.commandId.slice(8)}`,
      registryRevision: this.baseRevision + t.registryRevision,
      insert: t.insert === null ? null : { ...t.insert, uuid: `${this.commands}-${t.insert.uuid}` },
      resourceId: this.id(t.resourceId),
      processId: this.id(t.processId),
      wakeParent: this.id(t.wakeParent),
      update: fields(t.update),
      start: t.start === null ? null : { ...fields(t.start)!, parentId: this.id(t.start.parentId) },
    };
  }

  resource({ id, uuid, created, removed, ...row }: ResourceRow) {
    return {
      ...row,
      id: this.id(id),
      uuid: `${this.commands}-${uuid}`,
      created: created + offset,
      removed: removed === null ? null : removed + offset,
    };
  }

  process({ id, resourceId, predecessorId, parentId, startTime, readAt, ...row }: ProcessRow) {
    return {
      ...row,
      id: this.id(id),
      resourceId: this.id(resourceId),
      predecessorId: predecessorId === null ? null : (this.ids.get(predecessorId) ?? null),
      parentId: this.id(parentId),
      startTime: startTime + offset,
      readAt: readAt + offset,
    };
  }

  outcome(outcome: CommitOutcome): unknown {
    switch (outcome.outcome) {
      case 'applied': {
        const { resourceId, processId, now, before } = outcome;
        const ids = {
          resourceId: this.id(resourceId),
          processId: this.id(processId),
          ...(outcome.swept === undefined
            ? {}
            : { swept: byId(outcome.swept.map((one) => ({ ...one, id: this.id(one.id) }))) }),
        };
        const resource = before === null ? null : { ...this.resource(before), revision: outcome.revision };
        return { ...outcome, ...ids, now: now + offset, before: resource };
      }
      case 'repeat': {
        const { resourceId, processId, resource } = outcome;
        const ids = { resourceId: this.id(resourceId), processId: this.id(processId) };
        return { ...outcome, ...ids, resource: resource === null ? null : this.resource(resource) };
      }
      case 'conflict': {
        const { resource, process } = outcome;
        return {
          ...outcome,
          resource: resource === null ? null : this.resource(resource),
          process: process === null ? null : this.process(process),
        };
      }
      case 'staleRegistry':
        return { ...outcome, registryRevision: this.baseRevision + outcome.registryRevision };
      default:
        return outcome;
    }
  }

  /** Numbers are given where they are made: the first answer that names one is where it is learnt. */
  learn(model: CommitOutcome, real: CommitOutcome): void {
    if (model.outcome !== 'applied' || real.outcome !== 'applied') return;
    this.ids.set(model.resourceId, real.resourceId);
    if (model.processId !== null && real.processId !== null) this.ids.set(model.processId, real.processId);
  }
}

/** Sorted, in place: their order is nobody's promise. */
function byId<T extends { id: number }>(rows: T[]): T[] {
  return rows.sort((a, b) => a.id - b.id);
}

async function repeat(history: Repeat, operation: StoreOperation): Promise<void> {
  switch (operation.kind) {
    case 'commit': {
      const [outcome] = await store.commit(history.transition(operation.transition));
      history.learn(operation.outcome, outcome!);
      if (outcome!.outcome === 'applied' && outcome!.swept !== undefined) byId(outcome!.swept);
      expect(outcome).toEqual(history.outcome(operation.outcome));
      return;
    }
    case 'claim': {
      const { work } = await store.get(DueWorkService).claim(200, operation.leaseMillis);
      const claimed = work.map(({ process }) => process.id).sort();
      expect(claimed).toEqual(operation.processIds.map((id) => history.id(id)).sort());
      return;
    }
    case 'release':
      expect(await store.get(DueWorkService).release(operation.handler, operation.limit)).toBe(operation.released);
      return;
    case 'wakeOldest':
      expect(await store.sql(WAKE_OLDEST_WAITING)).toHaveLength(operation.woken);
      return;
    case 'wakeSlot':
      await store.sql('update reply_slot set epoch = $2 where slot = $1', [operation.slot, operation.held]);
      expect(await store.get(SlotsService).wake(operation.slot, operation.epoch)).toBe(operation.woken);
      return;
    case 'registry':
      await store.sql('update registry set revision = revision + 1');
  }
}

/** Everything that is stored about the history's resources. */
async function expectSameRows(history: Repeat, model: StoreModel, now: number): Promise<void> {
  const ids = [[...model.resources.keys()].map((id) => history.id(id))];
  const live = await store.sql<ProcessRow & { wakeAt: number | null }>(
    `select ${PROCESS_COLUMNS}, case when p.next_wake_at < 'infinity' then floor(date_part('epoch', p.next_wake_at) * 1000)::float8 end as "wakeAt"
       from process_live p where p.resource_id = any ($1::bigint[]) order by p.id`,
    ids,
  );
  const expected = [...model.live.values()].map((held) => ({
    ...history.process(readProcess(held, now)),
    wakeAt: held.wakeAt === Infinity ? null : held.wakeAt + offset,
  }));
  expect(live).toEqual(byId(expected));
  const finished = await store.sql(
    `select id, resource_id as "resourceId", name, exit_reason as "exitReason", error_code as "errorCode",
            error_message as "errorMessage", progress, (date_part('epoch', end_time) * 1000)::float8 as "endTime"
       from process_finished where resource_id = any ($1::bigint[]) order by id`,
    ids,
  );
  const ended = [...model.finished.values()].map(({ row, exitReason, errorCode, errorMessage, progress, endTime }) => ({
    id: history.id(row.id),
    resourceId: history.id(row.resourceId),
    name: row.name,
    exitReason,
    errorCode,
    errorMessage,
    progress,
    endTime: endTime + offset,
  }));
  expect(finished).toEqual(byId(ended));
  const feed = await store.sql(
    `select resource_id as "resourceId", process_id as "processId", revision, kind, process,
            coalesce(state_field, 'state') as "stateField", from_state as "from", to_state as "to"
       from feed where resource_id = any ($1::bigint[]) order by id`,
    ids,
  );
  expect(feed).toEqual(
    model.feed.map((row) => ({
      ...row,
      resourceId: history.id(row.resourceId),
      processId: history.id(row.processId),
    })),
  );
}

it(`PostgreSQL answers and keeps what the simulator's store does, in ${SEEDS} random histories`, async () => {
  let operations = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const recorded: { operation: StoreOperation; now: number }[] = [];
    const result = simulate({ seed, types, record: (operation, now) => recorded.push({ operation, now }) });
    expect(result.violations).toEqual([]);
    const [registry] = await store.sql<{ revision: number }>('select revision from registry');
    const history = new Repeat(seed, registry!.revision - 1);
    offset = Date.now() - recorded[0]!.now;
    for (const { operation, now } of recorded) {
      await setClock(now);
      await repeat(history, operation).catch((error: unknown) => {
        throw new Error(
          `seed ${seed}, operation ${recorded.findIndex((one) => one.operation === operation)}: ${JSON.stringify(operation)}`,
          {
            cause: error,
          },
        );
      });
    }
    await expectSameRows(history, result.store, recorded.at(-1)!.now);
    operations += recorded.length;
  }
  console.log(`${SEEDS} histories, ${operations} operations on PostgreSQL, all as in the model`);
}, 240_000);
