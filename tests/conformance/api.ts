import type { JsonObject } from '@drover/kernel';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

/** Tries of a call that is answered late: a loaded machine may be, as the protocol allows. */
const TRIES = 10;

/** Calls again, ever more slowly, as long as the error says that it may go better. The call must be one that may be repeated. */
export async function patiently<T>(call: () => Promise<T>, isLate: (error: unknown) => boolean): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await call();
    } catch (error) {
      if (!isLate(error) || tries === TRIES) throw error;
      await sleep(tries * 100);
    }
  }
}

/** An answer that is an error, as HTTP gave it. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly body: JsonObject,
  ) {
    super(`${status} ${String(body['code'])}: ${String(body['message'])}`);
  }

  get code(): string {
    return String(this.body['code']);
  }
}

/** The gateway as any program uses it. */
export class Api {
  constructor(readonly url: string) {}

  /** @param path below `/v1`, or a link of an answer. @throws ApiError */
  async call(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<JsonObject> {
    // A repeat of a write must be the same write: a gateway that was out of time does not know what became of it.
    const key: Record<string, string> = method === 'GET' ? {} : { 'idempotency-key': randomUUID() };
    return patiently(
      () => this.once(method, path, body, { ...key, ...headers }),
      (error) => error instanceof ApiError && error.status === 503,
    );
  }

  private async once(
    method: string,
    path: string,
    body: unknown,
    headers: Record<string, string>,
  ): Promise<JsonObject> {
    const response = await fetch(path.startsWith('http') ? path : `${this.url}/v1${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const json = (await response.json()) as JsonObject;
    if (!response.ok) throw new ApiError(response.status, json);
    return json;
  }

  get(path: string): Promise<JsonObject> {
    return this.call('GET', path);
  }

  post(path: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<JsonObject> {
    return this.call('POST', path, body, headers);
  }
}
