import { registerHandler, type TransitionEvent } from '@drover/contracts';
import { DroverError, isJsonObject, type Json, type JsonObject, parseId } from '@drover/kernel';
import { waitFor } from '@drover/testing';
import { parse } from 'yaml';
import { type Answer, type Delivery, inTurn, SILENCE, TestHandler } from '../support/index.js';
import { DurableHandler, type WorkAnswer } from '../support/durable-handler.js';
import { ApiError, patiently } from './api.js';
import type { Scenario } from './scenario.js';
import type { Suite } from './suite.js';

/**
 * What `declare` starts from: a thing is created into `inactive`; `run` takes it to `ran`, `stop` to `stopped` (also out of `running`),
 * `fail` to `broken`. Three attempts, hardly any pause between them.
 */
const THING = `
fields:
  size: { type: int, nullable: true, update: true }
  labels: { type: map, nullable: true, update: true }
  seen: { type: array, nullable: true }
  asked: { type: int, nullable: true }
defaultProcesses: { exclude: [activate, deactivate, update] }
processes:
  run:
    start: [inactive]
    transitioning: running
    done: ran
    timeoutMillis: 10000
    retry: { maxAttempts: 3, initialMillis: 20, maxMillis: 40, jitter: 0 }
  stop: { start: [running, ran], transitioning: stopping, done: stopped }
  fail: { start: [running, inactive], transitioning: failing, done: broken }
  remove: { start: [inactive, ran, stopped, broken], transitioning: removing, done: removed }
`;

/** A bound against a hang, not an expectation: a busy machine may take long. */
const PATIENCE_MILLIS = 60_000;

/** No reply, until the scenario replies. */
export const SILENT: typeof SILENCE = SILENCE;

/** A reply as a handler sends it, or a function that makes one. */
export type Reply = JsonObject | typeof SILENCE | Answer;

export interface HandlerSettings {
  priority?: number;
  retries?: number;
  timeoutMillis?: number;
  onError?: string;
  delivery?: 'core' | 'durable';
  /** false: registered, but nobody listens */
  attends?: boolean;
  [setting: string]: unknown;
}

/** A reply that reports a failure. */
export const failed = (message: string, more: JsonObject = {}): JsonObject => ({
  transitioning: 'error',
  transitioningMessage: message,
  ...more,
});

/** A failure that no further attempt can cure. */
export const failedForGood = (message: string): JsonObject => failed(message, { retryable: false });

/** A reply that reports progress. */
export const progress = (message: string, percent?: number): JsonObject => ({
  transitioning: 'yes',
  transitioningMessage: message,
  ...(percent === undefined ? {} : { transitioningProgress: percent }),
});

function script(replies: Reply[]): Answer {
  return inTurn(...replies.map((reply): Answer => (typeof reply === 'function' ? reply : () => reply)));
}

/** What a scenario acts with: names of its own on the shared stack, and short verbs. */
export class World {
  private readonly names = new Map<string, string>();
  private readonly declared = new Set<string>();
  private readonly handlers: AsyncDisposable[] = [];
  private script: JsonObject[] = [];

  constructor(
    readonly suite: Suite,
    readonly kind: Scenario['kind'],
  ) {}

  /**
   * Declares a type, or its next version.
   * @param yaml what differs from the plain thing: maps are merged, null takes a key away
   * @param name how the scenario calls the type; it gets a name of its own in the stack
   */
  async declare(yaml = '', name = 'thing'): Promise<void> {
    const known = this.declared.has(name);
    this.declared.add(name);
    this.nameOf(name);
    const document = merged(parse(THING) as JsonObject, (parse(yaml) ?? {}) as JsonObject);
    const whole = { apiVersion: 'drover/v1', kind: 'ResourceType', name: this.type(name), ...document };
    const { api } = this.suite;
    const body = this.renamed(whole) as JsonObject;
    if (known) await api.call('PUT', `/definitions/${this.type(name)}`, body);
    else await api.post('/definitions', body);
  }

  /** Made at the first mention: a document may name a type that comes after it. */
  private nameOf(name: string): string {
    if (!this.names.has(name))
      this.names.set(name, `${this.kind === 'external' ? name : `inp${name}`}${this.suite.nextType()}`);
    return this.names.get(name)!;
  }

  /** The stack's name of a type. */
  type(name = 'thing'): string {
    const type = this.names.get(name);
    if (type === undefined) throw new Error(`the scenario declared no type ${name}`);
    return type;
  }

  /** Process names as the scenario writes them, with the stack's names of the types: `run`, `pre.run`, `volume.activate`, `*`. */
  processes(names: string): string {
    return names
      .split(',')
      .map((name) => {
        const parts = name.trim().split('.');
        const phase = parts[0] === 'pre' || parts[0] === 'post' ? [parts.shift()!] : [];
        const [type, verb] = parts.length === 1 ? ['thing', parts[0]!] : [parts[0]!, parts[1]!];
        return [...phase, this.type(type).toLowerCase(), verb].join('.');
      })
      .join(',');
  }

  /**
   * A handler over NATS: a program of its own, registered and active. Its n-th event gets the n-th reply, further ones the last;
   * without replies it is silent until the scenario replies.
   */
  async handler(name: string, processes: string, replies: Reply[] = [SILENCE], settings: HandlerSettings = {}) {
    const { attends = true, onError, ...rest } = settings;
    const handler = await this.replica(name, replies);
    if (!attends) await handler.leave();
    const registered = await this.register({
      name: handler.name,
      uuid: handler.name,
      processConfigs: [
        { name: this.processes(processes), onError: onError === undefined ? null : this.processes(onError) },
      ],
      ...(rest as JsonObject),
    });
    return new Handler(this, handler, String(registered['id']));
  }

  /** A registration that comes again with the same uuid changes nothing. */
  private register(registration: JsonObject): Promise<JsonObject> {
    return patiently(() => this.suite.cluster.bus.request(registerHandler, registration), isUnavailable);
  }

  /** One more program of a handler. */
  async replica(name: string, replies: Reply[]): Promise<TestHandler> {
    const program = await TestHandler.connect(
      this.suite.cluster.stack.natsUrl,
      this.handlerName(name),
      script(replies),
    );
    this.handlers.push(program);
    return program;
  }

  /** A handler with durable delivery: it pulls its events from the work stream, and answers as `answer` says. */
  async durable(
    name: string,
    processes: string,
    answer: WorkAnswer = () => ({}),
    settings: HandlerSettings = {},
  ): Promise<DurableHandler> {
    const { attends = true, ...rest } = settings;
    const handler = await DurableHandler.connect(this.suite.cluster.stack.natsUrl, this.handlerName(name), answer);
    this.handlers.push(handler);
    const processConfigs = [{ name: this.processes(processes), onError: null }];
    const registration = { name: handler.name, uuid: handler.name, delivery: 'durable', processConfigs };
    await this.register({ ...registration, ...(rest as JsonObject) });
    if (attends) await handler.attend();
    return handler;
  }

  /** The stack's name of a handler. */
  handlerName(name: string): string {
    return `${name}-${this.type()}`;
  }

  /** The handler of `run`, over NATS or inside the engine: scenarios that hold for both use this one. */
  async work(...replies: JsonObject[]): Promise<void> {
    if (this.kind === 'external') await this.handler('work', 'run', replies.map(asReply));
    else this.script = replies;
  }

  /** A new resource, as its create process leaves it. */
  async create(body: JsonObject = {}, name = 'thing'): Promise<Thing> {
    const thing = await this.createOnly(body, name);
    await thing.until(({ state, transitioning }) => state !== 'requested' && transitioning === 'no');
    return thing;
  }

  /** A new resource, at once. */
  async createOnly(body: JsonObject = {}, name = 'thing', headers: Record<string, string> = {}): Promise<Thing> {
    const path = `/${this.type(name).toLowerCase()}`;
    const created = await this.suite.api.post(path, body, headers);
    return new Thing(this, `${path}/${String(created['id'])}`, created);
  }

  /** A new resource on which `run` was started. */
  async running(data: JsonObject = {}): Promise<{ thing: Thing; process: Process }> {
    const thing = await this.create();
    return { thing, process: await thing.act('run', data) };
  }

  /** The process data that scripts the in-process half of {@link work}. */
  dataFor(data: JsonObject): JsonObject {
    return this.script.length === 0 ? data : { ...data, script: this.script };
  }

  /** Pauses what a scope names (`type/<name>`, `resource/<number>`, `handler/<name>`), as ada. */
  async pause(scope: string, reason: string | null = null): Promise<{ lift: () => Promise<unknown> }> {
    const { client } = this.suite.cluster;
    await patiently(() => client.pause(scope, reason), isUnavailable);
    return { lift: () => patiently(() => client.lift(scope), isUnavailable) };
  }

  /** The error that a request is refused with. */
  async refused(request: Promise<unknown>): Promise<ApiError> {
    const answer = await request.then(
      (value) => value,
      (error: unknown) => error,
    );
    if (answer instanceof ApiError) return answer;
    throw answer instanceof Error ? answer : new Error('it was not refused');
  }

  /** Ends what the scenario began: its handlers go. */
  async close(): Promise<void> {
    await Promise.all(this.handlers.map((handler) => handler[Symbol.asyncDispose]()));
  }

  /** The scenario's names of types, wherever a document names one. */
  private renamed(value: Json): Json {
    if (Array.isArray(value)) return value.map((one) => this.renamed(one));
    if (isJsonObject(value)) {
      // Elsewhere these keys name verbs and fields: the `to` of a delegate, and of a relationship.
      const names = 'list' in value ? ['list', 'through'] : value['type'] === 'reference' ? ['to'] : [];
      return Object.fromEntries(
        Object.entries(value).map(([name, one]) => [
          name,
          names.includes(name) ? this.nameOf(String(one)) : this.renamed(one!),
        ]),
      );
    }
    return value;
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof DroverError && error.code === 'Unavailable';
}

function asReply(reply: JsonObject): Reply {
  const { hang, progresses, ...answer } = reply;
  if (hang === true) return SILENCE;
  if (progresses === undefined) return answer;
  return (_event, delivery) => {
    for (const [message, percent] of progresses as [string, number][]) delivery.reply(progress(message, percent));
    return answer;
  };
}

function merged(base: JsonObject, change: JsonObject): JsonObject {
  const result: JsonObject = { ...base };
  for (const [key, value] of Object.entries(change)) {
    const present = result[key];
    if (value === null) delete result[key];
    else result[key] = isJsonObject(present) && isJsonObject(value) ? merged(present, value) : value!;
  }
  return result;
}

/** An external handler of the scenario. */
export class Handler {
  constructor(
    private readonly world: World,
    readonly program: TestHandler,
    readonly resourceId: string,
  ) {}

  get events() {
    return this.program.events;
  }

  /** The n-th event it was sent, to be answered at leisure. */
  async asked(count = 1): Promise<Delivery> {
    await this.program.sent(count, { timeoutMillis: PATIENCE_MILLIS });
    return this.program.deliveries[count - 1]!;
  }

  /** What it answers from now on. */
  answers(...replies: Reply[]): void {
    this.program.answer = script(replies);
  }

  /** Changes its registration, and waits until that has taken effect. */
  async act(verb: 'deactivate' | 'activate' | 'remove'): Promise<void> {
    const path = `/externalhandlers/${this.resourceId}`;
    await this.world.suite.api.post(`${path}?action=${verb}`, {}, { prefer: 'wait=20' });
  }
}

/** A resource. */
export class Thing {
  constructor(
    private readonly world: World,
    readonly path: string,
    /** as the request that made it answered */
    readonly created: JsonObject,
  ) {}

  get id(): string {
    return String(this.created['id']);
  }

  /** Its number in the store, which pauses and tables name it by. */
  get number(): number {
    return parseId(this.id)!.number;
  }

  /** The process that its creation started. */
  get creation(): Process {
    return new Process(this.world, String((this.created['links'] as JsonObject)['processInstance']));
  }

  read(): Promise<JsonObject> {
    return this.world.suite.api.get(this.path);
  }

  /** The resource as soon as the feed shows it as wanted; a function decides for itself. */
  async until(wanted: JsonObject | ((resource: JsonObject) => boolean)): Promise<JsonObject> {
    const fits = typeof wanted === 'function' ? wanted : (resource: JsonObject) => contains(resource, wanted);
    try {
      await waitFor(() => fits(this.feed().at(-1)?.resource ?? {}), {
        everyMillis: 10,
        timeoutMillis: PATIENCE_MILLIS,
      });
    } catch {
      const seen = JSON.stringify(await this.read());
      const feed = this.feed().map(({ sequence, revision, to }) => `${revision} ${to} (${sequence})`);
      throw new Error(
        `${this.path} did not become ${String(JSON.stringify(wanted) ?? wanted)}; it is ${seen}; the feed showed ${feed.join(', ') || 'nothing'}`,
      );
    }
    return this.read();
  }

  /** Its transition events so far. */
  feed(): readonly TransitionEvent[] {
    return this.world.suite.feedOf(this.id);
  }

  /** `from>to` of every move of a state, oldest first. */
  async moves(): Promise<string[]> {
    const { data } = await this.world.suite.api.get(`${this.path}/transitions`);
    return (data as JsonObject[])
      .filter(({ from, to }) => from !== to)
      .map(({ from, to }) => `${String(from)}>${String(to)}`);
  }

  /** Starts a process. @throws ApiError */
  async act(verb: string, data: JsonObject = {}, headers: Record<string, string> = {}): Promise<Process> {
    const answer = await this.world.suite.api.post(`${this.path}?action=${verb}`, this.world.dataFor(data), headers);
    return new Process(this.world, String((answer['links'] as JsonObject)['processInstance']));
  }

  /** The process instance of this verb that is live, or that ended last. */
  async processOf(verb: string): Promise<Process> {
    const found = (await this.processes()).findLast(({ processName }) => String(processName).endsWith(`.${verb}`));
    if (found === undefined) throw new Error(`${verb} never ran on ${this.path}`);
    return new Process(this.world, String((found['links'] as JsonObject)['self']));
  }

  /** Starts a process and waits for its end. */
  async runs(verb: string, data: JsonObject = {}): Promise<Process> {
    const process = await this.act(verb, data);
    await process.ended();
    return process;
  }

  update(fields: JsonObject, headers: Record<string, string> = {}): Promise<JsonObject> {
    return this.world.suite.api.call('PUT', this.path, fields, headers);
  }

  why(): Promise<JsonObject> {
    return this.world.suite.api.get(`${this.path}/why`);
  }

  /** What why says of its only live process. */
  async whyProcess(): Promise<JsonObject> {
    const { processes } = await this.why();
    const [process] = processes as JsonObject[];
    if (process === undefined) throw new Error(`nothing is live on ${this.path}`);
    return process;
  }

  /** Its processes, live and finished, oldest first. */
  async processes(): Promise<JsonObject[]> {
    const { data } = await this.world.suite.api.get(`${this.path}/processinstances`);
    return (data as JsonObject[]).toReversed();
  }
}

/** A process instance. */
export class Process {
  constructor(
    private readonly world: World,
    readonly url: string,
  ) {}

  get id(): string {
    return this.url.slice(this.url.lastIndexOf('/') + 1);
  }

  read(): Promise<JsonObject> {
    return this.world.suite.api.get(this.url);
  }

  /** The process as soon as it looks as wanted. */
  async until(wanted: JsonObject): Promise<JsonObject> {
    let last: JsonObject = {};
    const look = async () => contains((last = await this.read()), wanted) && last;
    try {
      return await waitFor(look, { everyMillis: 40, timeoutMillis: PATIENCE_MILLIS });
    } catch {
      throw new Error(`${this.url} did not become ${JSON.stringify(wanted)}; it is ${JSON.stringify(last)}`);
    }
  }

  /** Why it ended, or PARKED. */
  async ended(): Promise<string> {
    const look = async () => {
      const { status, exitReason } = await this.read();
      return status === 'parked' ? 'PARKED' : status === 'finished' && String(exitReason);
    };
    return waitFor(look, { everyMillis: 40, timeoutMillis: PATIENCE_MILLIS, what: `the end of ${this.url}` }).catch(
      async (error: Error) => {
        error.message += `; it is ${JSON.stringify(await this.read())}`;
        throw error;
      },
    );
  }

  /** Its attempts, oldest first. */
  async executions(): Promise<JsonObject[]> {
    const { data } = await this.world.suite.api.get(`${this.url}/processexecutions`);
    return data as JsonObject[];
  }

  /** The records of all its steps, oldest first. */
  async steps(): Promise<JsonObject[]> {
    return (await this.executions()).flatMap(({ steps }) => steps as JsonObject[]);
  }

  /** The state moves that it recorded, oldest first. */
  async transitions(): Promise<JsonObject[]> {
    return (await this.executions()).flatMap(({ transitions }) => transitions as JsonObject[]);
  }

  /** An operator's act. @throws ApiError */
  operate(
    action: 'retry' | 'skip' | 'cancel' | 'force' | 'replay',
    body: JsonObject = {},
    headers: Record<string, string> = {},
  ): Promise<JsonObject> {
    return this.world.suite.api.post(`${this.url}?action=${action}`, body, headers);
  }
}

function contains(present: JsonObject, wanted: JsonObject): boolean {
  return Object.entries(wanted).every(([key, value]) => JSON.stringify(present[key]) === JSON.stringify(value));
}
