import { type ConsumerMessages, jetstream, type JsMsg } from '@nats-io/jetstream';
import { type CancelNotice, handlerConsumer, type ProcessEvent, STREAMS, SUBJECTS } from '@drover/contracts';
import { connectNats } from '@drover/messaging';
import { waitFor } from '@drover/testing';
import type { NatsConnection } from 'nats';
import { SILENCE } from './test-handler.js';

/** One delivery of a durable event. */
export interface WorkDelivery {
  event: ProcessEvent;
  message: JsMsg;
}

/** What to answer; undefined is `{}`: done. {@link SILENCE}: neither answer nor acknowledgement. */
export type WorkAnswer = (event: ProcessEvent, message: JsMsg) => unknown;

/** A handler with durable delivery as any program may be one: it pulls, works, publishes to `replyTo` and acknowledges. */
export class DurableHandler implements AsyncDisposable {
  readonly deliveries: WorkDelivery[] = [];
  readonly cancels: CancelNotice[] = [];
  private messages: ConsumerMessages | null = null;

  private constructor(
    readonly name: string,
    readonly connection: NatsConnection,
    /** may be replaced at any time */
    public answer: WorkAnswer,
  ) {
    connection.subscribe(SUBJECTS.cancel(name), {
      callback: (_error, message) => void this.cancels.push(message.json<CancelNotice>()),
    });
  }

  static async connect(natsUrl: string, name: string, answer: WorkAnswer = () => ({})): Promise<DurableHandler> {
    return new DurableHandler(name, await connectNats(natsUrl, `durable-handler-${name}`), answer);
  }

  get events(): ProcessEvent[] {
    return this.deliveries.map(({ event }) => event);
  }

  /** Pulls from now on. */
  async attend(): Promise<void> {
    const consumers = jetstream(this.connection).consumers;
    const consumer = await waitFor(() => consumers.get(STREAMS.work, handlerConsumer(this.name)), {
      what: `the consumer of ${this.name}`,
    });
    this.messages = await consumer.consume({
      max_messages: 100,
      expires: 2_000,
      callback: (message) => void this.received(message),
    });
  }

  /** Pulls no more. */
  async leave(): Promise<void> {
    await this.messages?.close();
    this.messages = null;
    await this.connection.flush();
  }

  async sent(count: number): Promise<ProcessEvent[]> {
    await waitFor(() => this.deliveries.length >= count, { what: `event ${count} of handler ${this.name}` });
    return this.events;
  }

  private async received(message: JsMsg): Promise<void> {
    const event = message.json<ProcessEvent>();
    this.deliveries.push({ event, message });
    const answer = await this.answer(event, message);
    if (answer === SILENCE) return;
    this.connection.publish(event.replyTo, JSON.stringify(answer ?? {}));
    message.ack();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection.close();
  }
}
