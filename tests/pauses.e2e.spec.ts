import { startStack, type Stack } from '@drover/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';

let stack: Stack;
beforeAll(async () => void (stack = await startStack()));
afterAll(() => stack?.[Symbol.asyncDispose]());

async function call(method: string, path: string, body?: unknown) {
  const headers: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
  const response = await fetch(`${stack.url}${path}`, { method, headers, body: JSON.stringify(body) });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

it('a pause is set, read, listed and lifted over HTTP', async () => {
  const pause = { type: 'pause', id: 'type/instance', scope: 'type/instance', reason: 'upgrade', operator: null };
  expect(await call('POST', '/v1/pauses', { scope: 'type/instance', reason: 'upgrade' })).toMatchObject({
    status: 201,
    json: { ...pause, links: { self: `${stack.url}/v1/pauses/type/instance` } },
  });
  expect(await call('POST', '/v1/pauses', { scope: 'type/instances', reason: 'upgrade' })).toMatchObject({
    status: 200,
  });
  const created = await call('POST', '/v1/instances', { name: 'web', imageUuid: 'docker:nginx' });
  expect(created).toMatchObject({
    status: 201,
    json: { state: 'creating', transitioningMessage: 'held: type instance is paused by an operator: upgrade' },
  });
  expect(await call('GET', '/v1/pauses/type/instance')).toMatchObject({ status: 200, json: { ...pause, held: 1 } });
  expect(await call('GET', '/v1/pauses')).toMatchObject({ json: { type: 'collection', data: [pause] } });
  expect((await call('GET', '/v1')).json['links']).toMatchObject({ pauses: `${stack.url}/v1/pauses` });
  expect(await (await fetch(stack.url)).text()).toContain('<h2>Paused</h2>');
  const scope = `resource/${String(created.json['id'])}`;
  expect(await call('POST', '/v1/pauses', { scope })).toMatchObject({ status: 201, json: { id: scope, reason: null } });
  expect(await call('DELETE', '/v1/pauses/type/instance')).toMatchObject({
    status: 200,
    json: { removed: true, woken: 1 },
  });
  expect(await call('DELETE', '/v1/pauses/type/instance')).toMatchObject({ status: 404, json: { code: 'NotFound' } });
  expect(await call('GET', '/v1/pauses/type/instance')).toMatchObject({ status: 404, json: { code: 'NotFound' } });
  expect(await call('DELETE', `/v1/pauses/${scope}`)).toMatchObject({ status: 200 });
});

it('a scope that is none, or names nothing, is refused', async () => {
  for (const scope of ['', 'all', 'cluster/x', 'type', 'handler/a b', 'resource/x', 'type/a/b'])
    expect(await call('POST', '/v1/pauses', { scope })).toMatchObject({ status: 422, json: { fieldName: 'scope' } });
  for (const scope of ['type/nothing', 'handler/nobody', 'resource/1i999999'])
    expect(await call('POST', '/v1/pauses', { scope })).toMatchObject({
      status: 422,
      json: { code: 'InvalidReference' },
    });
  expect(await call('POST', '/v1/pauses', { scop: 'cluster' })).toMatchObject({ status: 422 });
  expect(await call('PUT', '/v1/pauses/cluster', {})).toMatchObject({ status: 405 });
});

it('a handler with limits shows what passes its gate, and bad limits are refused', async () => {
  const limits = { maxInFlight: 3, circuitBreaker: { failures: 5, openMillis: 1000 } };
  const body = { name: 'bounded', processConfigs: [{ name: 'instance.stop' }], ...limits };
  const { json } = await call('POST', '/v1/externalhandlers', body);
  const path = `/v1/externalhandlers/${String(json['id'])}`;
  expect(await call('GET', path)).toMatchObject({ json: { ...limits, inFlight: 0, held: 0, circuit: 'closed' } });
  for (const wrong of [{ maxInFlight: 0 }, { maxInFlight: 100_001 }, { circuitBreaker: { failures: 5 } }])
    expect(await call('POST', '/v1/externalhandlers', { ...body, name: 'wrong', ...wrong })).toMatchObject({
      status: 422,
    });
});
