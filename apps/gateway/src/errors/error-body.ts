import { HttpException } from '@nestjs/common';
import { DroverError, type ErrorBody, type ErrorCode, ERRORS, retryAfterMillis } from '@drover/kernel';
import { randomUUID } from 'node:crypto';

/** An error as the API answers it. The code is stable; the message is for people. */
export interface ErrorJson extends ErrorBody {
  type: 'error';
  id: string;
  status: number;
  detail: unknown;
}

/** What the filter sends, and what it must write to the log under the same id (null: nothing worth a line). */
export interface AnsweredError {
  json: ErrorJson;
  headers: Record<string, string>;
  /** the thrown value, when it is ours to look into */
  bug: unknown;
}

/** Any thrown value as the API's error. What is not ours keeps its text to itself: only the log has it, under the answered id. */
export function answerOf(error: unknown): AnsweredError {
  const known = error instanceof DroverError ? error : ofFramework(error);
  const body = DroverError.bodyOf(known);
  return { ...answerOfBody(body), bug: known === null || body.code === 'Internal' ? error : null };
}

/** As {@link answerOf}, for an error that is known to be none of ours to look into. */
export function answerOfBody(body: ErrorBody): Omit<AnsweredError, 'bug'> {
  const status = ERRORS[body.code].http;
  const json: ErrorJson = { type: 'error', id: randomUUID(), status, ...body, detail: body.detail ?? null };
  const retryable = status === 503 || status === 429;
  return { json, headers: retryable ? { 'retry-after': retryAfterSeconds(body) } : {} };
}

/** Seconds after which a client may try again what was not answered; who was refused for load is told when. */
function retryAfterSeconds(body: ErrorBody): string {
  return String(Math.ceil((retryAfterMillis(body) ?? 1_000) / 1_000));
}

const BY_STATUS: Record<number, ErrorCode> = {
  400: 'InvalidBodyContent',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  413: 'BodyTooLarge',
  415: 'UnsupportedMediaType',
};

/** Nest and Fastify speak in status codes; null: no client's fault, so a bug of ours. */
function ofFramework(error: unknown): DroverError | null {
  if (!(error instanceof HttpException) || error.getStatus() >= 500) return null;
  const code = BY_STATUS[error.getStatus()] ?? 'InvalidBodyContent';
  return new DroverError(code, MESSAGES[code] ?? error.message, { cause: error });
}

const MESSAGES: Partial<Record<ErrorCode, string>> = {
  BodyTooLarge: 'The body is larger than 256 KiB',
  UnsupportedMediaType:
    'The body must be application/json or a form (definitions: application/json or application/yaml)',
};
