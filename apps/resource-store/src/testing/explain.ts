import type { PoolClient } from 'pg';
import type { TestStore } from './start-store.js';

/** A node of a plan, as PostgreSQL tells it; the actual numbers are there where it ran. */
export interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Parent Relationship'?: string;
  'Index Cond'?: string;
  'Plan Rows': number;
  'Actual Rows'?: number;
  'Actual Loops'?: number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  Plans?: PlanNode[];
}

/** One connection of the store's pool, for settings, locks and prepared statements; whoever takes it releases it. */
export async function connectionOf(store: TestStore): Promise<PoolClient> {
  // As TypeORM's PostgreSQL driver gives it; not part of its public types.
  const driver = store.dataSource.driver as unknown as { obtainMasterConnection(): Promise<[PoolClient]> };
  const [client] = await driver.obtainMasterConnection();
  return client;
}

/** @param options of `explain`, besides the format */
export async function planOf(
  client: PoolClient,
  statement: string,
  values: unknown[] = [],
  options: string[] = [],
): Promise<PlanNode> {
  const { rows } = await client.query<{ 'QUERY PLAN': { Plan: PlanNode }[] }>(
    `explain (${[...options, 'format json'].join(', ')}) ${statement}`,
    values,
  );
  return rows[0]!['QUERY PLAN'][0]!.Plan;
}

/** The plan of what was prepared under a name; `execute` takes its values as literals. */
export function planOfPrepared(client: PoolClient, name: string, values: string[]): Promise<PlanNode> {
  return planOf(client, `execute ${name}(${values.map((value) => client.escapeLiteral(value)).join(', ')})`);
}

/** A node and all that are below it. */
export function nodesOf(plan: PlanNode): PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}
