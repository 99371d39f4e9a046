/** What a handler says of itself, since it was started. */
export interface Counts {
  calls: number;
  /** distinct processes it was called for */
  processes: number;
}

/**
 * Whether the handler was called once for every process that ended: no process ended without it, none called it twice.
 * @param ended processes whose end the client heard, of the whole run, none of them still under way
 * @returns as `errorKinds` of a line: by message, how many processes it is about; empty when all agrees
 */
export function disagreements(ended: number, before: Counts, after: Counts): Record<string, number> {
  const calls = after.calls - before.calls;
  const processes = after.processes - before.processes;
  return Object.fromEntries(
    [
      ['called the handler again', calls - processes],
      ['ended without the handler', ended - processes],
      ['called the handler, end not heard', processes - ended],
    ].filter((entry): entry is [string, number] => (entry[1] as number) > 0),
  );
}
