import {
  type CommitOutcome,
  type CommitTransition,
  type HandlerRow,
  type ProcessFields,
  type ProcessInsert,
  type ProcessRow,
  type RelationRef,
  type ResourceRow,
  SLOT_LEASE_MILLIS,
  type WorkRow,
} from '@drover/contracts';
import {
  awaitedProcesses,
  isGone,
  isPause,
  type LeaseRequest,
  type GivenSlot,
  regionOf,
  type RelatedChild,
  type RelatedMember,
} from '@drover/process-model';
import { type FeedEntry, type FinishedProcess, type LiveProcess, readProcess, type StoredResource } from './rows.js';

/** What one applied transition did: what the checks of a simulation look at. */
export interface Applied {
  transition: CommitTransition;
  /** null: it was inserted */
  before: ResourceRow | null;
  after: ResourceRow;
  /** the guarded process as it was */
  guarded: LiveProcess | null;
  /** the process that is live in the region now because of this transition */
  live: LiveProcess | null;
  /** processes that this transition ended, the guarded one first */
  ended: FinishedProcess[];
}

/** What was asked of the store, with its answer: a history that another store can be asked to repeat. */
export type StoreOperation =
  | { kind: 'commit'; transition: CommitTransition; outcome: CommitOutcome }
  | { kind: 'claim'; leaseMillis: number; processIds: number[] }
  | { kind: 'release'; handler: string; limit: number; released: number }
  | { kind: 'wakeOldest'; woken: number }
  | { kind: 'wakeSlot'; slot: number; epoch: number; held: number; woken: number }
  | { kind: 'registry' };

/** Guards and duties that a planted defect switches off. */
export interface StoreDefects {
  /** versions and revisions are not compared */
  blindWrites?: boolean;
  /** an old registry revision is accepted */
  staleRegistry?: boolean;
  /** commands are not remembered */
  forgetsCommands?: boolean;
  /** a start looks neither at the state nor at who holds the region */
  startsBesideLive?: boolean;
  /** reaching removed leaves what is live in the other regions */
  noSweep?: boolean;
  /** a change without a move of the state leaves no feed row */
  quietChanges?: boolean;
  /** a retry's wake-up is not stored */
  losesWakeUps?: boolean;
  /** a wake-up of a slot does not ask for the holder's epoch */
  noEpoch?: boolean;
}

const STATES_WITHOUT_WORK: ReadonlySet<string> = new Set(['dispatched', 'running']);
const AWAITING: ReadonlySet<string> = new Set(['waitingChildren', 'canceling']);

/**
 * The resource-store in memory: the same guards in the same order, and the same rows afterwards, as the statements of
 * apps/resource-store/src/sql. A test replays its histories against PostgreSQL and compares. Rows are replaced, never changed, so
 * that callers may keep them.
 */
export class StoreModel {
  readonly resources = new Map<number, StoredResource>();
  readonly live = new Map<number, LiveProcess>();
  readonly finished = new Map<number, FinishedProcess>();
  readonly feed: FeedEntry[] = [];
  readonly commands = new Map<string, { hash: string | null; resourceId: number; processId: number | null }>();
  readonly slots: { engine: string | null; epoch: number; expiresAt: number }[];
  handlers: readonly HandlerRow[] = [];
  registryRevision = 1;
  private lastNumber = 0;
  private readonly uuids = new Set<string>();
  private counted: { at: number; bySlot: Record<string, number> } | null = null;

  /**
   * @param now      the database's clock, epoch milliseconds
   * @param observer told of each applied transition, after it
   */
  constructor(
    private readonly now: () => number,
    private readonly observer: (applied: Applied) => void = () => undefined,
    slots = 4,
    private readonly defects: StoreDefects = {},
    private readonly record: (operation: StoreOperation) => void = () => undefined,
  ) {
    this.slots = Array.from({ length: slots }, () => ({ engine: null, epoch: 0, expiresAt: 0 }));
  }

  /** Another set of active handlers, or another definition: one revision covers both. */
  changeRegistry(handlers: readonly HandlerRow[] = this.handlers): void {
    this.handlers = handlers;
    this.registryRevision++;
    this.record({ kind: 'registry' });
  }

  /** Commits one transition: wholly or not at all. */
  commit(transition: CommitTransition): CommitOutcome {
    const outcome = this.judge(transition);
    this.record({ kind: 'commit', transition, outcome });
    return outcome;
  }

  private judge(transition: CommitTransition): CommitOutcome {
    const { commandId } = transition;
    const known = commandId === null ? undefined : this.commands.get(commandId);
    if (known !== undefined && this.defects.forgetsCommands !== true) return this.repeat(transition, known);
    if (
      transition.asChild !== undefined &&
      this.live.get(transition.start!.parentId!)?.row.status !== 'waitingChildren'
    )
      return { outcome: 'parentEnded' };
    if (transition.registryRevision < this.registryRevision && this.defects.staleRegistry !== true)
      return { outcome: 'staleRegistry', registryRevision: this.registryRevision };
    return transition.insert === null ? this.step(transition) : this.insert(transition);
  }

  /** Hands out due processes, the most important first; each falls due again after the lease. */
  claim(limit: number, leaseMillis: number): { work: WorkRow[]; nextInMillis: number | null } {
    const now = this.now();
    const due: LiveProcess[] = [];
    for (const held of this.live.values()) if (held.wakeAt <= now) due.push(held);
    due.sort((a, b) => a.wakeAt - b.wakeAt);
    const chosen = due.slice(0, limit * 4);
    chosen.sort((a, b) => b.row.priority - a.row.priority || a.wakeAt - b.wakeAt);
    const work = chosen.slice(0, limit).map((held) => {
      held.wakeAt = now + leaseMillis;
      return this.workOf(held);
    });
    if (work.length > 0) this.record({ kind: 'claim', leaseMillis, processIds: work.map(({ process }) => process.id) });
    let next = Infinity;
    for (const { wakeAt } of this.live.values()) next = Math.min(next, wakeAt);
    return { work, nextInMillis: next === Infinity ? null : Math.max(0, next - now) };
  }

  /** A live process with its resource, and the one that waits for its cancelled attempt. */
  load(processId: number): { live: WorkRow | null; successor: WorkRow | null } {
    const held = this.live.get(processId);
    let successor: LiveProcess | null = null;
    for (const other of this.live.values())
      if (other.row.predecessorId !== null && awaitedProcesses(other.row).includes(processId)) successor = other;
    return {
      live: held === undefined ? null : this.workOf(held),
      successor: successor === null ? null : this.workOf(successor),
    };
  }

  /** Wakes processes that wait for a handler. @returns how many */
  release(handler: string, limit: number): number {
    const now = this.now();
    let released = 0;
    for (const held of this.live.values()) {
      if (released >= limit || held.row.waitingHandler !== handler || held.wakeAt <= now) continue;
      held.wakeAt = now;
      held.row = { ...held.row, resend: true };
      released++;
    }
    this.record({ kind: 'release', handler, limit, released });
    return released;
  }

  /** Wakes the oldest waiting process of each absent handler. @returns how many */
  wakeOldestWaiting(): number {
    const now = this.now();
    const oldest = new Map<string, LiveProcess>();
    for (const held of this.live.values()) {
      const { waitingHandler, id } = held.row;
      if (waitingHandler === null) continue;
      const other = oldest.get(waitingHandler);
      if (other === undefined || id < other.row.id) oldest.set(waitingHandler, held);
    }
    let woken = 0;
    for (const held of oldest.values()) {
      if (held.wakeAt <= now) continue;
      held.wakeAt = now;
      woken++;
    }
    if (woken > 0) this.record({ kind: 'wakeOldest', woken });
    return woken;
  }

  /** Renews, takes, adopts and gives back reply slots. */
  lease(engine: string, request: LeaseRequest): { slots: GivenSlot[]; liveProcesses: Record<string, number> } {
    const now = this.now();
    const expiresAt = now + SLOT_LEASE_MILLIS;
    for (const slot of request.release) {
      const lease = this.slots[slot]!;
      if (lease.engine === engine) Object.assign(lease, { engine: null, expiresAt: now });
    }
    const given: GivenSlot[] = [];
    for (const { slot, epoch } of request.held) {
      const lease = this.slots[slot]!;
      if (lease.engine !== engine || lease.epoch !== epoch || request.release.includes(slot)) continue;
      lease.expiresAt = expiresAt;
      given.push({ slot, epoch, lapsed: false });
    }
    const liveProcesses = this.liveBySlot(now);
    const take = (slot: number): void => {
      const lease = this.slots[slot]!;
      given.push({ slot, epoch: lease.epoch + 1, lapsed: lease.engine !== null });
      Object.assign(lease, { engine, epoch: lease.epoch + 1, expiresAt });
    };
    const named = new Set(given.map(({ slot }) => slot));
    const free = this.slots
      .map((lease, slot) => ({ lease, slot, busy: String(slot) in liveProcesses }))
      .filter(
        ({ lease, slot }) =>
          !named.has(slot) && (lease.engine === null || lease.engine === engine || lease.expiresAt < now),
      )
      .sort((a, b) => Number(b.busy) - Number(a.busy) || a.slot - b.slot);
    for (const { slot } of free.slice(0, Math.max(0, request.want))) take(slot);
    this.slots.forEach((lease, slot) => {
      if (lease.engine !== null && lease.engine !== engine && lease.expiresAt < now) take(slot);
    });
    return { slots: given, liveProcesses };
  }

  /** Marks what is out in a slot for a repeat with the same id, and wakes it. @returns how many */
  wakeSlot(slot: number, epoch: number): number {
    const held = this.slots[slot]!.epoch;
    const woken = held === epoch || this.defects.noEpoch === true ? this.wakeAllOf(slot) : 0;
    this.record({ kind: 'wakeSlot', slot, epoch, held, woken });
    return woken;
  }

  private wakeAllOf(slot: number): number {
    let woken = 0;
    for (const held of this.live.values()) {
      if (held.row.slot !== slot || !STATES_WITHOUT_WORK.has(held.row.status)) continue;
      held.wakeAt = this.now();
      held.row = { ...held.row, resend: true };
      woken++;
    }
    return woken;
  }

  /** The members of a relation, and the children that a process started with some of its dispatches. */
  readRelated(
    relation: RelationRef | null,
    stateField: string,
    parentId: number,
    dispatches: readonly number[],
  ): { members: RelatedMember[]; children: RelatedChild[] } {
    const members: RelatedMember[] = [];
    for (const { row, refs, live } of this.resources.values()) {
      const meant =
        relation?.kind === 'reference'
          ? row.id === relation.id
          : relation?.kind === 'list' && refs.includes(relation.ref);
      if (!meant || row.type !== relation!.type || isGone(row.state)) continue;
      const { state } = regionOf(row, stateField);
      members.push({ id: row.id, state, live: live.get(stateField)?.row.name ?? null });
    }
    const children: RelatedChild[] = [];
    const child = (
      row: ProcessRow,
      exitReason: string | null,
      errorCode: string | null,
      errorMessage: string | null,
    ): void => {
      if (row.parentId !== parentId || !dispatches.includes(row.parentDispatch ?? 0)) return;
      const status = exitReason === null ? row.status : null;
      children.push({
        id: row.id,
        resourceId: row.resourceId,
        name: row.name,
        status,
        exitReason,
        errorCode,
        errorMessage,
      });
    };
    for (const { row } of this.live.values()) child(row, null, row.errorCode, row.errorMessage);
    for (const one of this.finished.values()) child(one.row, one.exitReason, one.errorCode, one.errorMessage);
    return { members, children };
  }

  resource(id: number): ResourceRow | null {
    return this.resources.get(id)?.row ?? null;
  }

  /** The live process of a region, as the database reads it now. */
  processOf(resourceId: number, stateField: string): ProcessRow | null {
    const held = this.resources.get(resourceId)?.live.get(stateField);
    return held === undefined ? null : readProcess(held, this.now());
  }

  private workOf(held: LiveProcess): WorkRow {
    return { process: readProcess(held, this.now()), resource: this.resources.get(held.row.resourceId)!.row };
  }

  private liveBySlot(now: number): Record<string, number> {
    if (this.counted === null || now - this.counted.at > 5_000) {
      const bySlot: Record<string, number> = {};
      for (const { row } of this.live.values())
        if (row.slot !== null) bySlot[String(row.slot)] = (bySlot[String(row.slot)] ?? 0) + 1;
      this.counted = { at: now, bySlot };
    }
    return this.counted.bySlot;
  }

  private repeat(
    { commandHash, returnResource }: CommitTransition,
    known: { hash: string | null; resourceId: number; processId: number | null },
  ): CommitOutcome {
    if (known.hash !== commandHash) return { outcome: 'commandReused' };
    const { resourceId, processId } = known;
    return { outcome: 'repeat', resourceId, processId, resource: returnResource ? this.resource(resourceId) : null };
  }

  private insert(transition: CommitTransition): CommitOutcome {
    const insert = transition.insert!;
    const { change, start, stateField } = transition;
    const to = change?.toState ?? 'requested';
    const toState = typeof to === 'string' ? to : to['requested'];
    if (toState === undefined) return { outcome: 'conflict', resource: null, process: null };
    if (this.uuids.has(insert.uuid)) return { outcome: 'notUnique', field: 'uuid' };
    this.uuids.add(insert.uuid);
    const now = this.now();
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
      id: ++this.lastNumber,
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
    const stored: StoredResource = { row, refs: change?.refs ?? insert.refs ?? [], live: new Map() };
    this.resources.set(row.id, stored);
    const live = start === null ? null : this.begin(stored, start, 'requested');
    this.note(transition, row, 'requested', toState, live?.row.id ?? null);
    this.remember(transition, row.id, live?.row.id ?? null);
    this.observer({ transition, before: null, after: row, guarded: null, live, ended: [] });
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
    const stored = this.resources.get(resourceId!);
    if (stored === undefined) return { outcome: 'conflict', resource: null, process: null };
    const before = stored.row;
    const from = stateField === 'state' ? before.state : before.regions[stateField]?.state;
    const held = stored.live.get(stateField);
    const to = change?.toState ?? from;
    const next = typeof to === 'object' ? to[from ?? ''] : to;
    const blind = this.defects.blindWrites === true;
    const lax = this.defects.startsBesideLive === true;
    const conflict =
      (transition.expectType !== null && transition.expectType !== before.type) ||
      (transition.expectRevision !== null && transition.expectRevision !== before.revision && !blind) ||
      (transition.expectStates !== null && !lax && (from === undefined || !transition.expectStates.includes(from))) ||
      (processId !== null &&
        (held?.row.id !== processId || (held.row.version !== transition.processVersion && !blind))) ||
      (start !== null && processId === null && held !== undefined && !lax) ||
      (transition.expectPassed !== null && held !== undefined && !passed(held, transition.expectPassed, this.now())) ||
      (start !== null && stateField !== 'state' && isGone(before.state)) ||
      next === undefined;
    if (conflict)
      return {
        outcome: 'conflict',
        resource: before,
        process: held === undefined ? null : readProcess(held, this.now()),
      };
    const after = change === null ? before : this.change(stored, transition, next);
    if (change?.refs !== undefined) stored.refs = change.refs;
    const ended: FinishedProcess[] = [];
    const guarded = processId === null ? null : held!;
    let live: LiveProcess | null = null;
    if (update !== null) live = this.update(stored, guarded!, update);
    if (end !== null) ended.push(this.finish(stored, guarded!, end));
    if (start !== null) live = this.begin(stored, start, from!, transition.asChild ?? guarded?.row);
    if (change !== null && stateField === 'state' && isGone(next) && this.defects.noSweep !== true)
      this.sweep(stored, ended);
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
    for (const parent of parents) if (parent !== null) this.wakeParent(parent);
    if (transition.orphans === true) for (const { row } of ended) this.wakeOrphans(row.id);
    this.remember(transition, before.id, live?.row.id ?? processId);
    this.observer({ transition, before, after, guarded, live, ended });
    return {
      outcome: 'applied',
      resourceId: before.id,
      revision: after.revision,
      state: next,
      fromState: from!,
      processId: live?.row.id ?? null,
      processVersion: live?.row.version ?? null,
      now: this.now(),
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
      removed: before.removed ?? (stateField === 'state' && isGone(state) ? this.now() : null),
    };
    return stored.row;
  }

  private note(transition: CommitTransition, row: ResourceRow, from: string, to: string, pid: number | null): void {
    const { change, stateField } = transition;
    if (this.defects.quietChanges === true && from === to && row.revision > 1) return;
    this.feed.push({
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
    if (commandId !== null) this.commands.set(commandId, { hash: commandHash, resourceId, processId });
  }

  private update(stored: StoredResource, guarded: LiveProcess, fields: ProcessFields): LiveProcess {
    const now = this.now();
    const pause = isPause(fields.heldBy);
    const lasted = guarded.heldSince !== null && !pause ? now - guarded.heldSince : 0;
    const later = (at: number | null): number | null => (at === null ? null : at + lasted);
    const clock = (millis: number | 'keep' | null, kept: number | null): number | null =>
      millis === 'keep' ? kept : millis === null ? null : now + millis;
    const notAfter = fields.notAfter ?? Infinity;
    const deadline = clock(fields.deadlineMillis, guarded.deadline);
    const clocks = {
      deadline: typeof fields.deadlineMillis === 'number' ? Math.min(deadline!, notAfter) : deadline,
      waitDeadline: clock(fields.waitDeadlineMillis, later(guarded.waitDeadline)),
      totalDeadline: later(guarded.totalDeadline),
      heldSince: pause ? (guarded.heldSince ?? now) : null,
    };
    const next: LiveProcess = {
      row: rowWith(guarded.row, fields, guarded.row.version + 1),
      ...clocks,
      wakeAt: fields.wakeMillis === 'keep' ? guarded.wakeAt : Math.min(notAfter, this.wakeAt(fields, clocks, now)),
    };
    this.put(stored, next);
    return next;
  }

  /** @param family what says what an early end of its parent means to a child: its parent's start, or the child before it */
  private begin(
    stored: StoredResource,
    start: ProcessInsert,
    from: string,
    family?: Pick<ProcessRow, 'parentEnd'>,
  ): LiveProcess {
    const now = this.now();
    const { deadlineMillis, waitDeadlineMillis, totalMillis } = start;
    const clocks = {
      deadline: typeof deadlineMillis === 'number' ? now + deadlineMillis : null,
      waitDeadline: typeof waitDeadlineMillis === 'number' ? now + waitDeadlineMillis : null,
      totalDeadline: totalMillis === null ? null : now + totalMillis,
      heldSince: isPause(start.heldBy) ? now : null,
    };
    const { row } = stored;
    const fresh: ProcessRow = {
      id: ++this.lastNumber,
      resourceId: row.id,
      resourceType: row.type,
      stateField: start.stateField,
      definitionVersion: start.definitionVersion,
      beganState: start.beganState ?? from,
      token: start.token,
      data: start.data,
      notify: start.notify,
      parentId: start.parentId,
      parentDispatch: start.parentDispatch,
      parentEnd: start.parentId === null ? null : (family?.parentEnd ?? null),
      priority: start.priority,
      accountId: row.accountId,
      startTime: now,
    } as ProcessRow;
    const live: LiveProcess = {
      row: rowWith(fresh, start, 1),
      ...clocks,
      wakeAt: this.wakeAt(start, clocks, now),
    };
    this.put(stored, live);
    return live;
  }

  private put(stored: StoredResource, live: LiveProcess): void {
    stored.live.set(live.row.stateField, live);
    this.live.set(live.row.id, live);
  }

  private finish(stored: StoredResource, held: LiveProcess, end: CommitTransition['end'] & object): FinishedProcess {
    const { exitReason, progress, errorCode, errorMessage } = end;
    const done = { row: held.row, exitReason, progress, errorCode, errorMessage, endTime: this.now() };
    if (stored.live.get(held.row.stateField) === held) stored.live.delete(held.row.stateField);
    this.live.delete(held.row.id);
    this.finished.set(held.row.id, done);
    return done;
  }

  private sweep(stored: StoredResource, ended: FinishedProcess[]): void {
    for (const [stateField, held] of [...stored.live]) {
      if (stateField === 'state') continue;
      const { progress, errorCode, errorMessage } = held.row;
      ended.push(this.finish(stored, held, { exitReason: 'CANCELED', progress, errorCode, errorMessage }));
    }
  }

  /** Its version moves on too: what it decides meanwhile must not overwrite this wake-up. */
  private wakeParent(id: number): void {
    const held = this.live.get(id);
    if (held === undefined || !AWAITING.has(held.row.status)) return;
    held.wakeAt = this.now();
    held.row = { ...held.row, version: held.row.version + 1 };
  }

  /** Its children are to cancel themselves; their versions move on, as that of {@link wakeParent}. */
  private wakeOrphans(parentId: number): void {
    for (const held of this.live.values()) {
      if (held.row.parentId !== parentId || held.row.parentEnd !== null) continue;
      held.wakeAt = this.now();
      held.row = { ...held.row, version: held.row.version + 1, parentEnd: 'ended' };
    }
  }

  private wakeAt(
    fields: ProcessFields,
    clocks: { deadline: number | null; waitDeadline: number | null; totalDeadline: number | null },
    now: number,
  ): number {
    const { wakeMillis, status } = fields;
    if (wakeMillis === null || wakeMillis === 'keep' || (this.defects.losesWakeUps === true && status === 'backoff'))
      return Infinity;
    const asked = wakeMillis === 'deadline' ? (clocks.deadline ?? Infinity) : now + wakeMillis;
    const ahead = (at: number | null): number => (at !== null && at > now ? at : Infinity);
    return Math.min(asked, ahead(clocks.waitDeadline), ahead(clocks.totalDeadline));
  }
}

/** Has the named clock run out by the database's time? */
function passed(held: LiveProcess, clock: CommitTransition['expectPassed'], now: number): boolean {
  const at = clock === 'deadline' ? held.deadline : clock === 'wait' ? held.waitDeadline : held.totalDeadline;
  return at !== null && at <= now;
}

/** A row after a commit, without its clocks. */
function rowWith(rest: ProcessRow, fields: ProcessFields, version: number): ProcessRow {
  return {
    id: rest.id,
    version,
    resourceId: rest.resourceId,
    resourceType: rest.resourceType,
    stateField: rest.stateField,
    name: fields.name,
    definitionVersion: rest.definitionVersion,
    beganState: rest.beganState,
    status: fields.status,
    waitingHandler: fields.waitingHandler,
    slot: fields.slot,
    dispatch: fields.dispatch,
    token: rest.token,
    resend: false,
    executionCount: fields.executionCount,
    progress: fields.progress,
    data: rest.data,
    notify: rest.notify,
    predecessorId: fields.predecessorId,
    parentId: rest.parentId,
    parentDispatch: rest.parentDispatch,
    parentEnd: rest.parentEnd,
    heldBy: fields.heldBy,
    admitted: fields.admitted,
    priority: rest.priority,
    accountId: rest.accountId,
    startTime: rest.startTime,
    errorCode: fields.errorCode,
    errorMessage: fields.errorMessage,
    deadlineInMillis: null,
    totalDeadlineInMillis: null,
    waitDeadlineInMillis: null,
    readAt: 0,
  };
}
