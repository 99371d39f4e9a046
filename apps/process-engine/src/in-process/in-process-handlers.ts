import {
  type HandlerBinding,
  HANDLER_NAME,
  limitsOf,
  parseProcessNames,
  registrationProblems,
} from '@drover/process-model';
import type { ProcessHandler } from '@drover/handler-sdk';
import { DroverError } from '@drover/kernel';

/** Default priority of a handler that names none: specific. */
const SPECIFIC = 1_000;
/** Bounds of what a handler declares, the same as for an external one. */
const MAX_PRIORITY = 1_000_000;
const MAX_RETRIES = 1_000;
const MAX_TIMEOUT_MILLIS = 31_536_000_000;

/** The handlers that run inside this engine, and how they bind. All engines of a cluster must run the same ones. */
export class InProcessHandlers {
  readonly bindings: readonly HandlerBinding[];
  private readonly byName: ReadonlyMap<string, ProcessHandler>;

  /** @param handlers checked by `loadHandlers` */
  constructor(
    handlers: readonly ProcessHandler[] = [],
    /** run every handler twice and compare */
    readonly checked: boolean = false,
  ) {
    this.byName = new Map(handlers.map((handler) => [handler.name, handler]));
    this.bindings = handlers.map((handler) => ({
      name: handler.name,
      kind: 'builtin',
      priority: handler.priority ?? SPECIFIC,
      processes: parseProcessNames(handler.processes).map((process) => ({ ...process, onError: null })),
      retries: handler.retries ?? null,
      timeoutMillis: handler.timeoutMillis ?? null,
      heartbeatMillis: handler.heartbeatMillis ?? null,
      totalMillis: handler.totalMillis ?? null,
      retry: handler.retry ?? null,
      delivery: 'core',
      limits: limitsOf(handler),
    }));
  }

  get names(): string[] {
    return [...this.byName.keys()];
  }

  get(name: string): ProcessHandler | undefined {
    return this.byName.get(name);
  }
}

/** What is wrong with a handler's declaration, in words; empty when it is usable. */
export function handlerProblems(handler: ProcessHandler): string[] {
  const problems: string[] = [];
  if (!HANDLER_NAME.test(handler.name))
    problems.push(`the name "${handler.name.slice(0, 100)}" is unusable: 1 to 64 letters, digits, _ and -`);
  try {
    if (parseProcessNames(handler.processes).length === 0)
      problems.push('processes is empty: name at least one, such as "instance.start"');
  } catch (error) {
    if (!(error instanceof DroverError)) throw error;
    problems.push(`${error.message}, and pre. or post. in front for a listener`);
  }
  const whole = (
    key: 'priority' | 'retries' | 'timeoutMillis' | 'heartbeatMillis' | 'totalMillis',
    min: number,
    max: number,
  ): void => {
    const value: unknown = handler[key];
    if (value === undefined || value === null) return;
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > max)
      problems.push(`${key} must be a whole number from ${min} to ${max}`);
  };
  whole('priority', -MAX_PRIORITY, MAX_PRIORITY);
  whole('retries', 1, MAX_RETRIES);
  whole('timeoutMillis', 1, MAX_TIMEOUT_MILLIS);
  whole('heartbeatMillis', 1, MAX_TIMEOUT_MILLIS);
  whole('totalMillis', 1, MAX_TIMEOUT_MILLIS);
  for (const key of ['retry', 'maxInFlight', 'circuitBreaker'] as const) {
    const value = handler[key] as unknown;
    if (value === undefined) continue;
    const found = registrationProblems({ name: 'any', [key]: value });
    problems.push(...found.map(({ path, message }) => `${path.slice(1)}: ${message}`));
  }
  return problems;
}
