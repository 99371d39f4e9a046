import { type ErrorBody, DroverError, isJsonObject, type JsonObject, MAX_JSON_DEPTH, parseJson } from '@drover/kernel';
import type { RelatedDocument } from '../definitions/document.js';
import { clip, MAX_CODE } from './progress.js';

/** What a handler answered, in-process or over NATS. */
export type HandlerReply =
  | {
      kind: 'done';
      data: JsonObject;
      chainProcess: string | null;
      delegate: boolean;
      /** the handler phase ends here */
      endPhase: boolean;
      /** work on related resources, as steps behind this one: results of in-process handlers only */
      related?: RelatedDocument[];
    }
  | { kind: 'delay'; delayMillis: number; data: JsonObject }
  | { kind: 'progress'; message: string | null; progress: number | null; data: JsonObject }
  | { kind: 'failed'; error: StepError }
  /** not usable: the attempt stays open, the reason is recorded */
  | { kind: 'rejected'; reason: string };

/** A step's failure: handlers choose their own codes, so this is not the table's ErrorCode. */
export interface StepError {
  code: string;
  message: string;
  retryable: boolean;
}

/** Longest `delayMillis` a handler may ask for: 30 days. */
const MAX_DELAY_MILLIS = 30 * 24 * 3_600_000;

/** Pieces of related work that one result may ask for. */
const MAX_RELATED = 20;

type Reader = (value: unknown) => string | null;
const text: Reader = (value) => (value === null || typeof value === 'string' ? null : 'must be text');
const flag: Reader = (value) => (value === null || typeof value === 'boolean' ? null : 'must be true or false');
const map: Reader = (value) => (value === null || isJsonObject(value) ? null : 'must be an object');
const number =
  (min: number, max: number): Reader =>
  (value) =>
    value === null || (typeof value === 'number' && Number.isFinite(value) && value >= min && value <= max)
      ? null
      : `must be a number from ${min} to ${max}`;

const RELATED: Record<string, Reader> = {
  forEach: (value) => (typeof value === 'string' ? null : 'names no relationship in forEach'),
  process: (value) => (typeof value === 'string' ? null : 'names no process'),
  order: oneOf('parallel', 'sequence'),
  onFailure: oneOf('fail', 'ignore'),
  onCancel: oneOf('cancel', 'leave'),
  onParentEnd: oneOf('cancel', 'leave'),
  states: (value) =>
    Array.isArray(value) && value.every((state) => typeof state === 'string') ? null : 'has states that are no list',
};

function oneOf(...options: string[]): Reader {
  return (value) => (options.includes(String(value)) ? null : `has an option that is none of ${options.join(', ')}`);
}

/** As in a definition, without `when`: it comes behind the step that asks. */
const relatedList: Reader = (value) => {
  if (!Array.isArray(value) || value.length > MAX_RELATED) return `must be a list of at most ${MAX_RELATED} entries`;
  for (const entry of value as unknown[]) {
    if (!isJsonObject(entry)) return 'has an entry that is no object';
    for (const key of new Set(['forEach', 'process', ...Object.keys(entry)])) {
      const problem = Object.hasOwn(RELATED, key)
        ? RELATED[key]!(entry[key])
        : `has an entry with the unknown key "${clipKey(key)}"`;
      if (problem !== null) return problem;
    }
  }
  return null;
};

/** Every key a reply may have, with what its value must be. */
const KEYS: Record<string, Reader> = {
  data: map,
  transitioning: (value) =>
    value === null || value === 'yes' || value === 'no' || value === 'error' ? null : 'must be "yes", "no" or "error"',
  transitioningMessage: text,
  transitioningInternalMessage: text,
  transitioningProgress: number(0, 100),
  code: text,
  retryable: flag,
  chainProcess: text,
  delayMillis: number(0, MAX_DELAY_MILLIS),
  shouldContinue: flag,
  delegate: flag,
};

/**
 * Reads a reply from NATS (protocol §3): strict, so that a misspelt key is heard of at once instead of doing nothing.
 * @param serviceError value of the header `Nats-Service-Error`, with which a NATS micro service reports a failure
 */
export function parseReply(body: string, serviceError: { message: string; code: string } | null): HandlerReply {
  if (serviceError !== null)
    return {
      kind: 'failed',
      error: {
        code: clip(serviceError.code, MAX_CODE) || 'HandlerFailed',
        message: clip(serviceError.message),
        retryable: true,
      },
    };
  let value: unknown;
  try {
    value = parseJson(body, MAX_JSON_DEPTH + 2);
  } catch (error) {
    return { kind: 'rejected', reason: error instanceof DroverError ? error.message : 'The reply is not JSON' };
  }
  return readReply(value);
}

/** Reads a reply that is already a value: an in-process handler's result. */
export function readReply(value: unknown, { inProcess = false } = {}): HandlerReply {
  if (!isJsonObject(value)) return { kind: 'rejected', reason: 'A reply must be a JSON object' };
  for (const [key, entry] of Object.entries(value)) {
    const reader = inProcess && key === 'related' ? relatedList : Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
    if (reader === undefined)
      return {
        kind: 'rejected',
        reason: `Unknown key "${clipKey(key)}" in the reply; known keys are ${Object.keys(KEYS).join(', ')}. Values for the resource go under "data"`,
      };
    const problem = reader(entry);
    if (problem !== null) return { kind: 'rejected', reason: `The reply's "${key}" ${problem}` };
  }
  return classify(value);
}

function classify(reply: JsonObject): HandlerReply {
  const data = (reply['data'] as JsonObject | null | undefined) ?? {};
  const message = (reply['transitioningMessage'] ?? reply['transitioningInternalMessage'] ?? null) as string | null;
  if (reply['transitioning'] === 'error')
    return {
      kind: 'failed',
      error: {
        code: clip((reply['code'] as string | null | undefined) || 'HandlerFailed', MAX_CODE),
        message: clip(message || 'The handler reported an error without a message'),
        retryable: reply['retryable'] !== false,
      },
    };
  if (reply['transitioning'] === 'yes')
    return {
      kind: 'progress',
      message: message === null ? null : clip(message),
      progress: typeof reply['transitioningProgress'] === 'number' ? Math.round(reply['transitioningProgress']) : null,
      data,
    };
  if (typeof reply['delayMillis'] === 'number')
    return { kind: 'delay', delayMillis: Math.round(reply['delayMillis']), data };
  return {
    kind: 'done',
    data,
    chainProcess: (reply['chainProcess'] as string | null | undefined) ?? null,
    delegate: reply['delegate'] === true,
    endPhase: reply['shouldContinue'] === false,
    ...(Array.isArray(reply['related']) ? { related: reply['related'] as unknown as RelatedDocument[] } : {}),
  };
}

function clipKey(key: string): string {
  return key.slice(0, 64).toWellFormed();
}

/** An error of ours as a step's failure. */
export function stepErrorOf(error: ErrorBody, retryable: boolean): StepError {
  return { code: error.code, message: clip(error.message), retryable };
}
