import type { ProcessRow, ResourceRow } from '@drover/contracts';
import { rows } from '@drover/database';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { READ_LIVE_OF, READ_RESOURCES } from '../sql/read-resources.sql.js';

/** Reads resources by number, with what is live on them. */
@Injectable()
export class ResourceReader {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  async byIds(ids: number[]): Promise<{ resources: ResourceRow[]; processes: ProcessRow[] }> {
    if (ids.length === 0) return { resources: [], processes: [] };
    const [resources, processes] = await Promise.all([
      this.resources(ids),
      rows<ProcessRow>(this.dataSource, READ_LIVE_OF, [ids]),
    ]);
    return { resources, processes };
  }

  async resources(ids: number[]): Promise<ResourceRow[]> {
    return ids.length === 0 ? [] : rows<ResourceRow>(this.dataSource, READ_RESOURCES, [ids]);
  }
}
