import type { CircuitBreaker, CircuitState } from '@drover/contracts';

/** A handler's circuit as it is stored. `open`: its time runs; `opened`: it was opened, and no success has closed it. */
export interface Circuit {
  failures: number;
  open: boolean;
  opened: boolean;
}

/** What became of attempts since the last report, in order: whether any succeeded, and how many failed after the last success. */
export interface Outcomes {
  succeeded: boolean;
  failed: number;
}

export function circuitState({ open, opened }: Circuit): CircuitState {
  return open ? 'open' : opened ? 'halfOpen' : 'closed';
}

/**
 * The circuit after a report; null: as it was. While it is open, what it admitted before may still answer: that says nothing about
 * now. Half open, a success closes it and a failure opens it again.
 * @param breaker null: the handler has none (any more), so its circuit is closed
 */
export function circuitAfter(circuit: Circuit, outcomes: Outcomes, breaker: CircuitBreaker | null): Circuit | null {
  const { failures, open, opened } = circuit;
  if (breaker === null) return failures > 0 || opened ? { failures: 0, open: false, opened: false } : null;
  if (open || (!outcomes.succeeded && outcomes.failed === 0)) return null;
  const inARow = (outcomes.succeeded ? 0 : failures) + outcomes.failed;
  const opens = inARow >= breaker.failures || (opened && outcomes.failed > 0);
  if (inARow === failures && opens === opened) return null;
  return { failures: inARow, open: opens, opened: opens };
}
