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
  /** aborted when the attempt's time is up or the process was cancelled */
  readonly signal: AbortSignal;
}

/** What a handler answers; its keys combine and mean the same as in a reply on NATS. Undefined means done, nothing to store. */
export interface HandlerResult {
  data?: JsonObject;
  shouldContinue?: boolean;
  delegate?: boolean;
  chainProcess?: string;
  delayMillis?: number;
  transitioning?: 'yes' | 'no' | 'error';
  transitioningMessage?: string;
  code?: string;
  retryable?: boolean;
}

/**
 * Logic that runs inside the engine. The engine may run it again after a crash: running it twice must be safe.
 * A thrown error fails the attempt and is retried; to fail for good, return `transitioning: 'error', retryable: false`.
 */
export interface ProcessHandler {
  /** `[A-Za-z0-9_-]{1,64}` */
  readonly name: string;
  /** exact process names or globs, with `pre.`/`post.` for listeners: `instance.start`, `pre.instance.*`, `*.create` */
  readonly processes: string;
  /** ascending; 500 pre, 1000 specific (default), 1500 default-override, 2000 default */
  readonly priority?: number;
  /** attempts in all, overrides the process's */
  readonly retries?: number;
  /** one attempt, milliseconds, overrides the process's */
  readonly timeoutMillis?: number;
  handle(context: HandlerContext): Promise<HandlerResult | undefined> | HandlerResult | undefined;
}
