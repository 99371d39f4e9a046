import type { ResultLine } from '../run/result.js';

/** Reads a file of lines: those of runs, in this format; idle costs, comparisons and the like are other kinds. */
export function readLines(text: string): ResultLine[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as Partial<ResultLine>)
    .filter((line): line is ResultLine => line.format === 1 && line.engine !== undefined);
}
