import type { CommitTransition, ProcessFields, ProcessInsert, ProcessRow } from '@drover/contracts';
import { type FinishedProcess, isPause, type LiveProcess, type StoredResource } from './rows.js';
import type { Tables } from './tables.js';

const AWAITING: ReadonlySet<string> = new Set(['waitingChildren', 'canceling']);

/** Rows of live and finished processes, as the commit statements write them. */
export class Processes {
  constructor(private readonly tables: Tables) {}

  update(stored: StoredResource, guarded: LiveProcess, fields: ProcessFields): LiveProcess {
    const now = this.tables.now();
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
      heldSince: pause && this.tables.defects.clocksRun !== true ? (guarded.heldSince ?? now) : null,
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
  begin(
    stored: StoredResource,
    start: ProcessInsert,
    from: string,
    family?: Pick<ProcessRow, 'parentEnd'>,
  ): LiveProcess {
    const now = this.tables.now();
    const { deadlineMillis, waitDeadlineMillis, totalMillis } = start;
    const clocks = {
      deadline: typeof deadlineMillis === 'number' ? now + deadlineMillis : null,
      waitDeadline: typeof waitDeadlineMillis === 'number' ? now + waitDeadlineMillis : null,
      totalDeadline: totalMillis === null ? null : now + totalMillis,
      heldSince: isPause(start.heldBy) ? now : null,
    };
    const { row } = stored;
    const fresh: ProcessRow = {
      id: this.tables.nextNumber(),
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
    this.tables.live.set(live.row.id, live);
  }

  finish(stored: StoredResource, held: LiveProcess, end: CommitTransition['end'] & object): FinishedProcess {
    const { exitReason, progress, errorCode, errorMessage } = end;
    const done = { row: held.row, exitReason, progress, errorCode, errorMessage, endTime: this.tables.now() };
    if (stored.live.get(held.row.stateField) === held) stored.live.delete(held.row.stateField);
    this.tables.live.delete(held.row.id);
    this.tables.finished.set(held.row.id, done);
    return done;
  }

  sweep(stored: StoredResource, ended: FinishedProcess[]): void {
    for (const [stateField, held] of [...stored.live]) {
      if (stateField === 'state') continue;
      const { progress, errorCode, errorMessage } = held.row;
      ended.push(this.finish(stored, held, { exitReason: 'CANCELED', progress, errorCode, errorMessage }));
    }
  }

  /** Its version moves on too: what it decides meanwhile must not overwrite this wake-up. */
  wakeParent(id: number): void {
    const held = this.tables.live.get(id);
    if (held === undefined || !AWAITING.has(held.row.status)) return;
    held.wakeAt = this.tables.now();
    held.row = { ...held.row, version: held.row.version + 1 };
  }

  /** Its children are to cancel themselves; their versions move on, as that of {@link wakeParent}. */
  wakeOrphans(parentId: number): void {
    for (const held of this.tables.live.values()) {
      if (held.row.parentId !== parentId || held.row.parentEnd !== null) continue;
      held.wakeAt = this.tables.now();
      held.row = { ...held.row, version: held.row.version + 1, parentEnd: 'ended' };
    }
  }

  private wakeAt(
    fields: ProcessFields,
    clocks: { deadline: number | null; waitDeadline: number | null; totalDeadline: number | null },
    now: number,
  ): number {
    const { wakeMillis, status } = fields;
    if (
      wakeMillis === null ||
      wakeMillis === 'keep' ||
      (this.tables.defects.losesWakeUps === true && status === 'backoff')
    )
      return Infinity;
    const asked = wakeMillis === 'deadline' ? (clocks.deadline ?? Infinity) : now + wakeMillis;
    const ahead = (at: number | null): number => (at !== null && at > now ? at : Infinity);
    return Math.min(asked, ahead(clocks.waitDeadline), ahead(clocks.totalDeadline));
  }
}

/** Has the named clock run out by the database's time? */
export function passed(held: LiveProcess, clock: CommitTransition['expectPassed'], now: number): boolean {
  const at = clock === 'deadline' ? held.deadline : clock === 'wait' ? held.waitDeadline : held.totalDeadline;
  return at !== null && at <= now;
}

/**
 * A row after a commit, without its clocks. The engine has such a function (process-model, rows-after.ts), and this must not be it:
 * what the engine believes to be stored is compared with what the model stores.
 */
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
