/**
 * Rounds of everything that is compared, and what they say: pure, tested in comparison.spec.ts.
 */

/**
 * The order of measuring: every round has each contender once, and starts with another, so that none always comes first
 * after a pause or last on a warm machine.
 * @template T
 * @param {T[]} contenders
 * @param {number} rounds
 * @returns {T[][]}
 */
export function interleaved(contenders, rounds) {
  return Array.from({ length: rounds }, (_, round) =>
    contenders.map((_, i) => contenders[(i + round) % contenders.length]),
  );
}

/** What a line is of, as people read it. */
export function titleOf({ engine, variant }) {
  return variant === undefined ? engine : `${engine}, ${variant}`;
}

/** @param {number[]} values  at least one */
export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted.at(-1) };
}

/**
 * Ours against everything else, for each number in flight. A ratio is made of the two lines of one round, minutes apart;
 * its spread is that of the rounds, so it says how far to trust it.
 * @param {{round: number, line: import('../../../bench/src/run/result.js').ResultLine}[]} measured
 * @param {string} ours  title of what the others are compared with
 */
export function compared(measured, ours = 'drover') {
  const inflights = [...new Set(measured.map(({ line }) => line.inflight))].sort((a, b) => a - b);
  return inflights.flatMap((inflight) => {
    const of = new Map();
    for (const { round, line } of measured.filter(({ line }) => line.inflight === inflight)) {
      const title = titleOf(line);
      of.set(title, (of.get(title) ?? new Map()).set(round, line));
    }
    const own = of.get(ours);
    return [...of].map(([title, lines]) => row(title, inflight, lines, title === ours ? undefined : own));
  });
}

function row(title, inflight, lines, own) {
  const all = [...lines.values()];
  const rounded = ({ median, min, max }, digits) => ({
    median: fix(median, digits),
    min: fix(min, digits),
    max: fix(max, digits),
  });
  const values = (field, digits) => rounded(spread(all.map(field)), digits);
  // A line in whose window nothing ended divides by nothing; the command reports it as not measured.
  const pairs = [...lines]
    .map(([round, line]) => [own?.get(round), line])
    .filter(([mine, other]) => mine !== undefined && mine.processes > 0 && other.processes > 0);
  return {
    engine: title,
    inflight,
    rounds: all.length,
    processesPerSecond: values((line) => line.processesPerSecond, 0),
    p50Millis: values((line) => line.p50Millis, 2),
    p99Millis: values((line) => line.p99Millis, 2),
    cpuMicrosPerProcess: values((line) => line.cpuMicrosPerProcess.total, 0),
    errors: all.reduce((sum, line) => sum + line.errors, 0),
    ...(pairs.length === 0
      ? {}
      : {
          /** processes per second of ours, over this one's */
          oursOver: rounded(
            spread(pairs.map(([mine, other]) => mine.processesPerSecond / other.processesPerSecond)),
            2,
          ),
          /** processor time per process of this one, over ours */
          cpuOverOurs: rounded(
            spread(pairs.map(([mine, other]) => other.cpuMicrosPerProcess.total / mine.cpuMicrosPerProcess.total)),
            2,
          ),
        }),
  };
}

const fix = (value, digits) => Number(value.toFixed(digits));

/** For people. @param {ReturnType<typeof compared>} rows */
export function table(rows) {
  const head = [
    'engine',
    'in flight',
    'per second',
    'p50 ms',
    'p99 ms',
    'CPU µs',
    'ours is × as fast',
    'CPU × ours',
    'errors',
  ];
  const shown = (value) => (value === undefined ? '' : `${value.median} (${value.min}–${value.max})`);
  const cells = rows.map((row) => [
    row.engine,
    String(row.inflight),
    shown(row.processesPerSecond),
    shown(row.p50Millis),
    shown(row.p99Millis),
    shown(row.cpuMicrosPerProcess),
    shown(row.oursOver),
    shown(row.cpuOverOurs),
    String(row.errors),
  ]);
  const line = (columns) => `| ${columns.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...cells.map(line)].join('\n');
}
