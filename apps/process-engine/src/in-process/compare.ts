import { isJsonObject, type Json } from '@drover/kernel';

/** What one run of a handler came to: its result as JSON, or what it threw. */
export type Outcome = { result: Json } | { threw: string };

/** Differences that one message names. */
const MAX_NAMED = 5;
/** Longest value shown, characters. */
const MAX_SHOWN = 60;

/**
 * How two runs of one handler with one event differ.
 * @param hidden names of data fields whose values must not be shown (passwords)
 * @returns for people, or null when they are the same; the order of keys does not count
 */
export function differences(first: Outcome, second: Outcome, hidden: ReadonlySet<string> = new Set()): string | null {
  if ('threw' in first || 'threw' in second) {
    if ('threw' in first && 'threw' in second && first.threw === second.threw) return null;
    return `the first run ${ended(first)}, the second ${ended(second)}`;
  }
  const found: string[] = [];
  compare(first.result, second.result, [], hidden, found);
  if (found.length === 0) return null;
  const more = found.length > MAX_NAMED ? `; and ${found.length - MAX_NAMED} more` : '';
  return found.slice(0, MAX_NAMED).join('; ') + more;
}

function ended(outcome: Outcome): string {
  return 'threw' in outcome ? `threw "${outcome.threw.slice(0, 200)}"` : 'returned a result';
}

function compare(
  a: Json | undefined,
  b: Json | undefined,
  path: string[],
  hidden: ReadonlySet<string>,
  found: string[],
): void {
  if (isJsonObject(a) && isJsonObject(b)) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)]))
      compare(a[key], b[key], [...path, key], hidden, found);
    return;
  }
  if (Array.isArray(a) && Array.isArray(b) && a.length === b.length) {
    a.forEach((entry, i) => compare(entry, b[i], [...path, String(i)], hidden, found));
    return;
  }
  if (a === b) return;
  const field = path[0] === 'data' ? path[1]?.replace(/^\+/, '') : undefined;
  const values = field !== undefined && hidden.has(field) ? '' : `: ${shown(a)}, then ${shown(b)}`;
  found.push(`${path.join('.')} differs${values}`);
}

function shown(value: Json | undefined): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN - 1)}…`;
}
