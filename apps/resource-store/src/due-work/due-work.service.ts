import type { WorkRow } from '@drover/contracts';
import { oneRow, rows } from '@drover/database';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { fitting } from '../query/fitting.js';
import { Hints } from '../observability/hints.js';
import { StoreMetrics } from '../observability/store-metrics.js';
import {
  CLAIM_DUE,
  LOAD_WORK,
  LOAD_WORK_BY_FINISHED,
  LOAD_WORK_BY_PREDECESSOR,
  NEXT_DUE,
  RELEASE_WAITING,
  UNCLAIM,
} from '../sql/due-work.sql.js';

/** Most rows that one claim moves. */
const MAX_CLAIM = 512;

/** Hands out what is due, and wakes what waits. The database's clock decides; nothing is kept in memory. */
@Injectable()
export class DueWorkService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly hints: Hints,
    private readonly metrics: StoreMetrics,
  ) {}

  async claim(limit: number, leaseMillis: number): Promise<{ work: WorkRow[]; nextInMillis: number | null }> {
    const claimed = await rows<WorkRow>(this.dataSource, CLAIM_DUE, [Math.min(limit, MAX_CLAIM), leaseMillis]);
    const { kept: work, cut } = fitting(claimed);
    if (cut.length > 0) await rows(this.dataSource, UNCLAIM, [cut.map(({ process }) => process.id)]);
    this.metrics.claimed.inc(work.length);
    const next = await oneRow<{ inMillis: number | null }>(this.dataSource, NEXT_DUE);
    return { work, nextInMillis: next?.inMillis == null ? null : Math.max(0, next.inMillis) };
  }

  async load(processIds: number[], byPredecessor: boolean): Promise<WorkRow[]> {
    if (processIds.length === 0) return [];
    const work = await rows<WorkRow>(this.dataSource, LOAD_WORK, [processIds]);
    if (!byPredecessor) return fitting(work).kept;
    const live = new Set(work.map(({ process }) => process.id));
    const ended = processIds.filter((id) => !live.has(id));
    const waiting = new Map<number, WorkRow>();
    const look = async (sql: string, ids: number[]): Promise<void> => {
      if (ids.length === 0) return;
      for (const row of await rows<WorkRow>(this.dataSource, sql, [ids])) waiting.set(row.process.id, row);
    };
    await look(LOAD_WORK_BY_PREDECESSOR, ended);
    const nearest = new Set([...waiting.values()].map(({ process }) => process.predecessorId));
    await look(
      LOAD_WORK_BY_FINISHED,
      ended.filter((id) => !nearest.has(id)),
    );
    return fitting([...work, ...[...waiting.values()].filter(({ process }) => !live.has(process.id))]).kept;
  }

  async release(handler: string, limit: number): Promise<number> {
    const released = await rows(this.dataSource, RELEASE_WAITING, [handler, Math.min(limit, 10_000)]);
    if (released.length > 0) this.hints.due();
    return released.length;
  }
}
