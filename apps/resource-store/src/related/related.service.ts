import type { ChildRow, MemberRow, readRelated, RequestContract } from '@drover/contracts';
import { rows } from '@drover/database';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Parameters } from '../query/filters.js';
import { memberCondition, READ_CHILDREN, readMembers, RELATED_PAGE } from '../sql/related.sql.js';

type RequestOf<C> = C extends RequestContract<infer Request, unknown> ? Request : never;
type ReplyOf<C> = C extends RequestContract<infer _Request, infer Reply> ? Reply : never;

export type RelatedRequest = RequestOf<typeof readRelated>;

/** Reads what a decision about related resources needs. */
@Injectable()
export class RelatedService {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  async read(request: RelatedRequest): Promise<ReplyOf<typeof readRelated>> {
    // The children last: what ended before this read was committed before it, and is not taken for one that never began.
    const members = await this.members(request);
    const children = await this.children(request);
    return {
      members: members.slice(0, RELATED_PAGE),
      moreMembers: members.length > RELATED_PAGE,
      children: children.slice(0, RELATED_PAGE),
      moreChildren: children.length > RELATED_PAGE,
    };
  }

  private async members({ relation, stateField, afterMember }: RelatedRequest): Promise<MemberRow[]> {
    if (relation === null) return [];
    const parameters = new Parameters();
    for (const value of [relation.type, stateField, afterMember, RELATED_PAGE + 1]) parameters.add(value);
    const condition = memberCondition(relation, (value) => parameters.add(value));
    return rows<MemberRow>(this.dataSource, readMembers(condition), parameters.values);
  }

  private async children({ parentId, parentDispatches, afterChild }: RelatedRequest): Promise<ChildRow[]> {
    return rows<ChildRow>(this.dataSource, READ_CHILDREN, [parentId, parentDispatches, afterChild, RELATED_PAGE + 1]);
  }
}
