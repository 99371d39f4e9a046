import type { ErrorCode } from '@drover/kernel';

/**
 * A request between two of our services: subject, queue group, deadline and both message shapes in one value.
 * Logic imports it, never a subject string.
 */
export interface RequestContract<Request, Reply> {
  /** NATS subject the request is published on */
  readonly subject: string;
  /** queue group of the services that answer: one of them gets each request */
  readonly queue: string;
  /** time after which the outcome is *unknown* (never "failed"), milliseconds */
  readonly timeoutMillis: number;
  /** codes the answer may carry besides Unavailable, Overloaded and Internal */
  readonly errors: readonly ErrorCode[];
  /** how a request travels, where it is not one JSON value; `decode` throws on garbage */
  readonly codec?: { encode(request: Request): string; decode(text: string): Request };
  /** phantom: the types of both messages */
  readonly types?: { request: Request; reply: Reply };
}

export function defineRequest<Request, Reply>(
  contract: Omit<RequestContract<Request, Reply>, 'types'>,
): RequestContract<Request, Reply> {
  return contract;
}
