import { setTimeout as sleep } from 'node:timers/promises';
import type { CancelNotice, ProcessEvent } from '@drover/contracts';
import { SUBJECTS } from '@drover/contracts';
import { connectNats } from '@drover/messaging';
import { waitFor, type WaitOptions } from '@drover/testing';
import { headers, type Msg, type NatsConnection, type Subscription } from 'nats';

/** One delivery of a process event, with the means to answer it in any way, proper or not. */
export class Delivery {
  /** by this program's clock, epoch milliseconds */
  readonly receivedAt = Date.now();

  constructor(
    readonly event: ProcessEvent,
    readonly message: Msg,
  ) {}

  /** Text goes out as it is, anything else as JSON. */
  reply(body: unknown, header: Record<string, string> = {}): void {
    const wire = headers();
    for (const [name, value] of Object.entries(header)) wire.set(name, value);
    this.message.respond(typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body), {
      headers: wire,
    });
  }
}

/** Answered with this, a handler stays silent. */
export const SILENCE = Symbol('silence');

/** What to answer; undefined is `{}`: done. A function that answers through the delivery returns {@link SILENCE}. */
export type Answer = (event: ProcessEvent, delivery: Delivery) => unknown;

/** Answers after a while. */
export const late =
  (millis: number, answer: unknown = {}): Answer =>
  async () => {
    await sleep(millis);
    return answer;
  };

/** Never answers. */
export const never: Answer = () => SILENCE;

/** The n-th event gets the n-th answer, further ones the last. */
export function inTurn(...answers: Answer[]): Answer {
  let next = 0;
  return (event, delivery) => answers[Math.min(next++, answers.length - 1)]!(event, delivery);
}

/**
 * An external handler as any program may be one: a plain NATS connection of its own, a queue subscription, JSON. It remembers
 * everything that it was sent.
 */
export class TestHandler implements AsyncDisposable {
  readonly deliveries: Delivery[] = [];
  readonly cancels: CancelNotice[] = [];
  /** may be replaced at any time */
  answer: Answer;
  private subscription: Subscription | null = null;

  private constructor(
    readonly name: string,
    readonly connection: NatsConnection,
    answer: Answer,
  ) {
    this.answer = answer;
    connection.subscribe(SUBJECTS.cancel(name), {
      callback: (_error, message) => void this.cancels.push(message.json<CancelNotice>()),
    });
  }

  /** Connects and subscribes; registering is another matter. */
  static async connect(natsUrl: string, name: string, answer: Answer = () => ({})): Promise<TestHandler> {
    const handler = new TestHandler(name, await connectNats(natsUrl, `test-handler-${name}`), answer);
    await handler.attend();
    return handler;
  }

  get events(): ProcessEvent[] {
    return this.deliveries.map(({ event }) => event);
  }

  eventsOf(resourceId: number): ProcessEvent[] {
    return this.events.filter((event) => event.resourceId.endsWith(String(resourceId)));
  }

  /** Subscribes; nothing when it does already. */
  async attend(): Promise<void> {
    this.subscription ??= this.connection.subscribe(`drover.process.*.*.*.${this.name}`, {
      queue: this.name,
      callback: (_error, message) => void this.received(message),
    });
    await this.connection.flush();
  }

  /** Unsubscribes: from now on nobody listens. */
  async leave(): Promise<void> {
    this.subscription?.unsubscribe();
    this.subscription = null;
    await this.connection.flush();
  }

  /** Waits until so many events came, in all. */
  async sent(count: number, options: WaitOptions = {}): Promise<ProcessEvent[]> {
    await waitFor(() => this.deliveries.length >= count, {
      what: `event ${count} of handler ${this.name}`,
      ...options,
    });
    return this.events;
  }

  private async received(message: Msg): Promise<void> {
    const delivery = new Delivery(message.json<ProcessEvent>(), message);
    this.deliveries.push(delivery);
    const answer = await this.answer(delivery.event, delivery);
    if (answer !== SILENCE) delivery.reply(answer ?? {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection.close();
  }
}
