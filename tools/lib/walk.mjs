import { setTimeout as sleep } from 'node:timers/promises';

/** Longest a single process of the tour may take, seconds. */
const WAIT_SECONDS = 30;

/** A few calls of the HTTP API, as any client would make them. */
export function httpClient(base) {
  async function call(method, path, body, headers = {}) {
    const response = await fetch(`${base}${path}`, {
      method,
      headers: { ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout((WAIT_SECONDS + 10) * 1000),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${method} ${path}: ${answer.code ?? response.status} ${answer.message ?? ''}`);
    return answer;
  }
  const waiting = { prefer: `wait=${WAIT_SECONDS}` };
  return {
    get: (path) => call('GET', path),
    create: (plural, body) => call('POST', `/v1/${plural}`, body, waiting),
    act: (plural, id, action) => call('POST', `/v1/${plural}/${id}?action=${action}`, {}, waiting),
    remove: (plural, id) => call('DELETE', `/v1/${plural}/${id}`, undefined, waiting),
  };
}

/** Waits until the example handler takes events: a start before that would wait for it, which looks like a stall. */
export async function waitForHandler(client, name, timeoutMillis = 20_000) {
  const deadline = Date.now() + timeoutMillis;
  while (Date.now() < deadline) {
    const found = await client.get(`/v1/externalhandlers?name=${name}`).catch(() => ({ data: [] }));
    if (found.data.some((handler) => handler.state === 'active')) return true;
    await sleep(200);
  }
  return false;
}

/** Takes one instance through create, start, stop and remove, and says each transition with who handled it. */
export async function walkInstance(client, say) {
  const created = await client.create('instances', { name: 'tour', imageUuid: 'docker:nginx' });
  let printed = 0;
  const report = async () => {
    const { data } = await client.get(`/v1/instances/${created.id}/transitions`);
    for (const row of data.slice(printed)) say(await sentence(client, row));
    printed = data.length;
  };
  await report();
  for (const step of [
    () => client.act('instances', created.id, 'start'),
    () => client.act('instances', created.id, 'stop'),
  ]) {
    await step();
    await report();
  }
  await client.remove('instances', created.id);
  await report();
  return created.id;
}

async function sentence(client, row) {
  const handlers = row.processId ? await handlersOf(client, row.processId) : [];
  const by = handlers.length > 0 ? handlers.join(', ') : 'no handler needed';
  const field = row.stateField === 'state' ? '' : ` (${row.stateField})`;
  return `  ${(row.process ?? '-').padEnd(16)} ${row.from} → ${row.to}${field}`.padEnd(52) + `  ${by}`;
}

/** The names of the handlers that a process ran, in the order of their first steps. */
async function handlersOf(client, processId) {
  const { data } = await client.get(`/v1/processexecutions?processInstanceId=${processId}`);
  return [...new Set(data.flatMap((execution) => execution.steps ?? []).map((step) => step.handler))];
}

/** A second instance that stays, so that there is something to look at; the one of an earlier start is kept. */
export async function ensureRunningInstance(client) {
  const { data } = await client.get('/v1/instances?state=running&name=example');
  if (data[0]) return { id: data[0].id, kept: true };
  const created = await client.create('instances', { name: 'example', imageUuid: 'docker:nginx' });
  await client.act('instances', created.id, 'start');
  return { id: created.id, kept: false };
}
