import type { JsonObject } from '@drover/kernel';
import { defineRequest } from './request.js';

/** What a handler receives: one attempt of one step (protocol §3). Plain JSON on NATS. */
export interface ProcessEvent {
  /** names one attempt; the same when that attempt is delivered again */
  id: string;
  /** the same for all attempts of the step: use it for idempotency */
  key: string;
  /** `instance.start;handler=demo`, with `pre.`/`post.` in front outside the handle phase */
  name: string;
  replyTo: string;
  /** epoch milliseconds */
  time: number;
  timeoutMillis: number;
  /** longest silence during the attempt, milliseconds; absent: none is asked for, and each progress gives a whole `timeoutMillis` anew */
  heartbeatMillis?: number;
  resourceType: string;
  resourceId: string;
  process: string;
  phase: 'pre' | 'handle' | 'post';
  processId: string;
  /** position in the plan, 1 first; for display */
  step: number;
  attempt: number;
  resource: JsonObject;
  data: JsonObject;
  /** resources of the relationships that the process's `include` names, by name: a list or, of a reference field, one or null */
  related?: JsonObject;
  context: JsonObject;
}

/** Tells a handler that an attempt it works on was cancelled. */
export interface CancelNotice {
  id: string;
  key: string;
  reason: string;
}

/** A transition event of the feed (protocol §5). */
export interface TransitionEvent {
  sequence: number;
  /** sequence of the event before this one: a reader that saw another one last has missed something */
  previousSequence: number;
  resourceType: string;
  resourceId: string;
  process: string | null;
  processId: string | null;
  from: string;
  to: string;
  stateField: string;
  revision: number;
  time: number;
  accountId: string | null;
  resource: JsonObject;
}

/**
 * Registers an external handler (protocol §4); the body is that of `POST /v1/externalhandlers`. Answered once the handler is active;
 * repeated with the same uuid, it updates. Open to programs outside, hence plain JSON both ways.
 */
export const registerHandler = defineRequest<JsonObject, JsonObject>({
  subject: 'drover.handler.register',
  queue: 'gateway',
  timeoutMillis: 5_000,
  errors: [
    'MissingRequired',
    'InvalidField',
    'InvalidFormat',
    'InvalidReference',
    'NotUnique',
    'ActionNotAvailable',
    'HandlerUnknown',
  ],
});
