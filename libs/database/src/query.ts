import type { DataSource, EntityManager, QueryRunner } from 'typeorm';

/** Anything that runs SQL: the pool, a transaction, a held connection. */
export type Queryable = Pick<DataSource | EntityManager | QueryRunner, 'query'>;

/** Rows of a parameterised statement. */
export async function rows<Row>(on: Queryable, text: string, values: unknown[] = []): Promise<Row[]> {
  const result: unknown = await on.query(text, values);
  // TypeORM answers [rows, count] for update and delete.
  if (Array.isArray(result) && result.length === 2 && Array.isArray(result[0]) && typeof result[1] === 'number')
    return result[0] as Row[];
  return result as Row[];
}

export async function oneRow<Row>(on: Queryable, text: string, values: unknown[] = []): Promise<Row | undefined> {
  return (await rows<Row>(on, text, values))[0];
}
