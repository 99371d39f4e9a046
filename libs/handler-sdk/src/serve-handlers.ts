import { type ConsumerMessages, jetstream, type JsMsg } from '@nats-io/jetstream';
import { ChurningMap, isJsonObject, type JsonObject, sleep } from '@drover/kernel';
import { headers as createHeaders, type Msg, type NatsConnection, type Subscription } from 'nats';
import type { HandlerContext, HandlerResult, ProcessHandler } from './process-handler.js';

/** What an external handler is called with: the same as inside the engine. */
export type ExternalContext = HandlerContext;

/** A handler in a program of its own. Every ProcessHandler is one: the same logic can move out of the engine. */
export interface ExternalHandler extends ProcessHandler {
  /** `durable`: events wait in a stream while no program of this handler runs (default `core`: they are asked for when one is back) */
  readonly delivery?: 'core' | 'durable';
  /**
   * Who gives the signs of life where a heartbeat is declared. `automatic` (default): the kit does, for as long as the event loop of this program
   * turns. That tells a program that died, lost its connection or blocks; not a handler that hangs, which `timeoutMillis` ends.
   * `own`: the handler does, with `context.heartbeat()` or `context.progress()` where it gets on, and one that hangs is found out too.
   */
  readonly heartbeats?: 'automatic' | 'own';
}

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
  heartbeatMillis?: number;
  process: string;
  phase: HandlerContext['phase'];
  attempt: number;
  resource: JsonObject;
  data: JsonObject;
  related?: JsonObject;
}

/** Between two tries of a registration or of a reply that was not confirmed, milliseconds. */
const AGAIN_MILLIS = 500;
/** Durable events in hand at once. */
const PULL = 100;
/** How long one try waits for its confirmation, milliseconds. */
const CONFIRM_MILLIS = 2_000;
/** Signs of life that fit into a heartbeat, so that one or two may be lost. */
const BEATS = 3;

/**
 * Serves handlers over NATS: subscribes each in the queue group of its name, registers it, and answers its events. Replies are
 * repeated until the broker has stored them or the attempt's time is up, so that one given while the broker restarts is not lost. An
 * attempt that is cancelled, or asked for anew after its time was up, has its `signal` aborted; the new attempt runs beside what is
 * left of the old one. Where a heartbeat is declared, it is given while a handler is at work, unless the handler gives its `own` heartbeats.
 * @returns once every handler is registered and active
 */
export async function serveHandlers(
  connection: NatsConnection,
  handlers: readonly ExternalHandler[],
  { onProblem = console.error }: ServeHandlersOptions = {},
): Promise<ServedHandlers> {
  const served = handlers.map((handler) => new Served(connection, handler, onProblem));
  await Promise.all(served.map((one) => one.register().then(() => one.pull())));
  return { stop: async () => void (await Promise.all(served.map((one) => one.stop()))) };
}

class Served {
  private readonly subscriptions: Subscription[];
  /** attempts in hand, by id */
  private readonly attempts = new ChurningMap<
    string,
    { key: string; abort: AbortController; ended: Promise<boolean> }
  >();
  private stopped = false;
  private messages: ConsumerMessages | null = null;

  constructor(
    private readonly connection: NatsConnection,
    private readonly handler: ExternalHandler,
    private readonly onProblem: (problem: string) => void,
  ) {
    const { name } = handler;
    const core = () =>
      connection.subscribe(`drover.process.*.*.*.${name}`, {
        queue: name,
        callback: (_error, message) => void this.receive(message),
      });
    this.subscriptions = [
      ...(handler.delivery === 'durable' ? [] : [core()]),
      connection.subscribe(`drover.cancel.${name}`, { callback: (_error, message) => this.cancel(message) }),
    ];
  }

  /** The same name and uuid update the registration, so that every replica may register at every start. */
  async register(): Promise<void> {
    const { name, processes, priority, delivery, ...settings } = this.handler;
    const { retries, timeoutMillis, heartbeatMillis, totalMillis, retry, maxInFlight, circuitBreaker } = settings;
    const policies = { retries, timeoutMillis, heartbeatMillis, totalMillis, retry, maxInFlight, circuitBreaker };
    const body = { name, uuid: name, priority, delivery, ...policies, processConfigs: [{ name: processes }] };
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

  /** With durable delivery: takes events from the handler's consumer, which is there once the registration is answered. */
  async pull(): Promise<void> {
    if (this.handler.delivery !== 'durable' || this.stopped || this.connection.isClosed()) return;
    try {
      const consumer = await jetstream(this.connection).consumers.get('WORK', `HANDLER_${this.handler.name}`);
      const { config } = await consumer.info(true);
      // Several signs of life fit into the time after which an event counts as lost with its program.
      const aliveMillis = Math.max(100, (config.ack_wait ?? 0) / 3_000_000);
      this.messages = await consumer.consume({
        max_messages: PULL,
        callback: (message) => this.take(message, aliveMillis),
      });
      void this.messages.closed().then(() => this.pullAgain());
    } catch (error) {
      this.onProblem(`${this.handler.name}: no events can be taken yet: ${String(error)}`);
      await sleep(AGAIN_MILLIS);
      await this.pull();
    }
  }

  private async pullAgain(): Promise<void> {
    if (this.stopped) return;
    await sleep(AGAIN_MILLIS);
    await this.pull();
  }

  /** Acknowledged once the reply is stored; until then, signs of life keep the event from being delivered again. */
  private take(message: JsMsg, aliveMillis: number): void {
    const alive = setInterval(() => message.working(), aliveMillis);
    const work = this.receive(message);
    // Nobody can make a process event of it: it would come for ever.
    if (work === null) message.term();
    void (work ?? Promise.resolve(false))
      .then((replied) => void (replied && message.ack()))
      .finally(() => clearInterval(alive));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.messages?.close();
    await Promise.all(this.subscriptions.map((subscription) => subscription.drain()));
    await Promise.all([...this.attempts.values()].map(({ ended }) => ended));
  }

  /** @returns resolves when the reply is stored (true) or given up; null: it was no event */
  private receive(message: Pick<Msg, 'json' | 'subject'>): Promise<boolean> | null {
    const event = parse(message);
    if (event === null) {
      this.onProblem(`${this.handler.name}: not a process event on ${message.subject}`);
      return null;
    }
    // The same attempt delivered again: the work in hand will answer it.
    const same = this.attempts.get(event.id);
    if (same !== undefined) return same.ended;
    for (const earlier of this.attempts.values()) {
      if (earlier.key === event.key) earlier.abort.abort(new Error('asked for anew'));
    }
    const abort = new AbortController();
    const ended = this.work(event, abort.signal).finally(() => this.attempts.delete(event.id));
    this.attempts.set(event.id, { key: event.key, abort, ended });
    return ended;
  }

  private cancel(message: Msg): void {
    const notice = parseObject(message);
    this.attempts.get(String(notice?.['id']))?.abort.abort(new Error(String(notice?.['reason'] ?? 'cancelled')));
  }

  private async work(event: Event, signal: AbortSignal): Promise<boolean> {
    // While a durable event is not acknowledged, its attempt's clock stands still.
    const until = this.handler.delivery === 'durable' ? Infinity : Date.now() + event.timeoutMillis;
    let over = false;
    const report = (progress: object): void => {
      if (!over && !signal.aborted)
        this.connection.publish(event.replyTo, JSON.stringify({ transitioning: 'yes', ...progress }));
    };
    // A progress without a message moves the heartbeat and nothing else.
    const heartbeat = (): void => report({});
    const { heartbeatMillis } = event;
    const automatic = heartbeatMillis !== undefined && this.handler.heartbeats !== 'own';
    const beats = automatic ? setInterval(heartbeat, heartbeatMillis / BEATS) : undefined;
    let result: HandlerResult;
    try {
      result =
        (await this.handler.handle({
          ...event,
          signal,
          heartbeat,
          progress: (transitioningMessage, transitioningProgress) =>
            report({ transitioningMessage, transitioningProgress }),
        })) ?? {};
    } catch (error) {
      result = { transitioning: 'error', transitioningMessage: error instanceof Error ? error.message : String(error) };
    } finally {
      over = true;
      clearInterval(beats);
    }
    return this.reply(event, JSON.stringify(result), until);
  }

  /** The stream behind the reply subject confirms what it stored; a message id makes a repeat harmless. */
  private async reply(event: Event, body: string, until: number): Promise<boolean> {
    const headers = createHeaders();
    headers.set('Nats-Msg-Id', event.id);
    do {
      try {
        await this.connection.request(event.replyTo, body, { headers, timeout: CONFIRM_MILLIS });
        return true;
      } catch (error) {
        this.onProblem(`${this.handler.name}: the reply to ${event.id} is not confirmed yet: ${String(error)}`);
        await sleep(AGAIN_MILLIS);
      }
    } while (Date.now() < until && !this.connection.isClosed());
    this.onProblem(`${this.handler.name}: the reply to ${event.id} is given up; the step will be asked for again`);
    return false;
  }
}

function parseObject(message: Pick<Msg, 'json'>): JsonObject | null {
  try {
    const value: unknown = message.json();
    return isJsonObject(value) ? value : null;
  } catch {
    return null;
  }
}

function parse(message: Pick<Msg, 'json'>): Event | null {
  const event = parseObject(message);
  const usable = ['id', 'key', 'replyTo', 'process'].every((field) => typeof event?.[field] === 'string');
  return usable ? (event as unknown as Event) : null;
}
