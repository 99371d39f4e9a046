import { connectNats, MessageBus } from '@drover/messaging';
import { startStack, type ServiceName, type Stack, type StackOptions } from '@drover/testing';
import { Client } from './client.js';
import { DurableHandler, type WorkAnswer } from './durable-handler.js';
import { type Answer, TestHandler } from './test-handler.js';

export interface HandlerOptions {
  /** as in `processConfigs`, comma separated */
  processes: string;
  answer?: Answer;
  priority?: number;
  /** attempts in all */
  retries?: number;
  timeoutMillis?: number;
  totalMillis?: number;
  maxInFlight?: number;
  circuitBreaker?: { failures: number; openMillis: number };
  onError?: string;
  /** false: registered, but nobody listens */
  attends?: boolean;
}

/** A handler with its registration. */
export interface RegisteredHandler {
  handler: TestHandler;
  resourceId: number;
}

/** Engine and store, without a gateway, with a client and handlers of the test's own. Ends with its scope. */
export class Cluster implements AsyncDisposable {
  private readonly handlers: AsyncDisposable[] = [];

  private constructor(
    readonly stack: Stack,
    readonly bus: MessageBus,
    readonly client: Client,
  ) {}

  static async start(options: StackOptions = {}): Promise<Cluster> {
    const stack = await startStack({ only: ['resource-store', 'process-engine'], definitions: null, ...options });
    const bus = new MessageBus(await connectNats(stack.natsUrl, 'test-client'));
    return new Cluster(stack, bus, new Client(bus));
  }

  /** Connects an external handler, registers it and waits until it is active. */
  async handler(name: string, options: HandlerOptions): Promise<TestHandler> {
    return (await this.register(name, options)).handler;
  }

  /** One more program of a registered handler. */
  async replica(name: string, answer?: Answer): Promise<TestHandler> {
    const handler = await TestHandler.connect(this.stack.natsUrl, name, answer);
    this.handlers.push(handler);
    return handler;
  }

  async register(name: string, options: HandlerOptions): Promise<RegisteredHandler> {
    const { processes, answer, attends = true, onError, ...settings } = options;
    const handler = await this.replica(name, answer);
    if (!attends) await handler.leave();
    const processConfigs = [{ name: processes, onError: onError ?? null }];
    const { resource } = await this.client.create('externalHandler', { name, processConfigs, ...settings });
    await this.client.until(resource.id, { state: 'active' });
    return { handler, resourceId: resource.id };
  }

  /** Registers a handler with durable delivery; it pulls unless `attends` is false. */
  async durable(
    name: string,
    options: Omit<HandlerOptions, 'answer'> & { answer?: WorkAnswer },
  ): Promise<{ handler: DurableHandler; resourceId: number }> {
    const { processes, answer, attends = true, onError, ...settings } = options;
    const handler = await DurableHandler.connect(this.stack.natsUrl, name, answer);
    this.handlers.push(handler);
    const processConfigs = [{ name: processes, onError: onError ?? null }];
    const fields = { name, delivery: 'durable', processConfigs, ...settings };
    const { resource } = await this.client.create('externalHandler', fields);
    await this.client.until(resource.id, { state: 'active' });
    if (attends) await handler.attend();
    return { handler, resourceId: resource.id };
  }

  /** One value of a service's /metrics; 0 when it has none of that name. */
  async metric(name: string, service: ServiceName = 'process-engine'): Promise<number> {
    const text = await (await fetch(`${this.stack.service(service).adminUrl}/metrics`)).text();
    const line = text.split('\n').find((candidate) => candidate.startsWith(name) && !candidate.startsWith('#'));
    return Number(line?.split(' ').at(-1) ?? 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.handlers.map((handler) => handler[Symbol.asyncDispose]()));
    await this.bus.connection.close();
    await this.stack[Symbol.asyncDispose]();
  }
}
