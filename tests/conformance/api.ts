import type { JsonObject } from '@drover/kernel';

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
