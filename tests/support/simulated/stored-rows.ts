import type { ProcessRow, ResourceRow } from '@drover/contracts';
import { expect } from 'vitest';
import { PROCESS_COLUMNS, RESOURCE_COLUMNS } from '../../../apps/resource-store/src/sql/rows.sql.js';
import type { TestStore } from '../../../apps/resource-store/src/testing/start-store.js';
import { readProcess, type StoreModel } from '../../../libs/simulator/src/index.js';
import { byId, type History } from './history.js';

/** All rows of the model at one moment, as PostgreSQL would show them but for the numbers. */
export type StoredRows = ReturnType<typeof storedRows>;

const at = (column: string): string => `(floor(date_part('epoch', ${column}) * 1000))::float8`;

/** Copies what is stored: the model goes on. @param now database milliseconds */
export function storedRows(model: StoreModel, now: number) {
  return {
    resources: [...model.resources.values()].map(({ row, refs, purged }) => ({ row, refs: [...refs].sort(), purged })),
    live: [...model.live.values()].map((held) => ({
      row: readProcess(held, now),
      wakeAt: held.wakeAt,
      heldSince: held.heldSince,
    })),
    finished: [...model.finished.values()],
    feed: [...model.feed],
    gates: [...model.handlerGates].map(([handler, { failures, openedUntil }]) => ({ handler, failures, openedUntil })),
    slots: model.slots.map(({ engine, epoch, expiresAt }, slot) => ({ slot, engine, epoch, expiresAt })),
    pauses: [...model.pauses.keys()],
  };
}

/** Compares every row of the tables that a history changes. */
export async function expectSameRows(store: TestStore, history: History, model: StoredRows): Promise<void> {
  const time = (of: number | null): number | null => (of === null ? null : of + history.offset);
  const resources = await store.sql<ResourceRow>(
    `select ${RESOURCE_COLUMNS}, d.refs, ${at('d.purged')} as purged
       from resource r join resource_data d on d.id = r.id order by r.id`,
  );
  expect(resources).toEqual(
    byId(
      model.resources.map(({ row, refs, purged }) => ({
        ...history.resource(row),
        // As the transition has them: no statement of a history follows them.
        refs: refs.length === 0 ? null : refs,
        purged: time(purged),
      })),
    ),
  );
  const live = await store.sql<ProcessRow>(
    `select ${PROCESS_COLUMNS}, case when p.next_wake_at < 'infinity' then ${at('p.next_wake_at')} end as "wakeAt",
            ${at('p.held_since')} as "heldSince"
       from process_live p order by p.id`,
  );
  expect(live).toEqual(
    byId(
      model.live.map(({ row, wakeAt, heldSince }) => ({
        ...history.process(row),
        wakeAt: wakeAt === Infinity ? null : time(wakeAt),
        heldSince: time(heldSince),
      })),
    ),
  );
  const finished = await store.sql(
    `select id, resource_id as "resourceId", name, state_field as "stateField", execution_count as "executionCount",
            exit_reason as "exitReason", error_code as "errorCode", error_message as "errorMessage", progress, data,
            parent_id as "parentId", priority, ${at('start_time')} as "startTime", ${at('end_time')} as "endTime"
       from process_finished order by id`,
  );
  expect(finished).toEqual(
    byId(
      model.finished.map(({ row, exitReason, errorCode, errorMessage, progress, endTime }) => ({
        id: history.id(row.id),
        resourceId: history.id(row.resourceId),
        name: row.name,
        stateField: row.stateField,
        executionCount: row.executionCount,
        exitReason,
        errorCode,
        errorMessage,
        progress,
        data: row.data,
        parentId: history.id(row.parentId),
        priority: row.priority,
        startTime: time(row.startTime),
        endTime: time(endTime),
      })),
    ),
  );
  const feed = await store.sql(
    `select resource_id as "resourceId", process_id as "processId", revision, kind, process,
            coalesce(state_field, 'state') as "stateField", from_state as "from", to_state as "to"
       from feed order by id`,
  );
  expect(feed).toEqual(
    model.feed.map(({ id: _id, visibleAt: _visibleAt, ...row }) => ({
      ...row,
      resourceId: history.id(row.resourceId),
      processId: history.id(row.processId),
    })),
  );
  const gates = await store.sql(
    `select handler, failures, ${at('opened_until')} as "openedUntil" from handler_gate order by handler collate "C"`,
  );
  expect(gates).toEqual(
    model.gates
      .map((gate) => ({ ...gate, openedUntil: time(gate.openedUntil) }))
      .sort((a, b) => (a.handler < b.handler ? -1 : 1)),
  );
  const slots = await store.sql(
    `select slot, engine, epoch, ${at('expires_at')} as "expiresAt" from reply_slot order by slot`,
  );
  expect(slots).toEqual(model.slots.map((slot) => ({ ...slot, expiresAt: time(slot.expiresAt) })));
  const pauses = await store.sql<{ scope: string }>('select scope from pause');
  expect(pauses.map(({ scope }) => scope).sort()).toEqual(model.pauses.map((scope) => history.scope(scope)).sort());
}
