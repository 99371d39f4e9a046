import type { JsonObject } from '@drover/kernel';

/** What an in-process handler is called with: the same facts as a process event on NATS. */
export interface HandlerContext {
  /** names one attempt */
  readonly id: string;
  /** the same for all attempts of the step: use it for idempotency */
  readonly key: string;
  /** process name, e.g. `instance.start` */
  readonly process: string;
  readonly phase: 'pre' | 'handle' | 'post';
  readonly attempt: number;
  /** the resource in its external form */
  readonly resource: JsonObject;
  /** process data: the body of the action */
  readonly data: JsonObject;
  /** resources of the relationships that the process's `include` names, by name: a list or, of a reference field, one or null */
  readonly related?: JsonObject;
  /** aborted when the attempt's time is up, when it is asked for anew, and when the process was cancelled */
  readonly signal: AbortSignal;
  /**
   * Reports progress, which extends the deadline and shows on the resource. At most one report a second (or in a quarter of the clock
   * that it moves, where that is shorter) is written, the last one wins; safe to lose. Nothing once the attempt is over.
   * @param message what is going on, kept up to 1,000 characters
   * @param percent 0 to 100
   */
  progress(message: string, percent?: number): void;
  /** longest silence during this attempt, milliseconds; absent: none is asked for */
  readonly heartbeatMillis?: number;
  /**
   * A sign of life: progress that says nothing, and changes nothing that was said. Where a heartbeat is declared, progress or this must
   * come more often than `heartbeatMillis`; {@link serveHandlers} sends it by itself unless `heartbeats` is `own`. Twice in that
   * time at least; safe to lose; nothing once the attempt is over.
   */
  heartbeat(): void;
}

/**
 * What a handler answers: plain JSON, whose keys combine and mean the same as in a reply on NATS. Undefined means done, nothing to
 * store. An unknown key fails the attempt, with a message that names it.
 */
export interface HandlerResult {
  /** merged into the resource in the transaction that records the step: `x` replaces, `+x` merges into the map x; 256 KiB in all */
  data?: JsonObject;
  /** false: the last handler of this phase */
  shouldContinue?: boolean;
  /** go on in the definition's delegate, without resting in done */
  delegate?: boolean;
  /** end by starting this process of the same resource: `instance.stop` */
  chainProcess?: string;
  /** call me again after this many milliseconds, at most 30 days; spends no attempt */
  delayMillis?: number;
  /** `error`: the attempt failed, see `code` and `retryable` */
  transitioning?: 'yes' | 'no' | 'error';
  /** with `error`: what went wrong, for people */
  transitioningMessage?: string;
  /** with `error`: for programs, kept up to 100 characters (default HandlerFailed) */
  code?: string;
  /** with `error`: false spends all attempts at once (default true) */
  retryable?: boolean;
  /** in-process handlers only: work on related resources, as in a definition's `related` (without `when`); done behind this step */
  related?: {
    forEach: string;
    process: string;
    order?: 'parallel' | 'sequence';
    onFailure?: 'fail' | 'ignore';
    onCancel?: 'cancel' | 'leave';
    onParentEnd?: 'cancel' | 'leave';
    states?: string[];
  }[];
}

/** How the failures of a handler are met. */
export interface HandlerRetry {
  /** attempts in all, 1 to 1000 */
  maxAttempts?: number;
  /** before the second attempt, milliseconds */
  initialMillis?: number;
  /** longest pause, milliseconds */
  maxMillis?: number;
  /** share of the pause that is spread, 0 to 1 */
  jitter?: number;
  /** error codes that spend the attempts at once */
  nonRetryable?: string[];
}

/**
 * Logic that runs inside the engine, loaded from a folder or a package that `DROVER_HANDLERS` names, or in a program of its own with
 * {@link serveHandlers}. It means the same in both: order, retries, deadlines, results, progress, cancel. The engine may run it again
 * after a crash: running it twice with one `key` must be safe.
 *
 * A thrown error fails the attempt with the code UNKNOWN_EXCEPTION and is retried; to fail for good, return
 * `transitioning: 'error', retryable: false`. The context's objects are the handler's own copies.
 *
 * ```js
 * export class NameTheHost {
 *   name = 'name-the-host';
 *   processes = 'host.activate';
 *   handle({ resource }) {
 *     return { data: { hostname: `host-${resource.id}` } };
 *   }
 * }
 * ```
 */
export interface ProcessHandler {
  /** `[A-Za-z0-9_-]{1,64}`, unique among the handlers of an engine; part of the idempotency key, so keep it */
  readonly name: string;
  /**
   * Exact process names or globs, comma separated, with `pre.`/`post.` for listeners: `instance.start`, `pre.instance.*`, `*.create`.
   * Letter case does not matter.
   */
  readonly processes: string;
  /** ascending; 500 pre, 1000 specific (default), 1500 default-override, 2000 default */
  readonly priority?: number;
  /** attempts in all, 1 to 1000; overrides the process's */
  readonly retries?: number;
  /**
   * One attempt, milliseconds, up to a year; overrides the process's. An attempt that overruns has its `signal` aborted and ends as
   * TIMEOUT; what it returns later is ignored.
   */
  readonly timeoutMillis?: number;
  /**
   * Longest silence during an attempt, milliseconds, overrides the process's: each progress moves this clock, and `timeoutMillis` bounds
   * the attempt, progress or not. Inside the engine nothing beats by itself: a handler that does not report is a silent one.
   */
  readonly heartbeatMillis?: number;
  /** all attempts of a step together with the pauses between them, milliseconds */
  readonly totalMillis?: number;
  /** overrides the process's retry policy, key by key; codes in `nonRetryable` add to it. `retries` comes before `maxAttempts` */
  readonly retry?: HandlerRetry;
  /** attempts under way at once, over all engines, 1 to 100,000; more are held until there is room */
  readonly maxInFlight?: number;
  /** so many failed attempts in a row (retryable errors, time-outs) hold further ones for so long; then one is tried */
  readonly circuitBreaker?: { readonly failures: number; readonly openMillis: number };
  /** Does the work of one attempt. */
  handle(context: HandlerContext): Promise<HandlerResult | undefined> | HandlerResult | undefined;
}
