import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { canonicalJson, DroverError, parseId, uuidOf, uuidv7 } from '@drover/kernel';
import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';

/** Longest time a request may wait for its process, seconds. */
export const MAX_WAIT_SECONDS = 60;

/** How a write is to be done. */
export interface CommandOptions {
  /** repeated by a client with the same `Idempotency-Key`, else of this request only */
  commandId: string;
  /** hash of method, path, query and body, or null without a key */
  commandHash: string | null;
  waitMillis: number;
  expectRevision: number | null;
  /** number of the account in whose name the caller works, or null */
  account: number | null;
}

/** Parameter of a controller's method: the command options of the request. */
export const Command = createParamDecorator((_data: unknown, context: ExecutionContext) =>
  commandOptions(context.switchToHttp().getRequest<FastifyRequest>()),
);

/** @throws DroverError InvalidHeader */
export function commandOptions(request: Pick<FastifyRequest, 'headers' | 'method' | 'url' | 'body'>): CommandOptions {
  const { headers } = request;
  const key = idempotencyKey(single(headers['idempotency-key']));
  return {
    commandId: key === null ? uuidv7() : commandIdOf(request, key),
    commandHash: key === null ? null : commandHashOf(request),
    waitMillis: waitMillis(single(headers['prefer'])),
    expectRevision: revision(single(headers['if-match'])),
    account: accountOf(headers['x-api-project-id']),
  };
}

function idempotencyKey(header: string | undefined): string | null {
  if (header === undefined) return null;
  if (header.length < 1 || header.length > 255)
    throw invalidHeader('idempotency-key', 'Idempotency-Key must have 1 to 255 characters');
  if (!/^[\x20-\x7e]*$/.test(header)) throw invalidHeader('idempotency-key', 'Idempotency-Key must be printable ASCII');
  return header;
}

/**
 * A repeated key finds its command; a key is a client's name for one call, so method and path are part of it. Accounts get key spaces of
 * their own once there are accounts.
 */
function commandIdOf(request: Pick<FastifyRequest, 'method' | 'url'>, key: string): string {
  return uuidOf(`-/${callOf(request)}/${key}`);
}

/** Another action or body under the same key is a mistake that the hash tells. */
function commandHashOf(request: Pick<FastifyRequest, 'method' | 'url' | 'body'>): string {
  const [, query = ''] = request.url.toLowerCase().split('?', 2);
  return createHash('sha256')
    .update(`${callOf(request)}?${query}\n${canonicalJson(request.body ?? {})}`)
    .digest('hex');
}

function callOf({ method, url }: Pick<FastifyRequest, 'method' | 'url'>): string {
  return `${method} ${url.toLowerCase().split('?', 1)[0]!.replace(/\/+$/, '')}`;
}

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(', ') : header;
}

/**
 * `Prefer: wait=<seconds>`; the answer waits no longer than {@link MAX_WAIT_SECONDS}. RFC 7240: preferences we do not know are none of our
 * business; one that we know must make sense.
 */
function waitMillis(header: string | undefined): number {
  const wait = header === undefined ? null : WAIT.exec(header);
  if (wait === null) return 0;
  const seconds = (wait[1] ?? '').trim().replace(/^"(.*)"$/, '$1');
  if (!/^\d{1,9}$/.test(seconds)) throw invalidHeader('prefer', 'Prefer: wait must be a whole number of seconds');
  return Math.min(Number(seconds), MAX_WAIT_SECONDS) * 1_000;
}

const WAIT = /(?:^|[,;])\s*wait\s*(?:=([^,;=]*)[^,;]*)?(?=[,;]|$)/i;

/** `If-Match: <revision>`, plain or quoted; `*` is any */
function revision(header: string | undefined): number | null {
  if (header === undefined || header.trim() === '*') return null;
  const text = header.trim().replace(/^(W\/)?"(.*)"$/, '$2');
  const number = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(number)) throw invalidHeader('if-match', 'If-Match must be a revision, a whole number');
  return number;
}

/** `X-API-Project-Id: 1a5`: the account in whose name the caller works. Advisory: there is no authentication yet */
function accountOf(header: string | string[] | undefined): number | null {
  const number = account(header) ?? null;
  if (Number.isNaN(number))
    throw invalidHeader('x-api-project-id', 'X-API-Project-Id must be the id of an account, as 1a5');
  return number;
}

/** The number of the account that the caller names; undefined: none; NaN: the header is not the id of one. */
export function account(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined;
  const id = parseId(single(header)!.trim().toLowerCase());
  return id?.prefix === 'a' ? id.number : NaN;
}

function invalidHeader(fieldName: string, message: string): DroverError {
  return new DroverError('InvalidHeader', message, { fieldName });
}
