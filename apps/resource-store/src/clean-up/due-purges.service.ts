import type { DuePurge, PurgeCursor } from '@drover/contracts';
import { oneRow, rows } from '@drover/database';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { RegistryService } from '../registry/registry.service.js';
import { LIST_DUE_PURGES } from '../sql/clean-up.sql.js';
import { READ_LEASE, TAKE_LEASE } from '../sql/leases.sql.js';

/** Rows that one page looks at, at most. */
const MAX_PAGE = 1_000;
/** The lease of the engine that sweeps, among those of the store's own jobs. */
const SWEEP = 'purge';

/** Hands out what is due to be purged. The database's clock decides; which types purge, and when, is in the definitions. */
@Injectable()
export class DuePurgesService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly registry: RegistryService,
  ) {}

  async list(request: {
    engine: string;
    leaseMillis: number;
    limit: number;
    after: PurgeCursor | null;
  }): Promise<{ mine: boolean; due: DuePurge[]; next: PurgeCursor | null }> {
    const { engine, leaseMillis, after } = request;
    if (!(await this.sweeps(engine, leaseMillis))) return { mine: false, due: [], next: null };
    const limit = Math.min(Math.max(1, Math.trunc(request.limit)), MAX_PAGE);
    const types = (await this.registry.types())
      .all()
      .flatMap(({ name, purgeAfterMillis }) => (purgeAfterMillis === null ? [] : [{ name, purgeAfterMillis }]))
      .filter(({ name }) => after === null || name >= after.type)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const here = (name: string): PurgeCursor | null => (name === after?.type ? after : null);
    const found = await rows<DuePurge & { cursorTime: string; removable: boolean }>(this.dataSource, LIST_DUE_PURGES, [
      types.map(({ name }) => name),
      types.map(({ purgeAfterMillis }) => purgeAfterMillis),
      types.map(({ name }) => here(name)?.removed ?? '-infinity'),
      types.map(({ name }) => here(name)?.resourceId ?? 0),
      limit,
    ]);
    const last = found.at(-1);
    return {
      mine: true,
      due: found
        .filter(({ removable }) => removable)
        .map(({ resourceId, type, revision, removed }) => ({ resourceId, type, revision, removed })),
      next:
        last === undefined || found.length < limit
          ? null
          : { type: last.type, removed: last.cursorTime, resourceId: last.resourceId },
    };
  }

  private async sweeps(engine: string, leaseMillis: number): Promise<boolean> {
    if ((await oneRow(this.dataSource, READ_LEASE, [SWEEP, engine])) !== undefined) return false;
    return (await oneRow(this.dataSource, TAKE_LEASE, [SWEEP, engine, leaseMillis])) !== undefined;
  }
}
