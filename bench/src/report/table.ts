import type { ResultLine } from '../run/result.js';

/** The lines of a run as text for people: one row each, in their order, columns aligned. */
export function table(lines: readonly ResultLine[]): string {
  return aligned([
    ['engine', 'start', 'load', 'history', '/s', 'p50 ms', 'p99 ms', 'max ms', 'CPU µs', 'WAL B', 'MB', 'notes'],
    ...lines.map((line) => [
      nameOf(line),
      line.start,
      loadOf(line),
      line.history === undefined ? '–' : short(line.history.processes),
      String(line.processesPerSecond),
      String(line.p50Millis),
      String(line.p99Millis),
      String(line.maxMillis),
      String(line.cpuMicrosPerProcess['total'] ?? '–'),
      String(line.walBytesPerProcess ?? '–'),
      String(Object.values(line.memoryMegabytes).reduce((sum, { max }) => sum + max, 0)),
      notesOf(line),
    ]),
  ]);
}

/** Text in columns: numbers to the right, words to the left; the first row is the heading. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const isNumber = rows[0]!.map((_, column) => rows.slice(1).every((row) => /^[\d.–-]*[kM%×]?$/.test(row[column]!)));
  const cell = (text: string, column: number): string =>
    isNumber[column] ? text.padStart(widths[column]!) : text.padEnd(widths[column]!);
  return rows.map((row) => row.map(cell).join('  ').trimEnd()).join('\n');
}

export function nameOf({ engine, variant }: Pick<ResultLine, 'engine' | 'variant'>): string {
  return variant === undefined ? engine : `${engine} (${variant})`;
}

function loadOf({ inflight, rate, arrivals }: ResultLine): string {
  return rate === undefined ? `${inflight} in flight` : `${rate}/s ${arrivals}`;
}

/** What makes a line worth a second look. */
function notesOf(line: ResultLine): string {
  return [
    line.errors > 0 ? `${line.errors} errors` : '',
    line.dropped !== undefined && line.dropped > 0 ? `${line.dropped} dropped` : '',
    line.otherCores > 0.15 ? `others used ${line.otherCores} cores` : '',
    line.settings['profiled'] === true ? 'profiled' : '',
  ]
    .filter(Boolean)
    .join(', ');
}

/** 10,000,000 as `10M`. */
export function short(count: number): string {
  if (count >= 1e6) return `${Number((count / 1e6).toFixed(1))}M`;
  return count >= 1_000 ? `${Number((count / 1e3).toFixed(1))}k` : String(count);
}
