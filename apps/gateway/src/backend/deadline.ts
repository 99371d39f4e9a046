import { monotonicMillis } from '@drover/kernel';
import { AsyncLocalStorage } from 'node:async_hooks';

/** Time for all that a request asks of others: a dependency that is down must be a 503 within two seconds. */
const REQUEST_MILLIS = 1_700;

const requests = new AsyncLocalStorage<{ at: number }>();

/** Runs a request under a deadline of its own. */
export function underDeadline(run: () => void): void {
  requests.run({ at: monotonicMillis() + REQUEST_MILLIS }, run);
}

/** Time spent waiting on purpose (`Prefer: wait`) is no time of the dependencies'. */
export function renewDeadline(): void {
  const request = requests.getStore();
  if (request !== undefined) request.at = monotonicMillis() + REQUEST_MILLIS;
}

/** When the present request's time is up, by the monotonic clock; outside a request, a full time from now. */
export function deadline(): number {
  return requests.getStore()?.at ?? monotonicMillis() + REQUEST_MILLIS;
}
