import type { EncodedTransition } from '@drover/contracts';
import type { Run } from '@drover/database';
import { LOCK_RELATIONS, READ_HINDERED, RELATION_LOCKS } from '../sql/relations.sql.js';

/** Does the transition make relations that others look at, or hang on there being none? */
export function concernsRelations({ head: { unless, relates } }: EncodedTransition): boolean {
  return unless !== undefined || relates !== undefined;
}

/** Waits until no other transaction makes or looks at the same relations; the first thing in a transaction. */
export async function lockRelations(run: Run, rows: readonly EncodedTransition[]): Promise<void> {
  const alone = new Map<number, boolean>();
  for (const { head } of rows) {
    for (const number of head.relates ?? []) if (!alone.has(keyOf(number))) alone.set(keyOf(number), false);
    if (head.unless !== undefined) alone.set(keyOf(head.resourceId!), true);
  }
  const keys = [...alone.keys()].sort((a, b) => a - b);
  const looks = rows.some(({ head }) => head.unless !== undefined);
  await run(LOCK_RELATIONS, [keys, keys.map((key) => alone.get(key)), looks]);
}

/** The rows that hang on a relation which is not empty. */
export async function hindered(run: Run, rows: readonly EncodedTransition[]): Promise<EncodedTransition[]> {
  const wanted = rows.flatMap(({ head }, n) => (head.unless ?? []).map((relation) => ({ n, ...relation })));
  if (wanted.length === 0) return [];
  const found = await run<{ n: number }>(READ_HINDERED, [JSON.stringify(wanted)]);
  const numbers = new Set(found.map(({ n }) => n));
  return rows.filter((_, n) => numbers.has(n));
}

const keyOf = (resourceId: number): number => resourceId % RELATION_LOCKS;
