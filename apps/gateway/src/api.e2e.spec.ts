import 'reflect-metadata';
import { registerHandler } from '@drover/contracts';
import type { JsonObject } from '@drover/kernel';
import { connectNats, MessageBus } from '@drover/messaging';
import { createLogger } from '@drover/telemetry';
import { type Stack, startStack, waitFor } from '@drover/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startGateway } from './gateway.js';

let stack: Stack;
let bus: MessageBus;

interface Answer {
  status: number;
  headers: Headers;
  text: string;
  json: JsonObject;
}

async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const sent = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(path.startsWith('http') ? path : `${stack.url}/v1${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: sent }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') ?? false;
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: (isJson ? JSON.parse(text) : {}) as JsonObject,
  };
}

const get = (path: string, headers = {}) => call('GET', path, undefined, headers);
const post = (path: string, body: unknown = {}, headers = {}) => call('POST', path, body, headers);
const put = (path: string, body: unknown, headers = {}) => call('PUT', path, body, headers);
const del = (path: string, headers = {}) => call('DELETE', path, undefined, headers);

const wait = { prefer: 'wait=30' };
const image = { imageUuid: 'docker:nginx' };
const map = (json: JsonObject, key: string): Record<string, string> => json[key] as Record<string, string>;
const rows = (json: JsonObject): JsonObject[] => json['data'] as JsonObject[];
const error = ({ status, json }: Answer) => ({ status, code: json['code'], type: json['type'] });

let sequence = 0;
/** A name of its own. Its plural adds an s, whatever the counter says: a name that ends in s or x would take es. */
const fresh = (prefix: string): string =>
  `${prefix}${Date.now().toString(36)}${(++sequence).toString(36)}n`.replace(/[^A-Za-z0-9]/g, '');

/** Waits until a resource is at rest, without `Prefer`. */
const rest = (path: string, state: string) =>
  waitFor(async () => (await get(path)).json['state'] === state, {
    timeoutMillis: 20_000,
    everyMillis: 50,
    what: `${path} ${state}`,
  });

beforeAll(async () => {
  stack = await startStack({ env: { DROVER_HANDLERS: './examples/handlers/in-process' } });
  bus = new MessageBus(await connectNats(stack.natsUrl, 'test'));
});

let failed = false;
afterEach(({ task }) => {
  failed ||= task.result?.state === 'fail';
});

afterAll(async () => {
  if (failed) await stack?.keepLogs('gateway-api');
  await bus?.connection.close();
  await stack?.[Symbol.asyncDispose]();
});

describe('a resource', () => {
  it('is created in its transitioning state, names its process, and comes to rest', async () => {
    const created = await post('/instances', { ...image, name: 'web', data: { rack: 7 } });
    expect(created.status).toBe(201);
    expect(created.headers.get('x-api-schemas')).toBe(`${stack.url}/v1/schemas`);
    expect(created.json).toMatchObject({
      type: 'instance',
      state: 'creating',
      transitioning: 'yes',
      name: 'web',
      cpus: 1,
      data: { rack: 7 },
    });
    const id = String(created.json['id']);
    expect(id).toMatch(/^1i\d+$/);
    expect(created.json['created']).toBe(new Date(created.json['createdTS'] as number).toISOString());
    await rest(`/instances/${id}`, 'stopped');
    const process = await get(map(created.json, 'links')['processInstance']!);
    expect(process.json).toMatchObject({
      processName: 'instance.create',
      resourceType: 'instance',
      resourceId: id,
      exitReason: 'DONE',
      phase: 'DONE',
    });
    expect(process.json['endTime']).not.toBeNull();
  });

  it('goes through create, start, stop and remove, and each answer waits when asked to', async () => {
    const created = await post('/instance', image, wait);
    expect({
      status: created.status,
      state: created.json['state'],
      transitioning: created.json['transitioning'],
    }).toEqual({ status: 201, state: 'stopped', transitioning: 'no' });
    const actions = map(created.json, 'actions');
    const started = await post(actions['start']!, {}, wait);
    expect({ status: started.status, state: started.json['state'] }).toEqual({ status: 202, state: 'running' });
    const stopped = await post(map(started.json, 'actions')['stop']!, { why: 'test' }, wait);
    expect(stopped.json['state']).toBe('stopped');
    expect((await get(map(stopped.json, 'links')['processInstance']!)).json['data']).toEqual({ why: 'test' });
    const self = map(stopped.json, 'links')['self']!;
    const removed = await del(self, wait);
    expect({ status: removed.status, state: removed.json['state'] }).toEqual({ status: 200, state: 'removed' });
    expect(removed.json['removed']).not.toBeNull();
    expect((await get(self)).json['state']).toBe('removed');
    const history = await get(`${self}/transitions`);
    expect(rows(history.json).map(({ from, to }) => `${from as string} > ${to as string}`)).toEqual([
      'requested > creating',
      'creating > stopped',
      'stopped > starting',
      'starting > running',
      'running > stopping',
      'stopping > stopped',
      'stopped > removing',
      'removing > removed',
    ]);
    const processes = await get(`${self}/processInstances`);
    expect(rows(processes.json).map(({ processName }) => processName)).toEqual([
      'instance.remove',
      'instance.stop',
      'instance.start',
      'instance.create',
    ]);
    expect(rows((await get(`/instances?id=${String(removed.json['id'])}`)).json)).toEqual([]);
    expect(rows((await get(`/instances?state=removed&id=${String(removed.json['id'])}`)).json)).toHaveLength(1);
  });

  it('is found whatever the case and number of its path', async () => {
    const { json } = await post('/instances', image, wait);
    const id = String(json['id']);
    for (const path of [`/instances/${id}`, `/instance/${id}`, `/INSTANCES/${id.toUpperCase()}`, `/Instance/${id}/`])
      expect((await get(path)).json['id']).toBe(id);
    expect((await post(`/Instance/${id}?action=START`, {}, wait)).json['state']).toBe('running');
    expect(error(await get(`/hosts/${id.replace('1i', '1h')}`))).toEqual({
      status: 404,
      code: 'NotFound',
      type: 'error',
    });
    expect(error(await post(`/hosts/${id.replace('1i', '1h')}?action=activate`))).toEqual({
      status: 404,
      code: 'NotFound',
      type: 'error',
    });
    expect(error(await put(`/hosts/${id.replace('1i', '1h')}`, { name: 'x' }))).toEqual({
      status: 404,
      code: 'NotFound',
      type: 'error',
    });
    expect(error(await del(`/hosts/${id.replace('1i', '1h')}`))).toEqual({
      status: 404,
      code: 'NotFound',
      type: 'error',
    });
  });

  it('lists exactly the actions that may start', async () => {
    const { json } = await post('/instances', image, wait);
    const actions = Object.keys(map(json, 'actions')).sort();
    for (const verb of actions) expect(verb).toMatch(/^[a-z]+$/);
    expect(actions).toEqual(expect.arrayContaining(['start', 'remove', 'update', 'error', 'allocate']));
    expect(actions).not.toContain('stop');
    const refused = await post(`/instances/${String(json['id'])}?action=stop`);
    expect(error(refused)).toEqual({ status: 422, code: 'ActionNotAvailable', type: 'error' });
    expect(refused.json['message']).toContain('stopped');
    expect(refused.json['message']).toContain('start');
    expect(error(await post(`/instances/${String(json['id'])}?action=fly`))).toEqual({
      status: 422,
      code: 'InvalidAction',
      type: 'error',
    });
  });

  it('of another region moves beside its state', async () => {
    const { json } = await post('/instances', image, wait);
    const allocated = await post(map(json, 'actions')['allocate']!, {}, wait);
    expect(allocated.json).toMatchObject({
      state: 'stopped',
      allocationState: 'active',
      allocationStateTransitioning: 'no',
    });
  });
});

describe('a change', () => {
  it('starts an update; an unchanged PUT starts nothing', async () => {
    const { json } = await post('/instances', image, wait);
    const self = map(json, 'links')['self']!;
    const changed = await put(self, { cpus: 4, name: 'new' }, wait);
    expect({
      status: changed.status,
      cpus: changed.json['cpus'],
      name: changed.json['name'],
      state: changed.json['state'],
    }).toEqual({ status: 200, cpus: 4, name: 'new', state: 'stopped' });
    expect(map(changed.json, 'links')).toHaveProperty('processInstance');
    const { json: present } = await get(self);
    const same = await put(self, present);
    expect(same.status).toBe(200);
    expect(same.json['revision']).toBe(present['revision']);
    expect(map(same.json, 'links')).not.toHaveProperty('processInstance');
  });

  it('is guarded by If-Match', async () => {
    const { json } = await post('/instances', image, wait);
    const self = map(json, 'links')['self']!;
    const revision = json['revision'] as number;
    expect(error(await put(self, { cpus: 2 }, { 'if-match': String(revision - 1) }))).toEqual({
      status: 412,
      code: 'RevisionMismatch',
      type: 'error',
    });
    expect((await put(self, { cpus: 2 }, { 'if-match': `"${revision}"` })).status).toBe(200);
    expect(error(await put(self, { cpus: 3 }, { 'if-match': 'x' }))).toEqual({
      status: 422,
      code: 'InvalidHeader',
      type: 'error',
    });
  });

  it.each([
    [{ colour: 'red' }, 'InvalidField', 'colour'],
    [{ cpus: 0 }, 'MinLimitExceeded', 'cpus'],
    [{ cpus: 'two' }, 'InvalidFormat', 'cpus'],
    [{ state: 'running' }, 'FieldNotWritable', 'state'],
    [{ imageUuid: 'other' }, 'FieldNotWritable', 'imageUuid'],
    [{ hostId: '1h999999' }, 'InvalidReference', 'hostId'],
  ])('%j is refused as %s', async (body, code, fieldName) => {
    const { json } = await post('/instances', image, wait);
    const refused = await put(map(json, 'links')['self']!, body);
    expect({ ...error(refused), fieldName: refused.json['fieldName'] }).toEqual({
      status: 422,
      code,
      type: 'error',
      fieldName,
    });
  });
});

describe('a create', () => {
  it.each([
    [{}, 'MissingRequired', 'imageUuid'],
    [{ ...image, colour: 'red' }, 'InvalidField', 'colour'],
    [{ ...image, cpus: 5_000 }, 'MaxLimitExceeded', 'cpus'],
    [{ ...image, hostId: '1h999999' }, 'InvalidReference', 'hostId'],
    [{ ...image, containerId: 'mine' }, 'FieldNotWritable', 'containerId'],
  ])('%j is refused as %s', async (body, code, fieldName) => {
    const refused = await post('/instances', body);
    expect({ ...error(refused), fieldName: refused.json['fieldName'] }).toEqual({
      status: 422,
      code,
      type: 'error',
      fieldName,
    });
  });

  it('with a known uuid is a conflict', async () => {
    const uuid = fresh('u');
    expect((await post('/hosts', { uuid })).status).toBe(201);
    expect(error(await post('/hosts', { uuid }))).toEqual({ status: 409, code: 'NotUnique', type: 'error' });
  });

  it('repeated with its key is the first one; another body under the key is refused', async () => {
    const key = { 'idempotency-key': fresh('key') };
    const first = await post('/instances', { ...image, name: 'once' }, key);
    const again = await post('/instances', { name: 'once', ...image }, key);
    expect({ status: again.status, id: again.json['id'] }).toEqual({ status: 201, id: first.json['id'] });
    expect(map(again.json, 'links')['processInstance']).toBe(map(first.json, 'links')['processInstance']);
    expect(error(await post('/instances', { ...image, name: 'twice' }, key))).toEqual({
      status: 422,
      code: 'IdempotencyKeyReused',
      type: 'error',
    });
    expect(rows((await get('/instances?name=once')).json)).toHaveLength(1);
  });

  it('an action repeated with its key starts one process', async () => {
    const { json } = await post('/instances', image, wait);
    const start = map(json, 'actions')['start']!;
    const key = { 'idempotency-key': fresh('key') };
    const first = await post(start, {}, { ...key, ...wait });
    const again = await post(start, {}, key);
    expect(again.status).toBe(202);
    expect(map(again.json, 'links')['processInstance']).toBe(map(first.json, 'links')['processInstance']);
    expect(error(await post(start.replace('start', 'stop'), {}, key))).toEqual({
      status: 422,
      code: 'IdempotencyKeyReused',
      type: 'error',
    });
    expect((await get(map(json, 'links')['self']!)).json['state']).toBe('running');
  });
});

describe('a form', () => {
  it.each([
    ['urlencoded', () => new URLSearchParams({ ...image, cpus: '3' })],
    [
      'multipart, as curl -F sends it',
      () =>
        Object.entries({ ...image, cpus: '3' }).reduce(
          (form, [key, value]) => (form.set(key, value), form),
          new FormData(),
        ),
    ],
  ])('%s creates a resource', async (_name, body) => {
    const response = await fetch(`${stack.url}/v1/instances`, { method: 'POST', body: body() });
    expect(response.status).toBe(201);
    expect(await response.json()).toMatchObject({ type: 'instance', ...image, cpus: 3 });
  });
});

describe('relationships', () => {
  it('are followed both ways', async () => {
    const host = (await post('/hosts', { name: 'metal' }, wait)).json;
    const mine = (await post('/instances', { ...image, hostId: host['id'] }, wait)).json;
    await post('/instances', image, wait);
    expect((await get(map(mine, 'links')['host']!)).json['id']).toBe(host['id']);
    const children = await get(map(host, 'links')['instances']!);
    expect(children.json['resourceType']).toBe('instance');
    expect(rows(children.json).map(({ id }) => id)).toEqual([mine['id']]);
    expect(rows((await get(`/instances?hostId=${String(host['id'])}`)).json)).toHaveLength(1);
    expect(error(await get(`/instances/${String(mine['id'])}/nothing`))).toEqual({
      status: 404,
      code: 'NotFound',
      type: 'error',
    });
  });
});

describe('a list', () => {
  it('is paged without gaps or repeats, either way', async () => {
    const name = fresh('page');
    const made: unknown[] = [];
    for (let i = 0; i < 7; i++) made.push((await post('/hosts', { name })).json['id']);
    for (const [order, expected] of [
      ['asc', made],
      ['desc', made.toReversed()],
    ] as const) {
      const seen: unknown[] = [];
      for (let next: string | null = `/hosts?name=${name}&limit=3&sort=id&order=${order}`; next !== null;) {
        const { json } = await get(next);
        expect(json).toMatchObject({
          type: 'collection',
          resourceType: 'host',
          createTypes: { host: `${stack.url}/v1/hosts` },
        });
        seen.push(...rows(json).map(({ id }) => id));
        next = (json['pagination'] as { next: string | null }).next;
      }
      expect(seen).toEqual(expected);
    }
  });

  it('say how many there are in all when asked to, exactly while that is cheap', async () => {
    const name = fresh('count');
    for (let i = 0; i < 3; i++) await post('/hosts', { name });
    const paginationOf = async (path: string) => (await get(path)).json['pagination'];
    expect(await paginationOf(`/hosts?name=${name}&limit=1&count=true`)).toMatchObject({ total: 3, totalExact: true });
    expect(await paginationOf(`/hosts?name=${name}&limit=1`)).not.toHaveProperty('total');
    const creates = '/processinstances?processName=host.create&limit=1&count=true';
    expect(await paginationOf(creates)).toMatchObject({ totalExact: true, total: expect.any(Number) });
    expect((await get('/hosts?count=maybe')).status).toBe(422);
  });

  it('filters by envelope and declared fields, in ranges too', async () => {
    const name = fresh('filter');
    for (const cpus of [1, 2, 3, 4]) await post('/hosts', { name, cpus });
    const count = async (query: string) => rows((await get(`/hosts?name=${name}&${query}`)).json).length;
    expect(await count('cpus=2')).toBe(1);
    expect(await count('cpus_gte=2&cpus_lt=4')).toBe(2);
    expect(await count('cpus_ne=2')).toBe(3);
    expect(await count(`name_prefix=${name.slice(0, 5)}`)).toBe(4);
    expect(await count('description_null')).toBe(4);
    expect(await count('description_notnull')).toBe(0);
    expect(await count(`created_gt=${Date.now() + 60_000}`)).toBe(0);
    expect(await count(`created_gt=${new Date(Date.now() - 60_000).toISOString()}`)).toBe(4);
    expect(error(await get('/hosts?color=red'))).toEqual({ status: 422, code: 'InvalidFilter', type: 'error' });
  });
});

describe('definitions', () => {
  const document = (name: string, rest: object = {}) => ({
    apiVersion: 'drover/v1',
    kind: 'ResourceType',
    name,
    ...rest,
  });

  it('declared as JSON are usable at once', async () => {
    const name = fresh('widget');
    const declared = await post('/definitions', document(name, { fields: { size: { type: 'int' } } }));
    expect({ status: declared.status, name: declared.json['name'], version: declared.json['version'] }).toEqual({
      status: 201,
      name,
      version: 1,
    });
    const created = await post(`/${name}s`, { size: 3 }, wait);
    expect({ status: created.status, size: created.json['size'] }).toEqual({ status: 201, size: 3 });
    expect((await get('')).json['links']).toHaveProperty(`${name}s`);
    expect(error(await post('/definitions', document(name)))).toEqual({
      status: 409,
      code: 'NotUnique',
      type: 'error',
    });
  });

  it('declared as YAML get a new version by PUT, and are read with versions', async () => {
    const name = fresh('gadget');
    const yaml = `apiVersion: drover/v1\nkind: ResourceType\nname: ${name}\n`;
    expect((await post('/definitions', yaml, { 'content-type': 'application/yaml' })).status).toBe(201);
    const changed = await put(
      `/definitions/${name.toUpperCase()}`,
      `${yaml}fields: { size: { type: int, default: 2 } }\n`,
      { 'content-type': 'text/yaml' },
    );
    expect({ status: changed.status, version: changed.json['version'] }).toEqual({ status: 200, version: 2 });
    expect((await post(`/${name}s`)).json['size']).toBe(2);
    const read = await get(`/definitions/${name}`);
    expect((read.json['versions'] as JsonObject[]).map(({ version }) => version)).toEqual([1, 2]);
    expect(read.json['document']).toMatchObject({ name });
    expect(read.json).toHaveProperty('warnings');
  });

  it('that are not sound are refused with what is wrong', async () => {
    const name = fresh('bad');
    const refused = await post(
      '/definitions',
      document(name, {
        processes: { go: { start: ['nowhere'], transitioning: 'going', done: 'gone', onError: 'fly' } },
      }),
    );
    expect(error(refused)).toEqual({ status: 422, code: 'InvalidDefinition', type: 'error' });
    expect(Array.isArray(refused.json['detail'])).toBe(true);
    expect(JSON.stringify(refused.json['detail'])).toContain('nowhere');
    expect(error(await get(`/${name}s`))).toEqual({ status: 404, code: 'TypeUnknown', type: 'error' });
  });

  it.each([
    [
      'two documents',
      'apiVersion: drover/v1\nkind: ResourceType\nname: one\n---\napiVersion: drover/v1\nkind: ResourceType\nname: two\n',
      'application/yaml',
      422,
    ],
    ['no YAML', 'a: [', 'application/yaml', 422],
    ['no JSON', '{"a"', 'application/json', 400],
    ['nothing', '', 'application/json', 400],
    ['another kind', '{"apiVersion":"drover/v1","kind":"Thing","name":"x"}', 'application/json', 422],
    [
      'a reserved name',
      '{"apiVersion":"drover/v1","kind":"ResourceType","name":"definition"}',
      'application/json',
      422,
    ],
    ['a form', 'a=b', 'application/x-www-form-urlencoded', 415],
  ])('%s is refused', async (_name, body, type, status) => {
    expect((await post('/definitions', body, { 'content-type': type })).status).toBe(status);
  });

  it('of the product cannot be redeclared', async () => {
    expect((await put('/definitions/externalHandler', document('externalHandler'))).status).toBe(422);
  });

  it('are deleted when nothing of them is left', async () => {
    const name = fresh('gone');
    await post('/definitions', document(name));
    expect((await del(`/definitions/${name}`)).status).toBe(200);
    expect(error(await get(`/${name}s`))).toEqual({ status: 404, code: 'TypeUnknown', type: 'error' });
    const used = fresh('used');
    await post('/definitions', document(used));
    await post(`/${used}s`);
    expect(error(await del(`/definitions/${used}`))).toEqual({ status: 409, code: 'DefinitionInUse', type: 'error' });
  });
});

describe('introspection', () => {
  it('shows every type and process, and draws all of them', async () => {
    const types = rows((await get('/resourcedefinitions?limit=1000')).json);
    expect(types.map(({ id }) => id)).toEqual(expect.arrayContaining(['1rd!instance', '1rd!externalHandler']));
    for (const type of types) {
      const { status, headers, text } = await get(map(type, 'links')['resourceDot']!);
      expect({ status, type: headers.get('content-type') }).toEqual({ status: 200, type: 'text/plain; charset=utf-8' });
      expect(text).toMatch(/^digraph "/);
    }
    const processes = await get('/processDefinitions?resourceType=instance');
    const start = rows(processes.json).find(({ name }) => name === 'instance.start')!;
    expect(start['stateTransitions']).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ fromState: 'stopped', toState: 'starting', field: 'state', type: 'TRANSITIONING' }),
        expect.objectContaining({ fromState: 'starting', toState: 'running', field: 'state', type: 'DONE' }),
      ]),
    );
    expect((await get(map(start, 'links')['processDot']!)).text).toContain('instance.start');
    expect(Object.keys(map(start, 'links'))).toEqual(
      expect.arrayContaining(['processDot', 'resourceDot', 'processes', 'definition', 'self']),
    );
    expect((await get('/processdefinitions/1PD!Instance.Start')).json['id']).toBe('1pd!instance.start');
    expect((await get('/processdefinitions/1pd!instance.start/resourcedot')).text).toContain('instance.stop');
    expect(rows((await get('/resourcedefinitions/1rd!instance/processes')).json).length).toBe(
      rows(processes.json).length,
    );
  });

  it('draws SVG', async () => {
    const { headers, text } = await get('/resourcedefinitions/1rd!instance/resourcedot', { accept: 'image/svg+xml' });
    expect(headers.get('content-type')).toContain('image/svg+xml');
    expect(text).toContain('starting');
  });

  it('has a page for people', async () => {
    const { headers, text } = await get(stack.url);
    expect(headers.get('content-type')).toContain('text/html');
    expect(text).toContain('<svg');
    expect(text).toContain('/v1/processdefinitions');
  });
});

describe('process instances', () => {
  it('are listed, filtered and read with their attempts', async () => {
    const created = (await post('/instances', image, wait)).json;
    const list = await get(`/processinstances?resourceId=${String(created['id'])}&processName=instance.create`);
    const [process] = rows(list.json);
    expect(process).toMatchObject({ processName: 'instance.create', exitReason: 'DONE', executionCount: 1 });
    const executions = await get(map(process!, 'links')['processExecutions']!);
    const [execution] = rows(executions.json);
    expect(execution).toMatchObject({
      type: 'processExecution',
      processInstanceId: process!['id'],
      exitReason: 'DONE',
    });
    expect((await get(map(execution!, 'links')['self']!)).json['id']).toBe(execution!['id']);
    expect(rows((await get(`/processexecutions?processInstanceId=${String(process!['id'])}`)).json)).toHaveLength(1);
    expect(rows((await get('/processinstances?exitReason=DONE&limit=2')).json)).toHaveLength(2);
    expect(error(await get('/processinstances/1pi999999999'))).toEqual({
      status: 404,
      code: 'NotFound',
      type: 'error',
    });
    expect(error(await get('/processinstances?colour=red'))).toEqual({
      status: 422,
      code: 'InvalidFilter',
      type: 'error',
    });
  });
});

describe('external handlers', () => {
  /** A handler that is answered by the test. */
  function serve(name: string, answer: (event: JsonObject) => JsonObject): void {
    bus.connection.subscribe(`drover.process.*.*.*.${name}`, {
      queue: name,
      callback: (_error, message) => void message.respond(JSON.stringify(answer(message.json<JsonObject>()))),
    });
  }

  it('registered over HTTP do the work, and no more once deactivated', async () => {
    const name = fresh('demo');
    const type = fresh('thing');
    await post('/definitions', {
      apiVersion: 'drover/v1',
      kind: 'ResourceType',
      name: type,
      fields: { done: { type: 'boolean', create: false } },
    });
    let events = 0;
    serve(name, () => ({ data: { done: ++events > 0 } }));
    const registered = await post(
      '/externalhandlers',
      { name, uuid: name, processConfigs: [{ name: `${type}.activate` }] },
      wait,
    );
    expect({ status: registered.status, state: registered.json['state'] }).toEqual({ status: 201, state: 'active' });
    const thing = (await post(`/${type}s`, {}, wait)).json;
    const active = await post(map(thing, 'actions')['activate']!, {}, wait);
    expect({ state: active.json['state'], done: active.json['done'], events }).toEqual({
      state: 'active',
      done: true,
      events: 1,
    });
    const shown = await get(`/processdefinitions/1pd!${type}.activate`);
    expect((shown.json['processHandlers'] as { implementations: JsonObject[] }).implementations).toEqual([
      expect.objectContaining({ name, kind: 'external' }),
    ]);
    expect((await get(`/resourcedefinitions/1rd!${type}/resourcedot`)).text).toContain(`logic=${name}`);
    expect(error(await post('/externalhandlers', { name, uuid: name, processNames: `${type}.activate` }))).toEqual({
      status: 409,
      code: 'NotUnique',
      type: 'error',
    });
    expect(
      (await post('/externalhandlers', { name, uuid: fresh('u'), processNames: `${type}.activate` }, wait)).status,
    ).toBe(409);
    expect((await post(map(registered.json, 'actions')['deactivate']!, {}, wait)).json['state']).toBe('inactive');
    const other = (await post(`/${type}s`, {}, wait)).json;
    await post(map(other, 'actions')['activate']!, {}, wait);
    expect(events).toBe(1);
  });

  it('registered over NATS are answered once active, and again when they register again', async () => {
    const name = fresh('nats');
    const registration = { name, uuid: name, processConfigs: [{ name: 'volume.*,pre.volume.remove' }] };
    const first = await bus.request(registerHandler, registration);
    expect(first).toMatchObject({ type: 'externalHandler', name, state: 'active', uuid: name, priority: 1000 });
    const again = await bus.request(registerHandler, { ...registration, priority: 700 });
    expect(again).toMatchObject({ id: first['id'], state: 'active', priority: 700 });
    await post(`/externalhandlers/${String(first['id'])}?action=deactivate`, {}, wait);
    expect(await bus.request(registerHandler, registration)).toMatchObject({ id: first['id'], state: 'active' });
    await expect(bus.request(registerHandler, { ...registration, uuid: fresh('u') })).rejects.toMatchObject({
      code: 'NotUnique',
    });
    await expect(bus.request(registerHandler, { name: 'two words' })).rejects.toMatchObject({ code: 'InvalidFormat' });
    await post(`/externalhandlers/${String(first['id'])}?action=deactivate`, {}, wait);
  });

  it('under the name of an in-process handler are refused, over HTTP and NATS, new or renamed', async () => {
    const processes = { processConfigs: [{ name: 'instance.stop' }] };
    const taken = { name: 'place-volume', ...processes };
    const refusal = await post('/externalhandlers', taken);
    expect(error(refusal)).toEqual({ status: 409, code: 'NotUnique', type: 'error' });
    expect(refusal.json).toMatchObject({ fieldName: 'name', message: expect.stringContaining('in-process handler') });
    await expect(bus.request(registerHandler, { ...taken, uuid: fresh('u') })).rejects.toMatchObject({
      code: 'NotUnique',
    });
    const other = await post('/externalhandlers', { name: fresh('free'), ...processes }, wait);
    const renamed = await put(`/externalhandlers/${String(other.json['id'])}`, { name: 'place-volume' });
    expect(error(renamed)).toEqual({ status: 409, code: 'NotUnique', type: 'error' });
    const found = (await get('/externalhandlers?name=place-volume')).json;
    expect(rows(found)).toEqual([]);
    await post(map(other.json, 'actions')['deactivate']!, {}, wait);
  });

  it.each([
    [{ name: 'x', processNames: 'instance.fly' }, 'InvalidReference'],
    [{ name: 'two words', processNames: 'instance.start' }, 'InvalidFormat'],
    [{ name: 'x' }, 'MissingRequired'],
  ])('%j is refused as %s', async (body, code) => {
    expect(error(await post('/externalhandlers', body))).toEqual({ status: 422, code, type: 'error' });
  });

  it('that nobody runs are named by the process and the resource that wait; an operator can cancel', async () => {
    const name = fresh('absent');
    const type = fresh('waiting');
    await post('/definitions', { apiVersion: 'drover/v1', kind: 'ResourceType', name: type });
    await post('/externalhandlers', { name, processNames: `${type}.activate` }, wait);
    const thing = (await post(`/${type}s`, {}, wait)).json;
    const started = (await post(map(thing, 'actions')['activate']!)).json;
    const process = map(started, 'links')['processInstance']!;
    const look = async () => {
      const { json } = await get(process);
      return json['transitioningMessage'] === `waiting for handler ${name}` && json;
    };
    const why = async (): Promise<JsonObject> => (await get(map(thing, 'links')['why']!)).json;
    const waiting = await waitFor(look, { timeoutMillis: 10_000, everyMillis: 100, what: 'waiting for the handler' });
    expect(waiting).toMatchObject({ transitioning: 'yes', endTime: null });
    expect(await why()).toMatchObject({
      type: 'why',
      resourceId: thing['id'],
      state: 'activating',
      message: expect.stringMatching(
        `^${type} ${String(thing['id'])} is activating: ${type}.activate waits for handler ${name}, which has no subscriber, for at most 24 h more; no attempt is spent$`,
      ) as unknown,
      processes: [
        {
          id: (waiting as JsonObject)['id'],
          status: 'waitingHandler',
          phase: 'handle',
          handler: name,
          handlerKind: 'external',
          handlerConnected: 'no',
          attempt: 1,
          maxAttempts: 5,
          nextWake: { clock: 'waiting' },
        },
      ],
      lastFinished: { processName: `${type}.create`, exitReason: 'DONE', error: null },
    });
    const canceled = await post(map(waiting as JsonObject, 'actions')['cancel']!);
    expect(canceled.status).toBe(202);
    expect(canceled.json).toMatchObject({ exitReason: 'CANCELED', actions: {} });
    expect(await why()).toMatchObject({
      message: expect.stringMatching(
        `^${type} ${String(thing['id'])} rests in inactive; nothing is going on; ${type}.activate ended .* ago \\(CANCELED\\); possible now: activate, remove, update$`,
      ) as unknown,
      processes: [],
      lastFinished: { processName: `${type}.activate`, exitReason: 'CANCELED' },
      actions: { activate: `${map(thing, 'links')['self']!}?action=activate` },
    });
    const page = await fetch(map(thing, 'links')['why']!, { headers: { accept: 'text/html' } });
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(await page.text()).toContain('rests in inactive');
    expect(error(await get(`/${type}s/1x999/why`))).toEqual({ status: 404, code: 'NotFound', type: 'error' });
    expect((await get(map(thing, 'links')['self']!)).json['state']).toBe('inactive');
    expect(error(await post(`${process}?action=fly`))).toEqual({ status: 422, code: 'InvalidAction', type: 'error' });
    expect((await post(`${process}?action=cancel`)).status).toBeGreaterThanOrEqual(404);
  });
});

describe('waiting', () => {
  it('follows a delegate to its end', async () => {
    const { status, json } = await post('/accounts', { name: 'tenant' }, wait);
    expect({ status, state: json['state'] }).toEqual({ status: 201, state: 'active' });
  });

  it('ends when the process is parked; an operator goes on from there', async () => {
    const name = fresh('broken');
    const type = fresh('fragile');
    await post('/definitions', { apiVersion: 'drover/v1', kind: 'ResourceType', name: type });
    bus.connection.subscribe(`drover.process.${type}.*.*.${name}`, {
      queue: name,
      callback: (_error, message) =>
        void message.respond(
          JSON.stringify({ transitioning: 'error', transitioningMessage: 'no disk', retryable: false }),
        ),
    });
    await post('/externalhandlers', { name, processNames: `${type}.activate` }, wait);
    const park = async () => {
      const { json } = await post(`/${type}s`, {}, wait);
      return post(map(json, 'actions')['activate']!, {}, wait);
    };
    const parked = await park();
    expect(parked.status).toBe(202);
    expect(parked.json).toMatchObject({ state: 'activating', transitioning: 'error' });
    expect(parked.json['transitioningMessage']).toContain('no disk');
    const process = (await get(map(parked.json, 'links')['processInstance']!)).json;
    expect(process).toMatchObject({ transitioning: 'error', endTime: null });
    expect(JSON.stringify(process['error'])).toContain('no disk');
    expect(Object.keys(map(process, 'actions')).sort()).toEqual(['cancel', 'force', 'replay', 'retry', 'skip']);
    const self = map(parked.json, 'links')['self']!;

    expect((await get(`${self}/why`)).json['message']).toBe(
      `${type} ${String(parked.json['id'])} is activating: ${type}.activate is parked after 1 of 5 attempts: no disk; retry, skip, cancel or force it`,
    );

    const front = await (await fetch(new URL('/', self))).text();
    expect(front).toContain(`${self}/why`);
    expect(front).toContain('parked: no disk');

    const retried = await post(map(process, 'actions')['retry']!, {}, wait);
    expect(retried.status).toBe(202);
    expect(retried.json).toMatchObject({ status: 'parked', exitReason: null });
    expect(retried.json['executionCount']).toBeGreaterThan(process['executionCount'] as number);
    const skipped = await post(map(process, 'actions')['skip']!, {}, wait);
    expect(skipped.status).toBe(202);
    expect(skipped.json).toMatchObject({ status: 'finished', exitReason: 'DONE' });
    expect((await get(self)).json['state']).toBe('active');

    const other = await park();
    const force = map((await get(map(other.json, 'links')['processInstance']!)).json, 'actions')['force']!;
    expect((await post(force, { state: 'nowhere' })).status).toBe(422);
    expect((await post(force, { colour: 'red' })).status).toBe(422);
    const forced = await post(force, { state: 'inactive' });
    expect(forced.status).toBe(202);
    expect(forced.json['endTime']).not.toBeNull();
    expect((await get(map(other.json, 'links')['self']!)).json).toMatchObject({
      state: 'inactive',
      transitioning: 'no',
    });
  });

  it('does not hold a repeated request whose process ended before', async () => {
    const key = { 'idempotency-key': fresh('key'), ...wait };
    const first = await post('/hosts', {}, key);
    const started = performance.now();
    const again = await post('/hosts', {}, key);
    expect(again.json['id']).toBe(first.json['id']);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

describe('two gateways', () => {
  it('what is declared through one is usable through the other at once', async () => {
    const logger = createLogger('gateway', { level: 'warn' });
    const options = {
      natsUrl: stack.natsUrl,
      httpPort: 0,
      httpHost: '127.0.0.1',
      adminPort: 0,
      adminHost: '127.0.0.1',
      allowedHosts: [],
    };
    const other = await startGateway(options, logger);
    try {
      const url = `${other.url}/v1`;
      for (let i = 0; i < 5; i++) {
        const name = fresh('shared');
        const document = { apiVersion: 'drover/v1', kind: 'ResourceType', name };
        expect((await post('/definitions', document)).status).toBe(201);
        expect((await post(`${url}/${name}s`, { name: 'a' }, wait)).status).toBe(201);
        expect((await put(`/definitions/${name}`, { ...document, fields: { size: { type: 'int' } } })).status).toBe(
          200,
        );
        expect((await get(`${url}/${name}s?size_null`)).status).toBe(200);
      }
    } finally {
      await other.close();
    }
  });
});

describe('dependencies that hang', () => {
  it.each(['process-engine', 'resource-store'] as const)(
    'a %s that hangs is a 503 within two seconds; then all is well',
    async (service) => {
      stack.pause(service);
      const started = performance.now();
      const refused = await post('/instances', image);
      const took = performance.now() - started;
      stack.resume(service);
      expect(error(refused)).toEqual({ status: 503, code: 'Unavailable', type: 'error' });
      expect(refused.headers.get('retry-after')).toBe('1');
      expect(took).toBeLessThan(2_000);
      await waitFor(async () => (await post('/instances', image)).status === 201, {
        timeoutMillis: 20_000,
        everyMillis: 200,
        what: 'creates again',
      });
    },
  );
});
