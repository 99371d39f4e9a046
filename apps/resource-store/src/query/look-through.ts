import { monotonicMillis } from '@drover/kernel';

/** Rows that one page with filters looks at. */
export const MAX_LOOKED = 50_000;
/** Rows of one statement: from a cold disk they take a second, and the server ends a statement after four. */
export const LOOK_STEP = 10_000;
/** No further step begins after this long, milliseconds. */
const LOOK_MILLIS = 1_000;

/** Where a page that is not full ended, and what it found. */
export interface Looked<Row> {
  found: Row[];
  /** number of the last row looked at, where there are more behind it; else null */
  seenTo: number | null;
}

/**
 * The rows of a page whose filters no index helps with: looks at the rows in order, until enough are found, none are left, or it has looked at many
 * or for long. One that matches nothing must not read all history.
 * @param limit rows that are enough
 * @param after number of the row behind which to begin, or null
 * @param matching what matches among the LOOK_STEP rows behind a number, so many at most
 * @param last number of the last of these LOOK_STEP rows; null when there are fewer
 */
export async function lookThrough<Row>(
  limit: number,
  after: number | null,
  matching: (after: number | null, limit: number) => Promise<Row[]>,
  last: (after: number | null) => Promise<number | null>,
): Promise<Looked<Row>> {
  const until = monotonicMillis() + LOOK_MILLIS;
  const found: Row[] = [];
  let place = after;
  for (let looked = LOOK_STEP; ; looked += LOOK_STEP) {
    found.push(...(await matching(place, limit - found.length)));
    if (found.length >= limit) return { found, seenTo: null };
    place = await last(place);
    if (place === null || looked >= MAX_LOOKED || monotonicMillis() > until) return { found, seenTo: place };
  }
}
