import { purgeCommandOf } from '../engine/purges.js';
import type { Applied } from '../store/rows.js';
import type { StoreModel } from '../store/store-model.js';
import type { Fail, Setting } from './setting.js';

/** Removed resources: purged when it is time, deleted when nothing names them, and never under somebody's hands. */
export class PurgeChecks {
  /** commands of sweeps */
  private readonly sweeps = new Set<string>();

  constructor(
    private readonly setting: Setting,
    private readonly fail: Fail,
  ) {}

  /** A sweep is about to purge a resource with this command. */
  sweeping(commandId: string): void {
    this.sweeps.add(commandId);
  }

  applied({ transition, before, guarded }: Applied): void {
    const { commandId, start } = transition;
    if (commandId === null || start === null || !this.sweeps.has(commandId) || before === null) return;
    const { id, type, removed, state } = before;
    const delay = this.setting.typeAt(type, 0).purgeAfterMillis;
    const now = Math.floor(this.setting.now());
    if (removed === null || delay === null || removed > now - delay)
      this.fail(`purge: resource ${id} is purged ${now - (removed ?? now)} ms after its removal, not ${delay}`);
    if (guarded !== null || state !== 'removed') this.fail(`purge: resource ${id} is purged while it is ${state}`);
  }

  /** Has everything that is to be purged been looked at? */
  swept({ resources, commands }: StoreModel): boolean {
    for (const { row } of resources.values()) {
      const { id, type, state, removed } = row;
      if (state !== 'removed' || this.setting.typeAt(type, 0).purgeAfterMillis === null) continue;
      // One that was tried and cancelled is tried again when its command is forgotten.
      if (!commands.has(purgeCommandOf(id, removed!))) return false;
    }
    return true;
  }

  /** Housekeeping has deleted: these resources should be gone, and nothing that anybody still needs. */
  deleted(purged: readonly number[], { resources, live }: StoreModel): void {
    for (const id of purged) if (resources.has(id)) this.fail(`purge: resource ${id} was purged, and is still there`);
    for (const { row } of live.values())
      if (!resources.has(row.resourceId)) this.fail(`purge: process ${row.id} lives on a deleted resource`);
  }
}
