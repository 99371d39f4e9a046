import type { PauseRow } from '@drover/contracts';
import { failureKind, oneRow, rows } from '@drover/database';
import { DroverError } from '@drover/kernel';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import { Hints } from '../observability/hints.js';
import { raiseRevision } from '../registry/definition-store.js';
import {
  ANY_HELD,
  LIFT_PAUSE,
  LIFTED_SCOPES,
  LIST_PAUSES,
  LOCK_OUT_COMMITS,
  READ_PAUSE,
  SET_PAUSE,
  WAKE_HELD,
} from '../sql/gates.sql.js';

/** Processes that one pause held are woken this many at a time. */
export const WAKE_BATCH = 500;

/** Sets and lifts pauses. Each change raises the registry revision in its own transaction, so that older decisions are made anew. */
@Injectable()
export class PausesService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly hints: Hints,
  ) {}

  async set({ scope, operator, reason }: Omit<PauseRow, 'since'>): Promise<{ pause: PauseRow; created: boolean }> {
    const present = await oneRow<PauseRow>(this.dataSource, READ_PAUSE, [scope]);
    if (present !== undefined && present.reason === reason) return { pause: present, created: false };
    const answer = await this.change(async (on) => {
      const created = (await oneRow<PauseRow>(on, READ_PAUSE, [scope])) === undefined;
      return { pause: (await oneRow<PauseRow>(on, SET_PAUSE, [scope, operator, reason]))!, created };
    });
    this.hints.registry();
    return answer;
  }

  /** What it held goes on: a first batch at once, the rest by the gates' job. */
  async lift(scope: string): Promise<{ pause: PauseRow | null; woken: number }> {
    if ((await oneRow(this.dataSource, READ_PAUSE, [scope])) === undefined) return { pause: null, woken: 0 };
    const pause = await this.change((on) => oneRow<PauseRow>(on, LIFT_PAUSE, [scope]));
    this.hints.registry();
    const woken = await this.wake(scope);
    this.hints.gates();
    return { pause: pause ?? null, woken };
  }

  list(scope: string | null): Promise<(PauseRow & { held: number })[]> {
    return rows<PauseRow & { held: number }>(this.dataSource, LIST_PAUSES, [scope]);
  }

  /** Whether a pause or a limit holds a process. */
  async anyHeld(): Promise<boolean> {
    return (await oneRow(this.dataSource, ANY_HELD)) !== undefined;
  }

  /** Wakes what pauses held that are no longer set. @returns whether more is left */
  async wakeLifted(): Promise<boolean> {
    const lifted = await rows<{ scope: string }>(this.dataSource, LIFTED_SCOPES);
    let more = false;
    for (const { scope } of lifted) more = (await this.wake(scope)) === WAKE_BATCH || more;
    return more;
  }

  private async wake(scope: string): Promise<number> {
    const woken = await rows(this.dataSource, WAKE_HELD, [scope, WAKE_BATCH]);
    if (woken.length > 0) this.hints.due();
    return woken.length;
  }

  /** @throws DroverError Unavailable when a commit keeps the lock for too long */
  private async change<T>(work: (on: EntityManager) => Promise<T>): Promise<T> {
    try {
      return await this.dataSource.transaction(async (on) => {
        await rows(on, LOCK_OUT_COMMITS);
        const changed = await work(on);
        await raiseRevision(on);
        return changed;
      });
    } catch (cause) {
      if (cause instanceof DroverError || failureKind(cause) !== 'repeat') throw cause;
      throw new DroverError('Unavailable', 'The database does not answer', { cause });
    }
  }
}
