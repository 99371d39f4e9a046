import { rows } from '@drover/database';
import type { TypeDefinition } from '@drover/process-model';
import { expect } from 'vitest';
import { DuePurgesService } from '../../../apps/resource-store/src/clean-up/due-purges.service.js';
import { DueWorkService } from '../../../apps/resource-store/src/due-work/due-work.service.js';
import { AdmissionsService } from '../../../apps/resource-store/src/gates/admissions.service.js';
import { PausesService } from '../../../apps/resource-store/src/gates/pauses.service.js';
import { Hints } from '../../../apps/resource-store/src/observability/hints.js';
import type { RegistryService } from '../../../apps/resource-store/src/registry/registry.service.js';
import { SlotsService } from '../../../apps/resource-store/src/slots/slots.service.js';
import { DELETE_PURGED } from '../../../apps/resource-store/src/sql/clean-up.sql.js';
import { WAKE_OLDEST_WAITING } from '../../../apps/resource-store/src/sql/presence.sql.js';
import type { TestStore } from '../../../apps/resource-store/src/testing/start-store.js';
import type { StoreOperation } from '../../../libs/simulator/src/index.js';
import { byId, type History } from './history.js';

type Operation<Kind extends StoreOperation['kind']> = Extract<StoreOperation, { kind: Kind }>;

/** Asks the real store what the model was asked, and compares the answers. */
export class Repetition {
  private readonly purges: DuePurgesService;
  /** where a sweep goes on, in the database's own words */
  private nextPage: Awaited<ReturnType<DuePurgesService['list']>>['next'] = null;

  constructor(
    private readonly store: TestStore,
    private readonly history: History,
    types: readonly TypeDefinition[],
  ) {
    const registry = { types: () => Promise.resolve({ all: () => types }) } as unknown as RegistryService;
    this.purges = new DuePurgesService(store.dataSource, registry);
  }

  async ask(operation: StoreOperation): Promise<void> {
    const { store } = this;
    switch (operation.kind) {
      case 'commit':
        return this.commit(operation);
      case 'claim':
        return this.claim(operation);
      case 'release':
        expect(await store.get(DueWorkService).release(operation.handler, operation.limit)).toBe(operation.released);
        return;
      case 'wakeOldest':
        expect(await store.sql(WAKE_OLDEST_WAITING)).toHaveLength(operation.woken);
        return;
      case 'lease':
        return this.lease(operation);
      case 'wakeSlot':
        expect(await store.get(SlotsService).wake(operation.slot, operation.epoch)).toBe(operation.woken);
        return;
      case 'pause':
        return this.pause(operation);
      case 'wakeLifted':
        await store.get(PausesService).wakeLifted();
        return;
      case 'wakeOverlooked':
        return store.get(AdmissionsService).wakeOverlooked();
      case 'admit':
        return this.admit(operation);
      case 'duePurges':
        return this.duePurges(operation);
      case 'dropHistory':
        // Stands for the partitions of those days.
        await store.sql(`delete from process_finished where end_time < now() - $1 * interval '1 day'`, [
          operation.days,
        ]);
        await store.sql(`delete from feed where time < now() - $1 * interval '1 day'`, [operation.days]);
        return;
      case 'deletePurged': {
        const page = await store.sql<{ deleted: number }>(DELETE_PURGED, [operation.days, 500, '-infinity', 0]);
        expect(page[0]?.deleted ?? 0).toBe(operation.deleted.length);
        return;
      }
      case 'registry':
        await store.sql('update registry set revision = revision + 1');
        return;
      case 'atRest':
    }
  }

  private async commit({ transition, outcome: expected }: Operation<'commit'>): Promise<void> {
    const { history } = this;
    const [outcome] = await this.store.commit(history.transition(transition));
    history.learn(expected, outcome!);
    if (outcome!.outcome === 'applied' && outcome!.swept !== undefined) byId(outcome!.swept);
    expect(outcome).toEqual(history.outcome(expected));
  }

  private async claim({ limit, leaseMillis, processIds, nextInMillis }: Operation<'claim'>): Promise<void> {
    const claimed = await this.store.get(DueWorkService).claim(limit, leaseMillis);
    expect(claimed.work.map(({ process }) => process.id).sort()).toEqual(this.ids(processIds));
    // A difference of two times as a floating-point number may lose a millisecond.
    if (nextInMillis === null) expect(claimed.nextInMillis).toBeNull();
    else expect(Math.abs(claimed.nextInMillis! - nextInMillis)).toBeLessThanOrEqual(1);
  }

  private async lease({ engine, request, slots, liveProcesses }: Operation<'lease'>): Promise<void> {
    // One of its own: the service counts the processes of the slots by its own clock, every few seconds.
    const service = new SlotsService(this.store.dataSource, this.store.get(Hints));
    const answer = await service.lease({ engine, ...request, takeLapsed: true });
    const bySlot = <T extends { slot: number }>(given: readonly T[]): T[] => [...given].sort((a, b) => a.slot - b.slot);
    expect(bySlot(answer.slots)).toEqual(bySlot(slots));
    expect(answer.liveProcesses).toEqual(liveProcesses);
  }

  private async pause({ scope, set, woken }: Operation<'pause'>): Promise<void> {
    const pauses = this.store.get(PausesService);
    const named = this.history.scope(scope);
    if (set) await pauses.set({ scope: named, operator: 'ann', reason: null });
    else expect((await pauses.lift(named)).woken).toBe(woken);
  }

  private async admit({ request, processIds, kind: _kind, ...expected }: Operation<'admit'>): Promise<void> {
    const registryRevision = this.history.baseRevision + request.registryRevision;
    const { work, ...answer } = await this.store.get(AdmissionsService).admit({ ...request, registryRevision });
    expect(work.map(({ process }) => process.id).sort()).toEqual(this.ids(processIds));
    expect(answer).toEqual(expected);
  }

  private async duePurges({ request, page }: Operation<'duePurges'>): Promise<void> {
    const { history } = this;
    const after = request.after === null ? null : this.nextPage;
    const found = await this.purges.list({ ...request, after });
    if (page.mine) this.nextPage = found.next;
    expect(found.mine).toBe(page.mine);
    expect(found.due).toEqual(
      page.due.map((due) => ({
        ...due,
        resourceId: history.id(due.resourceId),
        removed: due.removed + history.offset,
      })),
    );
    expect(found.next?.resourceId ?? null).toBe(page.next === null ? null : history.id(page.next.resourceId));
  }

  private ids(ofModel: readonly number[]): number[] {
    return ofModel.map((id) => this.history.id(id)).sort();
  }
}

/** Everything as before the first history: reply slots are free, nothing is stored. */
export async function empty({ dataSource }: TestStore, slots: number): Promise<void> {
  await rows(
    dataSource,
    `truncate resource, resource_data, process_live, process_finished, feed, command, pause, handler_gate, lease, reply_slot`,
  );
  await rows(
    dataSource,
    `insert into reply_slot (slot, epoch, expires_at, engine) select n, 0, now(), null from generate_series(0, $1 - 1) n`,
    [slots],
  );
}
