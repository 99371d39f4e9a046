import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { canonicalJson, DroverError, parseId, uuidOf, uuidv7 } from '@drover/kernel';
import { IsInt, IsOptional, Length, Matches, Max, Min, validateSync } from 'class-validator';
import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { asDroverError } from './validation.js';

/** Longest time a request may wait for its process, seconds. */
export const MAX_WAIT_SECONDS = 60;

/** The headers that change how a write is done. */
export class CommandHeaders {
  @IsOptional()
  @Length(1, 255, { message: 'Idempotency-Key must have 1 to 255 characters' })
  @Matches(/^[\x20-\x7e]*$/, { message: 'Idempotency-Key must be printable ASCII' })
  'idempotency-key'?: string;

  /** `Prefer: wait=<seconds>`; the answer waits no longer than {@link MAX_WAIT_SECONDS} */
  @IsOptional()
  @Min(0, { message: 'Prefer: wait must be a whole number of seconds' })
  wait?: number;

  /** `If-Match: <revision>`, plain or quoted; `*` is any */
  @IsOptional()
  @IsInt({ message: 'If-Match must be a revision, a whole number' })
  @Min(0, { message: 'If-Match must be a revision, a whole number' })
  @Max(Number.MAX_SAFE_INTEGER, { message: 'If-Match must be a revision, a whole number' })
  'if-match'?: number;

  /** `X-API-Project-Id: 1a5`: the account in whose name the caller works. Advisory: there is no authentication yet */
  @IsOptional()
  @IsInt({ message: 'X-API-Project-Id must be the id of an account, as 1a5' })
  'x-api-project-id'?: number;
}

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
  const headers = Object.assign(new CommandHeaders(), {
    'idempotency-key': single(request.headers['idempotency-key']),
    wait: preferredWait(single(request.headers['prefer'])),
    'if-match': revision(single(request.headers['if-match'])),
    'x-api-project-id': account(request.headers['x-api-project-id']),
  });
  const errors = validateSync(headers);
  if (errors.length > 0) throw invalidHeader(asDroverError(errors).message, errors[0]!.property);
  return {
    ...identity(request, headers['idempotency-key']),
    waitMillis: Math.min(headers.wait ?? 0, MAX_WAIT_SECONDS) * 1_000,
    expectRevision: headers['if-match'] ?? null,
    account: headers['x-api-project-id'] ?? null,
  };
}

/**
 * A repeated key finds its command; a key is a client's name for one call, so method and path are part of it, and another action or
 * body under it is a mistake that the hash tells. Accounts get key spaces of their own once there are accounts.
 */
function identity(
  request: Pick<FastifyRequest, 'method' | 'url' | 'body'>,
  key: string | undefined,
): Pick<CommandOptions, 'commandId' | 'commandHash'> {
  if (key === undefined) return { commandId: uuidv7(), commandHash: null };
  const [path, query = ''] = request.url.toLowerCase().split('?', 2);
  const call = `${request.method} ${path!.replace(/\/+$/, '')}`;
  const hash = createHash('sha256')
    .update(`${call}?${query}\n${canonicalJson(request.body ?? {})}`)
    .digest('hex');
  return { commandId: uuidOf(`-/${call}/${key}`), commandHash: hash };
}

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(', ') : header;
}

/** RFC 7240: preferences we do not know are none of our business; one that we know must make sense. */
function preferredWait(header: string | undefined): number | undefined {
  for (const preference of (header ?? '').split(/[,;]/)) {
    const [name, value = ''] = preference.split('=').map((part) => part.trim());
    if (name!.toLowerCase() !== 'wait') continue;
    const seconds = value.replace(/^"(.*)"$/, '$1');
    return /^\d{1,9}$/.test(seconds) ? Number(seconds) : NaN;
  }
  return undefined;
}

function revision(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  const text = header.trim().replace(/^(W\/)?"(.*)"$/, '$2');
  return /^\d{1,16}$/.test(text) ? Number(text) : NaN;
}

/** The number of the account that the caller names; undefined: none; NaN: the header is not the id of one. */
export function account(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined;
  const id = parseId(single(header)!.trim().toLowerCase());
  return id?.prefix === 'a' ? id.number : NaN;
}

function invalidHeader(message: string, fieldName: string): DroverError {
  return new DroverError('InvalidHeader', message, { fieldName: fieldName === 'wait' ? 'prefer' : fieldName });
}
