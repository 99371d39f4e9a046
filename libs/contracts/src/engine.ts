import type { JsonObject } from '@drover/kernel';
import type { HandlerLimits } from './gates.js';
import { defineRequest } from './request.js';
import type { ResourceRow } from './rows.js';
import type { HandlerRow } from './store.js';

/** Fields every command carries. */
interface Command {
  /** makes a repeat harmless: the same id answers as the first time; null: the engine makes one (no repeat detection by the caller) */
  commandId: string | null;
  /** hash of the body; the same id with another hash is IdempotencyKeyReused */
  commandHash: string | null;
  /** subject (`drover.notify.<client>.<call>`) that hears the end of the process, or null; the message is {@link ProcessEnded} */
  notify: string | null;
  /**
   * `atEnd`: that the command was accepted is not answered; `notify`, which may be the request's own reply subject, hears of the end. A refusal,
   * a repeat, and what starts no process are answered at once. Absent or null: answered once it is durable
   */
  answer?: 'atEnd' | null;
  /** account of the caller, by number: orders new work, permits nothing; absent or null: none */
  account?: number | null;
}

/** Sent once when a process ended or parked. Safe to lose: whoever waits reads the store before giving up. */
export interface ProcessEnded {
  processId: number;
  resourceId: number;
  exitReason: string;
  /** as the end left it: whoever waits need not read it */
  resource: ResourceRow;
}

export interface CommandReply {
  resource: ResourceRow;
  /** the process that was started, or null (nothing to do: an unchanged update, a type without the process) */
  processId: number | null;
}

/** Inserts a resource in `requested` and starts `<type>.create`, atomically. Durable when answered. */
export const createResource = defineRequest<
  Command & { type: string; body: JsonObject; accountId: number | null },
  CommandReply
>({
  subject: 'drover.engine.resource.create',
  queue: 'process-engine',
  timeoutMillis: 4_000,
  errors: ['TypeUnknown', 'MissingRequired', 'InvalidField', 'InvalidReference', 'NotUnique', 'IdempotencyKeyReused'],
});

/** Writes changed fields, then starts `<type>.update` when there is one; nothing at all when nothing changed. */
export const updateResource = defineRequest<
  Command & { type: string; resourceId: number; body: JsonObject; expectRevision: number | null },
  CommandReply
>({
  subject: 'drover.engine.resource.update',
  queue: 'process-engine',
  timeoutMillis: 4_000,
  errors: [
    'NotFound',
    'ActionNotAvailable',
    'InvalidField',
    'RevisionMismatch',
    'ResourceBusy',
    'IdempotencyKeyReused',
  ],
});

/**
 * Starts a process on a resource: `process` is the full name, e.g. `instance.start`. Accepted and durable when answered, not done.
 * `expectRevision`: only if the resource is still at this revision.
 */
export const startProcess = defineRequest<
  Command & { process: string; resourceId: number; data: JsonObject; expectRevision?: number | null },
  CommandReply
>({
  subject: 'drover.engine.process.start',
  queue: 'process-engine',
  timeoutMillis: 4_000,
  errors: [
    'NotFound',
    'ProcessUnknown',
    'ActionNotAvailable',
    'RevisionMismatch',
    'ResourceBusy',
    'IdempotencyKeyReused',
  ],
});

export type OperatorAction = 'retry' | 'skip' | 'cancel' | 'force' | 'replay';

/** An operator's act on a live process. `force` names the state to go to. Each is refused when it makes no sense. */
export const operateProcess = defineRequest<
  Command & { processId: number; action: OperatorAction; state: string | null; operator: string | null },
  CommandReply
>({
  subject: 'drover.engine.process.operate',
  queue: 'process-engine',
  timeoutMillis: 4_000,
  errors: ['NotFound', 'ActionNotAvailable', 'InvalidOption', 'IdempotencyKeyReused'],
});

/** A handler that runs inside the engines. */
export interface BuiltinHandler {
  name: string;
  priority: number;
  processes: { phase: string; glob: string }[];
  /** attempts in all, or null: as the process says */
  retries: number | null;
  /** one attempt, milliseconds, or null: as the process says */
  timeoutMillis: number | null;
  /** longest silence during an attempt, milliseconds, or null: as the process says */
  heartbeatMillis: number | null;
  /** all attempts of a step, milliseconds, or null: unbounded */
  totalMillis: number | null;
  /** overrides the process's, key by key */
  retry: HandlerRow['retry'];
  /** null: its attempts pass no admission */
  limits: HandlerLimits | null;
}

/** The built-in handlers of an engine, for pictures, process definitions and `why`. */
export const listBuiltinHandlers = defineRequest<Record<string, never>, { handlers: BuiltinHandler[] }>({
  subject: 'drover.engine.handlers.builtin',
  queue: 'process-engine',
  timeoutMillis: 1_000,
  errors: [],
});
