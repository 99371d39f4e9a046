import type { RequestContract } from '@drover/contracts';
import { DroverError, type ErrorBody, monotonicMillis } from '@drover/kernel';
import { createInbox, type Msg, type NatsConnection } from 'nats';
import { Expected } from './expected.js';

/** Header of an answer that is an error; its value is the code, the body is an ErrorBody. */
export const ERROR_HEADER = 'Drover-Error';

/** A request that has no answer yet. */
interface Waiting {
  contract: RequestContract<unknown, unknown>;
  due: number;
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

/**
 * Requests on one connection, whose answers one subscription hears. The client's own `request` makes an error with its stack, a timer and
 * four promises for each.
 */
export class Requests {
  private readonly waiting = new Expected<Waiting>((waiting) => unanswered(waiting, new Error('no answer in time')));
  /** what a reply subject starts with; empty before the first request */
  private prefix = '';
  private count = 0;

  constructor(private readonly connection: NatsConnection) {}

  /**
   * @param send runs the write that it is given, now or in a moment
   * @returns the answer
   * @throws DroverError as answered; Unavailable when there is none: nobody listens, the time is up, or the connection is closed
   */
  ask<Request, Reply>(
    contract: RequestContract<Request, Reply>,
    request: Request,
    timeoutMillis: number,
    send: (write: () => void) => void,
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const body = Buffer.from(contract.codec?.encode(request) ?? JSON.stringify(request));
      const waiting: Waiting = {
        contract: contract as RequestContract<unknown, unknown>,
        due: monotonicMillis() + timeoutMillis,
        resolve: resolve as (answer: unknown) => void,
        reject,
      };
      send(() => this.publish(waiting, body));
    });
  }

  private publish(waiting: Waiting, body: Uint8Array): void {
    let reply = '';
    try {
      if (this.prefix === '') this.listen();
      reply = `${this.prefix}${++this.count}`;
      this.waiting.add(reply, waiting);
      this.connection.publish(waiting.contract.subject, body, { reply });
    } catch (cause) {
      this.waiting.take(reply);
      unanswered(waiting, cause);
    }
  }

  private listen(): void {
    const prefix = `${createInbox()}.`;
    this.connection.subscribe(`${prefix}*`, {
      callback: (error, message) => (error === null ? this.hear(message) : this.fail(error)),
    });
    this.prefix = prefix;
    void this.connection.closed().then((error) => this.fail(error ?? new Error('the connection is closed')));
  }

  private hear(message: Msg): void {
    const waiting = this.waiting.take(message.subject);
    if (waiting === undefined) return;
    if (message.data.length === 0 && message.headers?.code === 503)
      return unanswered(waiting, new Error('nobody listens'));
    try {
      const answer = JSON.parse(message.string()) as unknown;
      if (message.headers?.has(ERROR_HEADER) === true) waiting.reject(DroverError.fromBody(answer as ErrorBody));
      else waiting.resolve(answer);
    } catch (error) {
      waiting.reject(error);
    }
  }

  private fail(cause: Error): void {
    for (const waiting of this.waiting.takeAll()) unanswered(waiting, cause);
  }
}

function unanswered({ contract, reject }: Waiting, cause: unknown): void {
  reject(new DroverError('Unavailable', `No answer from ${contract.queue} on ${contract.subject}`, { cause }));
}
