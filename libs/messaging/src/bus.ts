import type { RequestContract } from '@drover/contracts';
import {
  DroverError,
  type ErrorBody,
  type ErrorCode,
  isRefusedLoad,
  MAX_JSON_DEPTH,
  parseJson,
  retryAfterMillis,
  sleep,
  callBackoffMillis,
} from '@drover/kernel';
import { headers as createHeaders, type Msg, type MsgHdrs, type NatsConnection, type Subscription } from 'nats';
import { Outbox } from './outbox.js';
import { ERROR_HEADER, Requests } from './requests.js';
import { Slices } from './slices.js';

/** A body of the deepest legal nesting, inside a command. */
const ENVELOPE_DEPTH = MAX_JSON_DEPTH + 4;

/** What a handler returns whose request is answered later, or by somebody else. */
export const UNANSWERED: unique symbol = Symbol('unanswered');

/** Of requests that came and were not looked at yet, bytes; more are answered Overloaded at once. */
const MAX_UNREAD_BYTES = 64 * 1024 ** 2;
/** What a message costs in memory besides its body, bytes. */
const MESSAGE_BYTES = 512;

export interface ServeOptions {
  /** requests worked on at once; more are answered Overloaded at once (default 4,096) */
  maxInFlight?: number;
  /** bytes of requests worked on at once; more are answered Overloaded at once (default 64 MiB) */
  maxBytes?: number;
  /** requests come from our own services only, which checked what came from outside: parse without scanning again */
  trusted?: boolean;
  /** they come from many clients, all at once if these like: looked at in slices of the event loop, so that other work goes on */
  sliced?: boolean;
  /** asked first: why a request is refused for load, or null; must be cheap, and must not throw whatever the request holds */
  refuse?: (subject: string, request: unknown) => ErrorBody | null;
  /** called for what is not one of our errors; the caller of the request only hears `Internal` */
  onInternalError?: (error: unknown, subject: string) => void;
}

/** Request and reply between our services: plain JSON, one error shape, contracts instead of subjects. */
export class MessageBus {
  /** requests whose body could not be used, by subject: invariant 10 says garbage is counted */
  readonly garbage = new Map<string, number>();
  private readonly outbox = new Outbox();
  private readonly requests: Requests;
  private readonly slices = new Slices<Unread>((unread) => this.look(unread));
  private unreadBytes = 0;

  constructor(readonly connection: NatsConnection) {
    this.requests = new Requests(connection);
  }

  /** Requests that came and were not looked at yet. */
  get unread(): number {
    return this.slices.waiting;
  }

  /** Resolves when every request that came was looked at. */
  allRead(): Promise<void> {
    return this.slices.empty();
  }

  /**
   * One request, one answer.
   * @throws DroverError as answered; Unavailable when nobody answered in time: the outcome is then unknown
   */
  request<Request, Reply>(
    contract: RequestContract<Request, Reply>,
    request: Request,
    timeoutMillis: number = contract.timeoutMillis,
  ): Promise<Reply> {
    return this.requests.ask(contract, request, timeoutMillis, (write) => write());
  }

  /**
   * As {@link request}, but sent together with the others of this turn of the event loop: for whoever is asked by many clients, each on a
   * connection of its own. One by one they cost a system call each, here and at the broker, and begin batches of one at the other side.
   */
  requestTogether<Request, Reply>(
    contract: RequestContract<Request, Reply>,
    request: Request,
    timeoutMillis: number = contract.timeoutMillis,
  ): Promise<Reply> {
    return this.requests.ask(contract, request, timeoutMillis, (write) => this.outbox.add(write));
  }

  /**
   * Repeats a request that is safe to repeat until it is answered, with back-off: a batch is never dropped because a peer reconnects.
   * Ends early only with an answer (also an error that repeating cannot cure) or when `signal` aborts.
   */
  async requestUntilAnswered<Request, Reply>(
    contract: RequestContract<Request, Reply>,
    request: Request,
    signal: AbortSignal,
  ): Promise<Reply> {
    for (let failures = 0; ; failures++) {
      try {
        return await this.request(contract, request);
      } catch (error) {
        const refused = isRefusedLoad(error);
        const retryable = refused || (error instanceof DroverError && error.code === 'Unavailable');
        if (!retryable || signal.aborted) throw error;
        const pause = refused ? retryAfterMillis(error.extra) : null;
        await sleep(pause ?? callBackoffMillis(failures, Math.random()), signal);
      }
    }
  }

  /** Answers a contract's requests in its queue group. The handler's value is the answer, unless {@link UNANSWERED}; a thrown DroverError is the error. */
  serve<Request, Reply>(
    contract: RequestContract<Request, Reply>,
    handler: (request: Request) => Promise<Reply | typeof UNANSWERED>,
    options: ServeOptions = {},
  ): Subscription {
    let inFlight = 0;
    let bytes = 0;
    const max = options.maxInFlight ?? 4_096;
    const maxBytes = options.maxBytes ?? 64 * 1024 ** 2;
    const receive = (message: Msg): void => {
      const size = message.data.length;
      if (inFlight >= max || bytes + size > maxBytes) {
        respondError(message, tooMuch(`${contract.queue} has ${inFlight} requests in flight`));
        return;
      }
      let request: Request;
      try {
        request = decode(contract, message.string(), options.trusted === true);
      } catch (error) {
        this.countGarbage(contract.subject);
        respondError(message, error instanceof DroverError ? error : new DroverError('InvalidBodyContent', 'Not JSON'));
        return;
      }
      const refusal = options.refuse?.(contract.subject, request) ?? null;
      if (refusal !== null) {
        respondBody(message, refusal);
        return;
      }
      inFlight++;
      bytes += size;
      handler(request)
        .then(
          (reply) => {
            if (reply !== UNANSWERED) this.outbox.add(() => respond(message, reply));
          },
          (error: unknown) => {
            if (!(error instanceof DroverError)) options.onInternalError?.(error, contract.subject);
            else if (error.code === 'InvalidBodyContent') this.countGarbage(contract.subject);
            this.outbox.add(() => respondError(message, error));
          },
        )
        .finally(() => {
          inFlight--;
          bytes -= size;
        });
    };
    return this.connection.subscribe(contract.subject, {
      queue: contract.queue,
      callback: (_error, message) => (options.sliced === true ? this.queue(message, receive) : receive(message)),
    });
  }

  private queue(message: Msg, receive: Unread['receive']): void {
    const bytes = message.data.length + MESSAGE_BYTES;
    if (this.unreadBytes + bytes > MAX_UNREAD_BYTES) {
      respondError(message, tooMuch(`${this.slices.waiting} requests were not looked at yet`));
      return;
    }
    this.unreadBytes += bytes;
    this.slices.add({ message, bytes, receive });
  }

  private look({ message, bytes, receive }: Unread): void {
    this.unreadBytes -= bytes;
    receive(message);
  }

  /**
   * Publishes JSON at the end of this turn of the event loop; with `reply`, as the reply subject.
   * @param failed told when it could not be: too large for the broker, or a closing connection
   */
  publish(subject: string, value: unknown, reply?: string, failed?: (error: unknown) => void): void {
    const body = bytesOf(value);
    this.later(() => this.connection.publish(subject, body, reply === undefined ? undefined : { reply }), failed);
  }

  /** Runs a write together with the others of this turn. */
  later(write: () => void, failed?: (error: unknown) => void): void {
    this.outbox.add(() => {
      try {
        write();
      } catch (error) {
        failed?.(error);
      }
    });
  }

  /** A message that is safe to lose: never throws, not even while disconnected. */
  hint(subject: string): void {
    try {
      this.connection.publish(subject);
    } catch {
      // A closing connection: whoever would have heard the hint polls.
    }
  }

  countGarbage(subject: string): void {
    this.garbage.set(subject, (this.garbage.get(subject) ?? 0) + 1);
  }
}

/** A request that nobody has looked at, and who is to. */
interface Unread {
  message: Msg;
  bytes: number;
  receive: (message: Msg) => void;
}

/** Callers come again after a second or two, not all at once. */
function tooMuch(message: string): DroverError {
  return new DroverError('Overloaded', message, {
    detail: { retryAfterMillis: 1_000 + Math.round(Math.random() * 1_000) },
  });
}

/** JSON as it travels. Of a `Buffer`, since short ones share a pool: a `TextEncoder` allocates each apart (0.5 µs more for 350 bytes). */
function bytesOf(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

function decode<Request>(contract: RequestContract<Request, unknown>, text: string, trusted: boolean): Request {
  if (contract.codec !== undefined) return contract.codec.decode(text);
  return (trusted ? JSON.parse(text) : parseJson(text, ENVELOPE_DEPTH)) as Request;
}

/** Answers with a value; one that exceeds the broker's payload limit becomes an error instead of a time-out. */
function respond(message: Msg, value: unknown): void {
  try {
    message.respond(bytesOf(value ?? null));
  } catch (cause) {
    respondError(message, new DroverError('Internal', 'The answer is larger than the broker carries', { cause }));
  }
}

/** Answers a request with an error, in the shape that {@link MessageBus.request} reads; without a reply subject, nothing happens. */
export function respondError(message: Msg, error: unknown): void {
  respondBody(message, DroverError.bodyOf(error));
}

/** Never throws: on a closing connection nobody waits for the answer any more. */
function respondBody(message: Msg, body: ErrorBody): void {
  try {
    message.respond(bytesOf(body), { headers: headersOf(body.code) });
  } catch {
    // The caller's deadline tells it.
  }
}

/** Made once for each code: thousands of refusals a second say the same. */
function headersOf(code: ErrorCode): MsgHdrs {
  let headers = errorHeaders.get(code);
  if (headers === undefined) {
    headers = createHeaders();
    headers.set(ERROR_HEADER, code);
    errorHeaders.set(code, headers);
  }
  return headers;
}

const errorHeaders = new Map<ErrorCode, MsgHdrs>();
