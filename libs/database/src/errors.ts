/** What to do with a failed statement. */
export type FailureKind =
  /** the data of some row is unacceptable (SQLSTATE class 22 or 23): split the batch */
  | 'row'
  /** connection, serialisation, deadlock, resources, shutdown, time-out: repeat the same batch */
  | 'repeat'
  /** our bug, or a database that is not ours: repeating cannot help */
  | 'fatal';

/** SQLSTATE classes that a repeat may cure: connection, transaction rollback, resources, operator intervention, system, lock time-out. */
const REPEAT = /^(08|40|53|57|58|55P03|25006)/;

export function sqlState(error: unknown): string | null {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : null;
}

/** Name of the violated constraint or index, or null. */
export function constraintOf(error: unknown): string | null {
  const name = (error as { constraint?: unknown } | null)?.constraint;
  return typeof name === 'string' ? name : null;
}

/** An error without SQLSTATE came from the socket or the driver: the outcome is unknown, so the same batch is repeated. */
export function failureKind(error: unknown): FailureKind {
  const state = sqlState(error);
  if (state === null) return error instanceof TypeError || error instanceof RangeError ? 'fatal' : 'repeat';
  if (state.startsWith('22') || state.startsWith('23')) return 'row';
  return REPEAT.test(state) ? 'repeat' : 'fatal';
}
