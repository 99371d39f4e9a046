import type { WhyRow } from '@drover/contracts';
import { rows } from '@drover/database';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { READ_WHY } from '../sql/why.sql.js';

/** Reads what holds one resource up. */
@Injectable()
export class WhyReader {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  async read(resourceId: number): Promise<WhyRow | null> {
    const [why] = await rows<WhyRow>(this.dataSource, READ_WHY, [resourceId]);
    if (why === undefined) return null;
    // Nobody asks why for the data, and three times the largest data would not fit into one answer.
    for (const row of [why.resource, ...why.processes, why.lastFinished]) if (row !== null) row.data = {};
    return why;
  }
}
