import { defineRequest } from './request.js';
import type { WorkRow } from './store.js';

/**
 * What a pause holds: `cluster` (every type but the product's own), `type/<name as declared>`, `handler/<name>`, `resource/<number>`.
 * The same text is in `heldBy` of the processes it holds.
 */
export type PauseScope = string;

/** A pause that is set: no attempt in its scope begins. Part of the registry: setting, changing or lifting one raises its revision. */
export interface PauseRow {
  scope: PauseScope;
  /** epoch milliseconds of the database */
  since: number;
  /** who set it, or null */
  operator: string | null;
  reason: string | null;
}

/**
 * A limit that an operator set: `account/<number>`, `type/<name as declared>`, `process/<full name>`. It wins over what a definition declares. Part of
 * the registry, as pauses are.
 */
export interface LimitRow {
  scope: string;
  /** processes at work at once, 1 to 100,000; null: no limit, also where the definition declares one */
  maxConcurrent: number | null;
  /** of an account: what it gets in its turn, 1 to 1,000; 1 unless set */
  weight: number;
}

/** When a handler's circuit opens, and for how long. */
export interface CircuitBreaker {
  /** failed attempts in a row that open it, 1 to 1000; an attempt fails by a retryable error or a time-out */
  failures: number;
  /** how long it stays open before one attempt is tried, milliseconds, 100 to 86,400,000 */
  openMillis: number;
}

/** What bounds the attempts of a handler. Null in both: nothing, and its attempts pass no admission. */
export interface HandlerLimits {
  /** attempts under way at once, over all engines, 1 to 100,000 */
  maxInFlight: number | null;
  circuitBreaker: CircuitBreaker | null;
}

/** `open`: nothing is admitted; `halfOpen`: one attempt at a time, whose outcome closes it or opens it again. */
export type CircuitState = 'closed' | 'open' | 'halfOpen';

/**
 * Sets a pause. When it is answered, no attempt in its scope begins any more, whatever was decided before. Repeated, it changes
 * nothing but a new reason. `created`: it was not set before.
 */
export const setPause = defineRequest<
  { scope: PauseScope; operator: string | null; reason: string | null },
  { pause: PauseRow; created: boolean }
>({ subject: 'drover.store.pause.set', queue: 'resource-store', timeoutMillis: 6_000, errors: [] });

/** Lifts a pause; what it held goes on, 500 processes at a time. Null: it was not set. `woken`: at once. */
export const liftPause = defineRequest<{ scope: PauseScope }, { pause: PauseRow | null; woken: number }>({
  subject: 'drover.store.pause.lift',
  queue: 'resource-store',
  timeoutMillis: 6_000,
  errors: [],
});

/** The pauses that are set, by scope, with how many processes each holds; `scope`: only this one. */
export const listPauses = defineRequest<{ scope: PauseScope | null }, { pauses: (PauseRow & { held: number })[] }>({
  subject: 'drover.store.pause.list',
  queue: 'resource-store',
  timeoutMillis: 2_000,
  errors: [],
});

/**
 * Admits attempts of a handler that has limits, or processes of a limit's scope (`handler` is then the scope; `maxInFlight` its maximum): of the processes held by `limit/<handler>` the most important, then of each account in its turn the oldest, as
 * many as there are places. They are handed out like due work: whoever asks wakes them, and `leaseMillis` later anybody does.
 * Told first what became of attempts since the last request, in order: whether any succeeded, and how many failed since.
 * `stale`: the registry is newer than `registryRevision`, so the limits may be old; nothing was done.
 * `more`: places and processes are left: ask again.
 */
export const admitAttempts = defineRequest<
  {
    handler: string;
    registryRevision: number;
    limits: HandlerLimits;
    outcomes: { succeeded: boolean; failed: number };
    limit: number;
    leaseMillis: number;
  },
  { stale: boolean; work: WorkRow[]; more: boolean; circuit: CircuitState; failures: number }
>({ subject: 'drover.store.gate.admit', queue: 'resource-store', timeoutMillis: 3_000, errors: [] });

/** Live figures of one handler's gate: places taken, processes that wait for one, and its circuit. */
export const readGate = defineRequest<
  { handler: string },
  { inFlight: number; held: number; circuit: CircuitState; failures: number }
>({ subject: 'drover.store.gate.read', queue: 'resource-store', timeoutMillis: 2_000, errors: [] });

/** Sets a limit, or changes it. `created`: it was not set before. What a lower one finds at work goes on. */
export const setLimit = defineRequest<LimitRow, { limit: LimitRow; created: boolean }>({
  subject: 'drover.store.limit.set',
  queue: 'resource-store',
  timeoutMillis: 6_000,
  errors: [],
});

/** Takes a limit away; what waited for it goes on by and by. Null: it was not set. */
export const removeLimit = defineRequest<{ scope: string }, { limit: LimitRow | null }>({
  subject: 'drover.store.limit.remove',
  queue: 'resource-store',
  timeoutMillis: 6_000,
  errors: [],
});

/** The limits that are set, by scope, with how many processes are at work under each and how many wait; `scope`: only this one. */
export const listLimits = defineRequest<
  { scope: string | null },
  { limits: (LimitRow & { running: number; held: number })[] }
>({ subject: 'drover.store.limit.list', queue: 'resource-store', timeoutMillis: 2_000, errors: [] });
