import { isJsonObject, type JsonObject, sleep } from '@drover/kernel';
import { headers as createHeaders, type Msg, type NatsConnection, type Subscription } from 'nats';
import type { HandlerContext, HandlerResult, ProcessHandler } from './process-handler.js';

/** What an external handler is called with: the same as inside the engine. */
export type ExternalContext = HandlerContext;

/** A handler in a program of its own. Every ProcessHandler is one: the same logic can move out of the engine. */
export type ExternalHandler = ProcessHandler;

export interface ServeHandlersOptions {
  /** told what went wrong and is tried again: a refused registration, an unusable event (default: console.error) */
  onProblem?: (problem: string) => void;
}

export interface ServedHandlers {
  /** Takes no more events, lets the work in hand finish and its replies arrive. The connection stays open. */
  stop(): Promise<void>;
}

interface Event {
  id: string;
  key: string;
  replyTo: string;
  timeoutMillis: number;
  process: string;
  phase: HandlerContext['phase'];
  attempt: number;
  resource: JsonObject;
  data: JsonObject;
  related?: JsonObject;
}

/** Between two tries of a registration or of a reply that was not confirmed, milliseconds. */
const AGAIN_MILLIS = 500;
/** How long one try waits for its confirmation, milliseconds. */
const CONFIRM_MILLIS = 2_000;

/**
 * Serves handlers over NATS: subscribes each in the queue group of its name, registers it, and answers its events. Replies are
 * repeated until the broker has stored them or the attempt's time is up, so that one given while the broker restarts is not lost. An
 * attempt that is cancelled, or asked for anew after its time was up, has its `signal` aborted; the new attempt runs beside what is
 * left of the old one.
 * @returns once every handler is registered and active
 */
export async function serveHandlers(
  connection: NatsConnection,
  handlers: readonly ExternalHandler[],
  { onProblem = console.error }: ServeHandlersOptions = {},
): Promise<ServedHandlers> {
  const served = handlers.map((handler) => new Served(connection, handler, onProblem));
  await Promise.all(served.map((one) => one.register()));
  return { stop: async () => void (await Promise.all(served.map((one) => one.stop()))) };
}

class Served {
  private readonly subscriptions: Subscription[];
  /** attempts in hand, by id */
  private readonly attempts = new Map<string, { key: string; abort: AbortController; ended: Promise<void> }>();
  private stopped = false;

  constructor(
    private readonly connection: NatsConnection,
    private readonly handler: ExternalHandler,
    private readonly onProblem: (problem: string) => void,
  ) {
    const { name } = handler;
    this.subscriptions = [
      connection.subscribe(`drover.process.*.*.*.${name}`, {
        queue: name,
        callback: (_error, message) => this.receive(message),
      }),
      connection.subscribe(`drover.cancel.${name}`, { callback: (_error, message) => this.cancel(message) }),
    ];
  }

  /** The same name and uuid update the registration, so that every replica may register at every start. */
  async register(): Promise<void> {
    const { name, processes, priority, ...settings } = this.handler;
    const { retries, timeoutMillis, heartbeatMillis, totalMillis, retry, maxInFlight, circuitBreaker } = settings;
    const policies = { retries, timeoutMillis, heartbeatMillis, totalMillis, retry, maxInFlight, circuitBreaker };
    const body = { name, uuid: name, priority, ...policies, processConfigs: [{ name: processes }] };
    while (!this.stopped && !this.connection.isClosed()) {
      try {
        const options = { timeout: CONFIRM_MILLIS };
        const reply = await this.connection.request('drover.handler.register', JSON.stringify(body), options);
        if (reply.headers?.has('Drover-Error') !== true) return;
        this.onProblem(`${name} is not registered: ${reply.string()}`);
      } catch (error) {
        this.onProblem(`${name} is not registered yet: ${String(error)}`);
      }
      await sleep(AGAIN_MILLIS);
    }
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.subscriptions.map((subscription) => subscription.drain()));
    await Promise.all([...this.attempts.values()].map(({ ended }) => ended));
  }

  private receive(message: Msg): void {
    const event = parse(message);
    if (event === null) return this.onProblem(`${this.handler.name}: not a process event on ${message.subject}`);
    // The same attempt delivered again: the work in hand will answer it.
    if (this.attempts.has(event.id)) return;
    for (const earlier of this.attempts.values()) {
      if (earlier.key === event.key) earlier.abort.abort(new Error('asked for anew'));
    }
    const abort = new AbortController();
    const ended = this.work(event, abort.signal).finally(() => this.attempts.delete(event.id));
    this.attempts.set(event.id, { key: event.key, abort, ended });
  }

  private cancel(message: Msg): void {
    const notice = parseObject(message);
    this.attempts.get(String(notice?.['id']))?.abort.abort(new Error(String(notice?.['reason'] ?? 'cancelled')));
  }

  private async work(event: Event, signal: AbortSignal): Promise<void> {
    const until = Date.now() + event.timeoutMillis;
    let result: HandlerResult;
    try {
      result =
        (await this.handler.handle({
          ...event,
          signal,
          progress: (transitioningMessage, transitioningProgress) => {
            const report = { transitioning: 'yes', transitioningMessage, transitioningProgress };
            if (!signal.aborted) this.connection.publish(event.replyTo, JSON.stringify(report));
          },
        })) ?? {};
    } catch (error) {
      result = { transitioning: 'error', transitioningMessage: error instanceof Error ? error.message : String(error) };
    }
    await this.reply(event, JSON.stringify(result), until);
  }

  /** The stream behind the reply subject confirms what it stored; a message id makes a repeat harmless. */
  private async reply(event: Event, body: string, until: number): Promise<void> {
    const headers = createHeaders();
    headers.set('Nats-Msg-Id', event.id);
    do {
      try {
        await this.connection.request(event.replyTo, body, { headers, timeout: CONFIRM_MILLIS });
        return;
      } catch (error) {
        this.onProblem(`${this.handler.name}: the reply to ${event.id} is not confirmed yet: ${String(error)}`);
        await sleep(AGAIN_MILLIS);
      }
    } while (Date.now() < until && !this.connection.isClosed());
    this.onProblem(`${this.handler.name}: the reply to ${event.id} is given up; the step will be asked for again`);
  }
}

function parseObject(message: Msg): JsonObject | null {
  try {
    const value: unknown = message.json();
    return isJsonObject(value) ? value : null;
  } catch {
    return null;
  }
}

function parse(message: Msg): Event | null {
  const event = parseObject(message);
  const usable = ['id', 'key', 'replyTo', 'process'].every((field) => typeof event?.[field] === 'string');
  return usable ? (event as unknown as Event) : null;
}
