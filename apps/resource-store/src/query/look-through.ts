import { monotonicMillis } from '@drover/kernel';

/** Rows that one page with filters looks at. */
export const MAX_LOOKED = 50_000;
/** Rows of one statement: from a cold disk they take a second, and the server ends a statement after four. */
export const LOOK_STEP = 10_000;
/** No further step begins after this long, milliseconds. */
const LOOK_MILLIS = 1_000;

/** A row that was looked at, and is told of because it matches, or because it is the last of its step. */
export interface LookedAt {
  id: number;
  matches: boolean;
  /** its place in its step, 1 to LOOK_STEP */
  place: number;
}

/**
 * The rows of a page whose filters no index helps with: looks at the rows in order, until enough are found, none are left, or it has looked at many
 * or for long. One that matches nothing must not read all history.
 * @param limit rows that are enough
 * @param after number of the row behind which to begin, or null
 * @param step of the LOOK_STEP rows behind a number those that match and the last one ({@link lookedAt}), so many at most. In one statement: what
 *   is written between two would be found twice, or never
 * @returns `seenTo`: number of the last row looked at, where the page is not full and there may be more behind it; else null
 */
export async function lookThrough<Row extends object>(
  limit: number,
  after: number | null,
  step: (after: number | null, limit: number) => Promise<(Row & LookedAt)[]>,
): Promise<{ found: Row[]; seenTo: number | null }> {
  const until = monotonicMillis() + LOOK_MILLIS;
  const found: Row[] = [];
  for (let from = after, looked = LOOK_STEP; ; looked += LOOK_STEP) {
    const told = await step(from, limit - found.length);
    const last = told.at(-1)?.place === LOOK_STEP ? told.at(-1)!.id : null;
    for (const { matches, place: _, ...row } of told) if (matches) found.push(row as unknown as Row);
    if (found.length >= limit) return { found, seenTo: null };
    if (last === null || looked >= MAX_LOOKED || monotonicMillis() > until) return { found, seenTo: last };
    from = last;
  }
}

/**
 * SQL of a step.
 * @param rows `select … from … order by id …` with the columns `id` and `matches`
 * @param limit placeholder of the number of rows
 * @param columns what is told of a row, of the table `p`: computed only for what is told
 */
export function lookedAt(rows: string, direction: 'asc' | 'desc', limit: string, columns?: string): string {
  return `select ${columns === undefined ? 'p.*' : `${columns}, p.matches, p.place`} from (
    select s.*, (row_number() over (order by s.id ${direction}))::int as place from (${rows} limit ${LOOK_STEP}) s) p
     where p.matches or p.place = ${LOOK_STEP} order by p.id ${direction} limit ${limit}`;
}

/** The rows of several disjoint queries, each `select … order by id …` with the same columns, in one order. One step looks at no more of any. */
export function inOrder(direction: 'asc' | 'desc', queries: string[]): string {
  if (queries.length === 1) return queries[0]!;
  const parts = queries.map((query) => `(${query} limit ${LOOK_STEP})`);
  return `select * from (${parts.join(' union all ')}) u order by u.id ${direction}`;
}
