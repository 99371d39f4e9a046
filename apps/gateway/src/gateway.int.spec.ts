import 'reflect-metadata';
import {
  applyDefinition,
  type CommandReply,
  createResource,
  type DefinitionRow,
  listBuiltinHandlers,
  listProcesses,
  operateProcess,
  type ProcessView,
  readRegistry,
  readResources,
  type RequestContract,
  type ResourceRow,
  startProcess,
  updateResource,
} from '@drover/contracts';
import { DroverError, type JsonObject, sleep } from '@drover/kernel';
import { connectNats, MessageBus } from '@drover/messaging';
import { createLogger } from '@drover/telemetry';
import { freePort, type NatsServer, startNats, waitFor } from '@drover/testing';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, startGateway } from './gateway.js';

const log: string[] = [];
const logger = createLogger('gateway', { level: 'info', destination: { write: (line) => void log.push(line) } });

let nats: NatsServer;
let bus: MessageBus;
let gateway: Gateway;
let base: string;
const served: { unsubscribe(): void }[] = [];

/** Answers a contract for the length of one test. */
function answer<Request, Reply>(
  contract: RequestContract<Request, Reply>,
  handler: (request: Request) => Promise<Reply>,
): void {
  served.push(bus.serve(contract, handler));
}

const WIDGET: DefinitionRow = {
  name: 'widget',
  version: 1,
  document: { apiVersion: 'drover/v1', kind: 'ResourceType', name: 'widget', fields: { secret: { type: 'password' } } },
  system: false,
  revision: 1,
  warnings: [],
  created: 0,
  deleted: false,
};

function knowWidgets(): void {
  answer(readRegistry, async () => ({
    revision: 1,
    definitions: [WIDGET],
    handlers: [],
    pauses: [],
    limits: [],
    more: false,
  }));
}

function widget(id: number, state = 'registering'): ResourceRow {
  return {
    id,
    type: 'widget',
    kind: 'widget',
    uuid: `u${id}`,
    name: null,
    description: null,
    state,
    transitioning: 'yes',
    message: null,
    progress: null,
    regions: {},
    revision: 1,
    data: { secret: 'hidden' },
    accountId: null,
    created: 1_000,
    removed: null,
  };
}

async function call(
  path: string,
  init: RequestInit = {},
): Promise<{ status: number; headers: Headers; json: JsonObject }> {
  // What a test serves, and what the test before it served no more, is on its way to the broker.
  await bus.connection.flush();
  const response = await fetch(`${gateway.url}${path}`, init);
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    json: text.startsWith('{') ? (JSON.parse(text) as JsonObject) : { text },
  };
}

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  call(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

beforeAll(async () => {
  nats = await startNats();
  bus = new MessageBus(await connectNats(nats.url, 'test'));
  gateway = await startGateway(
    {
      natsUrl: nats.url,
      httpPort: 0,
      httpHost: '127.0.0.1',
      adminPort: 0,
      adminHost: '127.0.0.1',
      allowedHosts: ['drover.example'],
    },
    logger,
  );
  base = `${gateway.url}/v1`;
});

afterAll(async () => {
  await gateway?.close();
  await bus?.connection.close();
  await nats?.[Symbol.asyncDispose]();
});

afterEach(() => {
  for (const subscription of served.splice(0)) subscription.unsubscribe();
});

describe('with nobody behind it', () => {
  it.each(['/v1', '/v1/widgets', '/v1/widgets/1w5', '/v1/definitions', '/v1/processinstances'])(
    '%s is 503 with Retry-After within two seconds',
    async (path) => {
      const started = performance.now();
      const { status, headers, json } = await call(path);
      expect(performance.now() - started).toBeLessThan(2_000);
      expect({ status, code: json['code'], type: json['type'] }).toEqual({
        status: 503,
        code: 'Unavailable',
        type: 'error',
      });
      expect(headers.get('retry-after')).toBe('1');
      expect(JSON.stringify(json)).not.toContain('drover.store');
    },
  );

  it('lives and is not ready', async () => {
    expect((await call('/healthz')).status).toBe(200);
    const { status, json } = await call('/readyz');
    expect(status).toBe(503);
    expect(json['failing']).toEqual(['resourceStore', 'processEngine', 'definitions']);
  });

  it('still shows people a page', async () => {
    const { status, json } = await call('/');
    expect(status).toBe(200);
    expect(json['text']).toContain('do not answer right now');
  });
});

describe('with services that misbehave', () => {
  it('an engine that never answers is a 503 within two seconds, asked twice with one command id', async () => {
    knowWidgets();
    const ids: unknown[] = [];
    answer(createResource, async ({ commandId }) => {
      ids.push(commandId);
      await sleep(5_000);
      throw new DroverError('Internal', 'too late');
    });
    const started = performance.now();
    const { status, json } = await post('/v1/widgets', {});
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(status).toBe(503);
    expect(json['message']).toBe("Drover's services do not answer in time; try again");
    expect(ids.length).toBe(2);
    expect(new Set(ids).size).toBe(1);
  });

  it('an answer to the second try is the answer', async () => {
    knowWidgets();
    let tries = 0;
    answer(createResource, async (): Promise<CommandReply> => {
      if (++tries === 1) await sleep(3_000);
      return { resource: widget(5), processId: 9 };
    });
    const { status, json } = await post('/v1/widgets', { name: 'x' });
    expect(status).toBe(201);
    expect(json).toMatchObject({
      id: '1w5',
      type: 'widget',
      state: 'registering',
      transitioning: 'yes',
      transitioningMessage: 'In Progress',
      links: {
        self: `${base}/widgets/1w5`,
        processInstance: `${base}/processinstances/1pi9`,
        transitions: `${base}/widgets/1w5/transitions`,
      },
      actions: { activate: `${base}/widgets/1w5?action=activate` },
    });
    expect(json).not.toHaveProperty('secret');
  });

  it('a bug keeps its text to the log, under the answered id', async () => {
    knowWidgets();
    answer(createResource, async () => {
      throw new Error('select from nowhere');
    });
    const { status, json } = await post('/v1/widgets', {});
    expect(status).toBe(500);
    expect(JSON.stringify(json)).not.toContain('nowhere');
    expect(log.some((line) => line.includes(String(json['id'])))).toBe(true);
  });

  it('the declaration of a type is not sent twice', async () => {
    knowWidgets();
    let tries = 0;
    answer(applyDefinition, async () => {
      tries++;
      await sleep(5_000);
      throw new DroverError('Internal', 'too late');
    });
    const { status } = await post('/v1/definitions', { apiVersion: 'drover/v1', kind: 'ResourceType', name: 'gadget' });
    expect({ status, tries }).toEqual({ status: 503, tries: 1 });
  });

  it('names nobody knows ask the store at most four times a second', async () => {
    let reads = 0;
    answer(readRegistry, async () => {
      reads++;
      return { revision: 1, definitions: [WIDGET], handlers: [], pauses: [], limits: [], more: false };
    });
    const started = performance.now();
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => call(`/v1/nothing${i}`)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([404]));
    // One at once, four a second, and the poll that goes on anyway.
    expect(reads).toBeLessThan(4 + (performance.now() - started) / 250);
  });
});

describe('waiting', () => {
  it('answers when the process ends, with the resource as it is then', async () => {
    knowWidgets();
    answer(createResource, async ({ notify }): Promise<CommandReply> => {
      setTimeout(() => bus.publish(notify!, { processId: 9, resourceId: 5, exitReason: 'DONE' }), 300);
      return { resource: widget(5), processId: 9 };
    });
    answer(readResources, async () => ({ resources: [widget(5, 'active')], processes: [] }));
    const started = performance.now();
    const { status, json } = await post('/v1/widgets', {}, { prefer: 'wait=20' });
    expect(performance.now() - started).toBeLessThan(5_000);
    expect({ status, state: json['state'] }).toEqual({ status: 201, state: 'active' });
  });

  it('answers when the time is up, with the same status', async () => {
    knowWidgets();
    answer(startProcess, async (): Promise<CommandReply> => ({ resource: widget(5), processId: 9 }));
    answer(readResources, async () => ({ resources: [widget(5)], processes: [] }));
    const started = performance.now();
    const { status } = await post('/v1/widgets/1w5?action=Activate', {}, { prefer: 'respond-async, wait=1' });
    expect(performance.now() - started).toBeGreaterThan(950);
    expect(status).toBe(202);
  });

  it.each(['wait=soon', 'wait=-1', 'wait'])('refuses Prefer: %s', async (prefer) => {
    knowWidgets();
    const { status, json } = await post('/v1/widgets', {}, { prefer });
    expect({ status, code: json['code'] }).toEqual({ status: 422, code: 'InvalidHeader' });
  });
});

describe("waiting for an operator's act", () => {
  const view = (rest: object): ProcessView =>
    ({
      id: 9,
      resourceId: 5,
      resourceType: 'widget',
      stateField: 'state',
      name: 'widget.activate',
      definitionVersion: 1,
      executionCount: 2,
      progress: { executions: [{ n: 1, process: 'widget.activate', start: 0, stop: 0, exitReason: 'TIMEOUT' }] },
      data: {},
      priority: 0,
      accountId: null,
      startTime: 1_000,
      errorCode: null,
      errorMessage: null,
      waitingHandler: null,
      ...rest,
    }) as unknown as ProcessView;

  /** The process works for this long after it was retried. */
  function worksFor(millis: number, then: ProcessView): { looks: number } {
    const seen = { looks: 0 };
    const begun = performance.now();
    answer(operateProcess, async (): Promise<CommandReply> => ({ resource: widget(5), processId: 9 }));
    answer(listProcesses, async () => {
      seen.looks++;
      const working = performance.now() - begun < millis;
      return { processes: [working ? view({ live: true, status: 'dispatched' }) : then], more: false, next: null };
    });
    return seen;
  }

  const retry = (wait: string) => post('/v1/processinstances/1pi9?action=retry', {}, { prefer: `wait=${wait}` });

  it.each<[string, ProcessView, object]>([
    ['ended', view({ live: false, exitReason: 'DONE', endTime: 2_000 }), { exitReason: 'DONE', endTimeTS: 2_000 }],
    ['is parked again', view({ live: true, status: 'parked' }), { status: 'parked', exitReason: null }],
  ])('answers when the process %s', async (_how, then, shown) => {
    knowWidgets();
    const seen = worksFor(700, then);
    const started = performance.now();
    const { status, json } = await retry('20');
    const took = performance.now() - started;
    expect(status).toBe(202);
    expect(json).toMatchObject(shown);
    expect(took).toBeGreaterThan(600);
    expect(took).toBeLessThan(5_000);
    expect(seen.looks).toBeLessThan(10);
  });

  it('answers when the time is up, without the end of an earlier execution', async () => {
    knowWidgets();
    worksFor(60_000, view({ live: true, status: 'parked' }));
    const started = performance.now();
    const { status, json } = await retry('1');
    expect(performance.now() - started).toBeGreaterThan(950);
    expect({ status, process: json['status'], exitReason: json['exitReason'] }).toEqual({
      status: 202,
      process: 'dispatched',
      exitReason: null,
    });
  });
});

describe('repeats', () => {
  it('one key, method, path and body are one command; another body has another hash', async () => {
    knowWidgets();
    const seen: { id: string | null; hash: string | null }[] = [];
    answer(createResource, async ({ commandId, commandHash }): Promise<CommandReply> => {
      seen.push({ id: commandId, hash: commandHash });
      return { resource: widget(5), processId: 9 };
    });
    const key = { 'idempotency-key': 'k-1' };
    await post('/v1/widgets', '{"a":1,"b":2}', key);
    await post('/v1/Widgets', '{"b":2, "a":1}', key);
    await post('/v1/widgets', '{"a":2}', key);
    await post('/v1/widgets', '{"a":1,"b":2}');
    expect(seen[0]).toEqual(seen[1]);
    expect(seen[2]!.id).toBe(seen[0]!.id);
    expect(seen[2]!.hash).not.toBe(seen[0]!.hash);
    expect(seen[3]!.id).not.toBe(seen[0]!.id);
    expect(seen[3]!.hash).toBeNull();
  });
});

describe('bad input', () => {
  const deep = '['.repeat(10_000) + ']'.repeat(10_000);
  it.each([
    ['not JSON', '{"a":', 400, 'InvalidBodyContent'],
    ['10,000 levels', deep, 400, 'TooDeep'],
    ['a prototype key', '{"__proto__":{"a":1}}', 400, 'InvalidBodyContent'],
    ['U+0000', '{"name":"a\\u0000b"}', 400, 'InvalidBodyContent'],
    ['a lone surrogate', '{"name":"\\ud800"}', 400, 'InvalidBodyContent'],
    ['an array', '[]', 400, 'InvalidBodyContent'],
    ['300 KB', JSON.stringify({ name: 'x'.repeat(300_000) }), 413, 'BodyTooLarge'],
  ])('%s', async (_name, body, status, code) => {
    knowWidgets();
    const answered = await post('/v1/widgets', body);
    expect({ status: answered.status, code: answered.json['code'], type: answered.json['type'] }).toEqual({
      status,
      code,
      type: 'error',
    });
    expect(answered.headers.get('x-api-schemas')).toBe(`${base}/schemas`);
  });

  it('bytes that are not UTF-8', async () => {
    knowWidgets();
    const { status } = await call('/v1/widgets', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: Buffer.from([0x22, 0xff, 0x22]),
    });
    expect(status).toBe(400);
  });

  it.each(['text/plain', 'application/yaml', 'application/xml'])('a body of type %s', async (type) => {
    knowWidgets();
    const { status, json } = await post('/v1/widgets', 'a=b', { 'content-type': type });
    expect({ status, code: json['code'] }).toEqual({ status: 415, code: 'UnsupportedMediaType' });
  });

  it.each([
    ['GET', '/v1/nothings', 404, 'TypeUnknown'],
    ['GET', '/nowhere', 404, 'NotFound'],
    ['GET', '/v1/a/b/c/d', 404, 'NotFound'],
    ['GET', '/v1/widgets/1x5', 404, 'NotFound'],
    ['GET', '/v1/widgets/5', 404, 'NotFound'],
    ['GET', '/v1/widgets/1w0', 404, 'NotFound'],
    ['GET', '/v1/widgets/1w99999999999999999999', 404, 'NotFound'],
    ['GET', '/v1/widgets/%00', 404, 'NotFound'],
    ['GET', '/v1/%', 400, 'InvalidBodyContent'],
    ['PATCH', '/v1/widgets/1w5', 405, 'MethodNotAllowed'],
    ['DELETE', '/v1/widgets', 405, 'MethodNotAllowed'],
    ['POST', '/v1/processdefinitions', 405, 'MethodNotAllowed'],
    ['PUT', '/v1/processDefinition/1pd!widget.create', 405, 'MethodNotAllowed'],
    ['DELETE', '/v1/resourcedefinitions', 405, 'MethodNotAllowed'],
    ['POST', '/v1/processinstances', 405, 'MethodNotAllowed'],
    ['DELETE', '/v1/processinstances/1pi9', 405, 'MethodNotAllowed'],
    ['POST', '/v1/processexecutions', 405, 'MethodNotAllowed'],
    ['POST', '/v1/definitions/widget', 405, 'MethodNotAllowed'],
    ['POST', '/v1/nothings', 404, 'TypeUnknown'],
    ['POST', '/v1/widgets/1w5', 422, 'InvalidAction'],
    ['POST', '/v1/widgets/1w5?action=', 422, 'InvalidAction'],
    ['POST', '/v1/widgets/1w5?action=activate&why=x', 422, 'InvalidFilter'],
    ['GET', '/v1/widgets/1w5/why?state=x', 422, 'InvalidFilter'],
    ['POST', '/v1/widgets/1w5?action=fly', 422, 'InvalidAction'],
    ['POST', '/v1/widgets/1w5?action=activate&action=remove', 422, 'InvalidAction'],
    ['GET', '/v1/widgets?colour=red', 422, 'InvalidFilter'],
    ['GET', '/v1/widgets?name_near=red', 422, 'InvalidFilter'],
    ['GET', '/v1/widgets?revision=red', 422, 'InvalidFilter'],
    ['GET', '/v1/widgets?secret=x', 422, 'InvalidFilter'],
    ['GET', '/v1/widgets?__proto__=x', 422, 'InvalidFilter'],
    ['GET', '/v1/widgets?limit=0', 422, 'MinLimitExceeded'],
    ['GET', '/v1/widgets?limit=3001', 422, 'MaxLimitExceeded'],
    ['GET', '/v1/widgets?limit=x', 422, 'InvalidFormat'],
    ['GET', '/v1/widgets?marker=x', 422, 'InvalidFilter'],
    ['GET', '/v1/widgets?sort=colour', 422, 'InvalidFilter'],
    ['GET', '/v1/processdefinitions/1pd!widget.fly', 404, 'ProcessUnknown'],
    ['GET', '/v1/resourcedefinitions/1rd!nothing', 404, 'TypeUnknown'],
    ['GET', '/v1/resourcedefinitions/1rd!widget/resourcedot?format=png', 422, 'InvalidOption'],
    ['GET', '/v1/definitions/nothing', 404, 'NotFound'],
  ])('%s %s is %i %s', async (method, path, status, code) => {
    knowWidgets();
    const answered = await call(path, { method });
    expect({ status: answered.status, code: answered.json['code'], type: answered.json['type'] }).toEqual({
      status,
      code,
      type: 'error',
    });
  });

  it.each(['', '?action=', '?action=activate&action=remove'])(
    'an action that is not named once ("%s") hears which there are',
    async (query) => {
      knowWidgets();
      const { json } = await post(`/v1/widgets/1w5${query}`, {});
      expect(json['message']).toBe(
        'Name one action, ?action=<verb>: the type widget has create, activate, deactivate, remove, purge, update',
      );
    },
  );

  it('a wrong method on what is introspection hears the right ones', async () => {
    knowWidgets();
    const { headers } = await call('/v1/processinstances/1pi9', { method: 'DELETE' });
    expect(headers.get('allow')).toBe('GET, HEAD, POST');
  });

  it('an id that nobody knows is named by every method', async () => {
    knowWidgets();
    const unknown = async () => {
      throw new DroverError('NotFound', 'There is no such resource');
    };
    answer(startProcess, unknown);
    answer(updateResource, unknown);
    answer(operateProcess, unknown);
    const message = 'There is no widget with the id "1W77"';
    for (const [method, path] of [
      ['POST', '/v1/widgets/1W77?action=activate'],
      ['DELETE', '/v1/widgets/1W77'],
      ['PUT', '/v1/widgets/1W77'],
    ] as const) {
      const { status, json } = await call(path, { method });
      expect({ status, message: json['message'] }).toEqual({ status: 404, message });
    }
    const { json } = await post('/v1/processinstances/1pi77?action=retry', {});
    expect(json['message']).toBe('There is no processInstance with the id "1pi77"');
  });

  it('what is not HTTP gets an error of the same shape', async () => {
    const { port } = new URL(gateway.url);
    const text = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write('GARBAGE\r\n\r\n'));
      let heard = '';
      socket.on('data', (chunk) => (heard += chunk.toString()));
      socket.on('close', () => resolve(heard));
    });
    expect(text).toContain('400 Bad Request');
    expect(text).toContain('"type":"error"');
  });
});

describe('who may call', () => {
  it.each([
    ['a foreign origin', { origin: 'https://evil.example' }, 403],
    ['the origin "null"', { origin: 'null' }, 403],
    ['a page of another local port', { origin: 'http://localhost:3000' }, 422],
    ['an allowed origin', { origin: 'https://drover.example' }, 422],
  ])('%s', async (_name, headers, status) => {
    knowWidgets();
    expect((await call('/v1/widgets?x=1', { headers: headers as Record<string, string> })).status).toBe(status);
  });

  it('a name that only points here is refused; probes are not', async () => {
    expect(await rawStatus('/v1', 'rebound.example')).toBe(403);
    expect(await rawStatus('/v1', null)).toBe(403);
    expect(await rawStatus('/healthz', '10.0.0.7:8080')).toBe(200);
    expect(await rawStatus('/v1/%', 'localhost:1')).toBe(400);
  });
});

/** fetch does not let a test write the Host header. Null: none, as HTTP/1.0 allows. */
async function rawStatus(path: string, host: string | null): Promise<number> {
  const { port } = new URL(gateway.url);
  const text = await new Promise<string>((resolve) => {
    const socket = connect(Number(port), '127.0.0.1', () =>
      socket.write(
        host === null
          ? `GET ${path} HTTP/1.0\r\n\r\n`
          : `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      ),
    );
    let heard = '';
    socket.on('data', (chunk) => (heard += chunk.toString()));
    socket.on('close', () => resolve(heard));
  });
  return Number(text.split(' ')[1]);
}

describe('pictures and definitions', () => {
  it('draws a type as DOT, SVG and a page', async () => {
    knowWidgets();
    answer(listBuiltinHandlers, async () => ({
      handlers: [
        {
          name: 'activateByDefault',
          priority: 2_000,
          processes: [{ phase: 'post', glob: '*.create' }],
          retries: null,
          timeoutMillis: null,
          heartbeatMillis: 700,
          totalMillis: null,
          retry: null,
          limits: { maxInFlight: 2, circuitBreaker: null },
        },
      ],
    }));
    const path = '/v1/resourcedefinitions/1rd!widget/resourcedot';
    const dot = await call(path);
    expect(dot.headers.get('content-type')).toContain('text/plain');
    expect(dot.json['text']).toContain('digraph "widget"');
    const svg = await call(`${path}?format=svg`);
    expect(svg.headers.get('content-type')).toContain('image/svg+xml');
    expect(svg.json['text']).toContain('<svg');
    const html = await call(path, { headers: { accept: 'text/html,application/xhtml+xml' } });
    expect(html.headers.get('content-type')).toContain('text/html');
    const process = await call('/v1/processDefinition/1pd!widget.create/processDot');
    expect(process.json['text']).toContain('widget.create');
    expect(process.json['text']).not.toContain('widget.purge');
    expect((await call('/v1/processdefinitions/1pd!widget.create')).json['postProcessListeners']).toMatchObject({
      implementations: [
        { name: 'activateByDefault', kind: 'builtin', properties: { heartbeatMillis: 700, maxInFlight: 2 } },
      ],
    });
  });

  it('shows a process definition with its edges and handlers', async () => {
    knowWidgets();
    const { json } = await call('/v1/processdefinitions/1pd!widget.create');
    expect(json).toMatchObject({
      id: '1pd!widget.create',
      type: 'processDefinition',
      resourceType: 'widget',
      stateTransitions: [
        { fromState: 'requested', toState: 'registering', field: 'state', type: 'TRANSITIONING' },
        { fromState: 'registering', toState: 'inactive', field: 'state', type: 'DONE' },
      ],
      processHandlers: { type: 'extensionPoint', name: 'process.widget.create.handlers' },
    });
  });
});

describe('a repeated command that waits', () => {
  it('does not wait for a process that ended long ago', async () => {
    knowWidgets();
    answer(startProcess, async (): Promise<CommandReply> => ({ resource: widget(5, 'active'), processId: 9 }));
    answer(readResources, async () => ({ resources: [widget(5, 'active')], processes: [] }));
    const started = performance.now();
    const { status } = await post(
      '/v1/widgets/1w5?action=activate',
      {},
      { prefer: 'wait=30', 'idempotency-key': 'again' },
    );
    expect(status).toBe(202);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

describe('a shutdown', () => {
  it('answers those who wait with the present state', async () => {
    knowWidgets();
    answer(startProcess, async (): Promise<CommandReply> => ({ resource: widget(5), processId: 9 }));
    answer(readResources, async () => ({ resources: [widget(5)], processes: [] }));
    const other = await startGateway(
      { natsUrl: nats.url, httpPort: 0, httpHost: '127.0.0.1', adminPort: 0, adminHost: '127.0.0.1', allowedHosts: [] },
      logger,
    );
    const waiting = fetch(`${other.url}/v1/widgets/1w5?action=activate`, {
      method: 'POST',
      headers: { prefer: 'wait=60' },
    });
    await sleep(500);
    const started = performance.now();
    await other.close();
    expect((await waiting).status).toBe(202);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

describe('a start before NATS', () => {
  it('is alive and not ready, and goes on when NATS comes', async () => {
    const [port, adminPort] = [await freePort(), await freePort()];
    const starting = startGateway(
      {
        natsUrl: `nats://127.0.0.1:${port}`,
        httpPort: 0,
        httpHost: '127.0.0.1',
        adminPort,
        adminHost: '127.0.0.1',
        allowedHosts: [],
      },
      logger,
    );
    const status = async (path: string) => (await fetch(`http://127.0.0.1:${adminPort}${path}`)).status;
    await waitFor(async () => (await status('/healthz')) === 200, {
      timeoutMillis: 5_000,
      everyMillis: 50,
      what: 'alive',
    });
    expect(await status('/readyz')).toBe(503);
    await using _nats = await startNats({ port });
    const late = await starting;
    expect((await fetch(`${late.url}/healthz`)).status).toBe(200);
    await late.close();
  });
});
