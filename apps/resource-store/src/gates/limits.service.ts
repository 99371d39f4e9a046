import type { LimitRow } from '@drover/contracts';
import { oneRow, rows } from '@drover/database';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import { Hints } from '../observability/hints.js';
import { raiseRevision } from '../registry/definition-store.js';
import { LIST_LIMITS, READ_LIMIT, REMOVE_LIMIT, SET_LIMIT } from '../sql/gates.sql.js';

/** Limits of concurrency that operators set. Each change raises the registry revision, so that every engine goes by it. */
@Injectable()
export class LimitsService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly hints: Hints,
  ) {}

  async set({ scope, maxConcurrent, weight }: LimitRow): Promise<{ limit: LimitRow; created: boolean }> {
    return this.change(async (on) => {
      const created = (await oneRow(on, READ_LIMIT, [scope])) === undefined;
      return { limit: (await oneRow<LimitRow>(on, SET_LIMIT, [scope, maxConcurrent, weight]))!, created };
    });
  }

  /** Who waits for it is woken by the gates' job, and decides anew. */
  async remove(scope: string): Promise<LimitRow | null> {
    if ((await oneRow(this.dataSource, READ_LIMIT, [scope])) === undefined) return null;
    return this.change(async (on) => (await oneRow<LimitRow>(on, REMOVE_LIMIT, [scope])) ?? null);
  }

  list(scope: string | null): Promise<(LimitRow & { running: number; held: number })[]> {
    return rows<LimitRow & { running: number; held: number }>(this.dataSource, LIST_LIMITS, [scope]);
  }

  private async change<T>(work: (on: EntityManager) => Promise<T>): Promise<T> {
    const changed = await this.dataSource.transaction(async (on) => {
      const result = await work(on);
      await raiseRevision(on);
      return result;
    });
    this.hints.registry();
    return changed;
  }
}
