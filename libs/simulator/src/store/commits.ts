import type { CommitOutcome, CommitTransition, ResourceRow } from '@drover/contracts';
import { isGone } from '@drover/process-model';
import type { FeedTable } from './feed-table.js';
import { passed, type Processes } from './processes.js';
import { type FinishedProcess, type LiveProcess, readProcess, type StoredResource } from './rows.js';
import type { Tables } from './tables.js';

/** Commits of transitions: the same guards in the same order, and the same rows afterwards, as the commit statements. */
export class Commits {
  constructor(
    private readonly tables: Tables,
    private readonly processes: Processes,
    private readonly feed: FeedTable,
  ) {}

  /** Commits one transition: wholly or not at all. */
  commit(transition: CommitTransition): CommitOutcome {
    const outcome = this.judge(transition);
    this.tables.record({ kind: 'commit', transition, outcome });
    return outcome;
  }

  private judge(transition: CommitTransition): CommitOutcome {
    const { commandId } = transition;
    const known = commandId === null ? undefined : this.tables.commands.get(commandId);
    if (known !== undefined && this.tables.defects.forgetsCommands !== true) return this.repeat(transition, known);
    const { asChild, start } = transition;
    if (asChild !== undefined && this.tables.live.get(start!.parentId!)?.row.status !== 'waitingChildren')
      return { outcome: 'parentEnded' };
    if (transition.registryRevision < this.tables.registryRevision && this.tables.defects.staleRegistry !== true)
      return { outcome: 'staleRegistry', registryRevision: this.tables.registryRevision };
    return transition.insert === null ? this.step(transition) : this.insert(transition);
  }

  private repeat(
    { commandHash, returnResource }: CommitTransition,
    known: { hash: string | null; resourceId: number; processId: number | null },
  ): CommitOutcome {
    if (known.hash !== commandHash) return { outcome: 'commandReused' };
    const { resourceId, processId } = known;
    return {
      outcome: 'repeat',
      resourceId,
      processId,
      resource: returnResource ? this.tables.resource(resourceId) : null,
    };
  }

  private insert(transition: CommitTransition): CommitOutcome {
    const insert = transition.insert!;
    const { change, start, stateField } = transition;
    const to = change?.toState ?? 'requested';
    const toState = typeof to === 'string' ? to : to['requested'];
    if (toState === undefined) return { outcome: 'conflict', resource: null, process: null };
    if (this.tables.uuids.has(insert.uuid)) return { outcome: 'notUnique', field: 'uuid' };
    this.tables.uuids.add(insert.uuid);
    const now = this.tables.now();
    const rest = { transitioning: 'no', message: null, progress: null } as const;
    const regions: ResourceRow['regions'] = {};
    for (const [name, state] of Object.entries(insert.regions)) regions[name] = { state, ...rest };
    const moved =
      change === null
        ? { state: toState, ...rest }
        : {
            state: toState,
            transitioning: change.transitioning,
            message: change.message,
            progress: change.progress,
          };
    if (stateField !== 'state') regions[stateField] = moved;
    const row: ResourceRow = {
      id: this.tables.nextNumber(),
      type: insert.type,
      kind: insert.kind,
      uuid: insert.uuid,
      name: insert.name,
      description: insert.description,
      ...(stateField === 'state' ? moved : { state: 'requested', ...rest }),
      regions,
      revision: 1,
      data: change?.data == null ? insert.data : { ...insert.data, ...change.data },
      accountId: insert.accountId,
      created: now,
      removed: isGone(toState) ? now : null,
    };
    const stored: StoredResource = { row, refs: change?.refs ?? insert.refs ?? [], live: new Map(), purged: null };
    this.tables.resources.set(row.id, stored);
    const live = start === null ? null : this.processes.begin(stored, start, 'requested');
    this.note(transition, row, 'requested', toState, live?.row.id ?? null);
    this.remember(transition, row.id, live?.row.id ?? null);
    this.tables.observer({ transition, before: null, after: row, guarded: null, live, ended: [] });
    return {
      outcome: 'applied',
      resourceId: row.id,
      revision: 1,
      state: toState,
      fromState: 'requested',
      processId: live?.row.id ?? null,
      processVersion: live === null ? null : 1,
      now,
      before: null,
    };
  }

  private step(transition: CommitTransition): CommitOutcome {
    const { resourceId, stateField, change, update, end, start, processId } = transition;
    const stored = this.tables.resources.get(resourceId!);
    if (stored === undefined) return { outcome: 'conflict', resource: null, process: null };
    const before = stored.row;
    const from = stateField === 'state' ? before.state : before.regions[stateField]?.state;
    const held = stored.live.get(stateField);
    const to = change?.toState ?? from;
    const next = typeof to === 'object' ? to[from ?? ''] : to;
    const blind = this.tables.defects.blindWrites === true;
    const lax = this.tables.defects.startsBesideLive === true;
    const conflict =
      (transition.expectType !== null && transition.expectType !== before.type) ||
      (transition.expectRevision !== null && transition.expectRevision !== before.revision && !blind) ||
      (transition.expectStates !== null && !lax && (from === undefined || !transition.expectStates.includes(from))) ||
      (processId !== null &&
        (held?.row.id !== processId || (held.row.version !== transition.processVersion && !blind))) ||
      (start !== null && processId === null && held !== undefined && !lax) ||
      (transition.expectPassed !== null &&
        held !== undefined &&
        !passed(held, transition.expectPassed, this.tables.now())) ||
      (start !== null && stateField !== 'state' && isGone(before.state)) ||
      next === undefined;
    if (conflict)
      return {
        outcome: 'conflict',
        resource: before,
        process: held === undefined ? null : readProcess(held, this.tables.now()),
      };
    const after = change === null ? before : this.change(stored, transition, next);
    if (change?.refs !== undefined) stored.refs = change.refs;
    if (change !== null && stateField === 'state' && next === 'purged') stored.purged ??= this.tables.now();
    const ended: FinishedProcess[] = [];
    const guarded = processId === null ? null : held!;
    let live: LiveProcess | null = null;
    if (update !== null) live = this.processes.update(stored, guarded!, update);
    if (end !== null) ended.push(this.processes.finish(stored, guarded!, end));
    if (start !== null) live = this.processes.begin(stored, start, from!, transition.asChild ?? guarded?.row);
    if (change !== null && stateField === 'state' && isGone(next) && this.tables.defects.noSweep !== true)
      this.processes.sweep(stored, ended);
    const sweptRows = end === null ? ended : ended.slice(1);
    const swept = sweptRows.map(({ row }) => ({
      id: row.id,
      name: row.name,
      status: row.status,
      dispatch: row.dispatch,
      notify: row.notify,
      progress: row.progress,
    }));
    if (processId !== null && update === null && end === null) live = guarded;
    if (change !== null) {
      const name = change.process;
      const mine = start === null || guarded === null || name === start.name ? live : null;
      this.note(transition, after, from!, next, name === null ? null : (mine?.row.id ?? processId));
    }
    const parents = new Set([transition.wakeParent, ...sweptRows.map(({ row }) => row.parentId)]);
    for (const parent of parents) if (parent !== null) this.processes.wakeParent(parent);
    if (transition.orphans === true) for (const { row } of ended) this.processes.wakeOrphans(row.id);
    this.remember(transition, before.id, live?.row.id ?? processId);
    this.tables.observer({ transition, before, after, guarded, live, ended });
    return {
      outcome: 'applied',
      resourceId: before.id,
      revision: after.revision,
      state: next,
      fromState: from!,
      processId: live?.row.id ?? null,
      processVersion: live?.row.version ?? null,
      now: this.tables.now(),
      ...(swept.length === 0 ? {} : { swept }),
      before: transition.returnResource ? before : null,
    };
  }

  private change(stored: StoredResource, { change, stateField }: CommitTransition, state: string): ResourceRow {
    const before = stored.row;
    const { transitioning, message, progress, data } = change!;
    const region = { state, transitioning, message, progress };
    const main = stateField === 'state' ? region : before;
    stored.row = {
      id: before.id,
      type: before.type,
      kind: before.kind,
      uuid: before.uuid,
      name: change!.name === undefined ? before.name : change!.name,
      description: change!.description === undefined ? before.description : change!.description,
      state: main.state,
      transitioning: main.transitioning,
      message: main.message,
      progress: main.progress,
      regions: stateField === 'state' ? before.regions : { ...before.regions, [stateField]: region },
      revision: before.revision + 1,
      data: data === null ? before.data : { ...before.data, ...data },
      accountId: before.accountId,
      created: before.created,
      removed: before.removed ?? (stateField === 'state' && isGone(state) ? this.tables.now() : null),
    };
    return stored.row;
  }

  private note(transition: CommitTransition, row: ResourceRow, from: string, to: string, pid: number | null): void {
    const { change, stateField } = transition;
    if (this.tables.defects.quietChanges === true && from === to && row.revision > 1) return;
    this.feed.add({
      resourceId: row.id,
      processId: change?.process == null ? null : pid,
      revision: row.revision,
      kind: change?.feedKind ?? 'changed',
      process: change?.process ?? null,
      stateField,
      from,
      to,
    });
  }

  private remember({ commandId, commandHash }: CommitTransition, resourceId: number, processId: number | null): void {
    if (commandId !== null) this.tables.commands.set(commandId, { hash: commandHash, resourceId, processId });
  }
}
