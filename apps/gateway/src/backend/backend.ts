import { Injectable } from '@nestjs/common';
import type { RequestContract } from '@drover/contracts';
import { callBackoffMillis, DroverError, isRefusedLoad, monotonicMillis, sleep } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import { Overload } from '../overload/overload.js';
import { deadline } from './deadline.js';

/** One try. The second one reaches another replica when the first was asked of one that died. */
const TRY_MILLIS = 1_000;
/** No try is worth starting with less. */
const LEAST_MILLIS = 100;

/** Calls to the engine and the store, within the deadline of the request that makes them. */
@Injectable()
export class Backend {
  constructor(
    private readonly bus: MessageBus,
    private readonly overload: Overload,
  ) {}

  /** A {@link call} that asks an engine for new work. @throws DroverError also Overloaded, TooManyRequests: never asked again by itself */
  command<Request extends { account?: number | null }, Reply>(
    contract: RequestContract<Request, Reply>,
    request: Request,
    once = false,
  ): Promise<Reply> {
    const send = (): Promise<Reply> => (once ? this.callOnce(contract, request) : this.call(contract, request));
    return this.overload.watch(request.account ?? null, send);
  }

  /**
   * A call that may be made twice: a read, or a command with an id. Repeated within the deadline while nobody answers.
   * @throws DroverError as answered; Unavailable (503) when the deadline has passed: the outcome is then unknown
   */
  async call<Request, Reply>(contract: RequestContract<Request, Reply>, request: Request): Promise<Reply> {
    const end = deadline();
    for (let failures = 0; ; failures++) {
      const left = end - monotonicMillis();
      try {
        return await this.ask(contract, request, Math.min(TRY_MILLIS, left));
      } catch (error) {
        if (!isRetryable(error)) throw error;
        const pause = callBackoffMillis(failures, Math.random(), 250);
        if (end - monotonicMillis() - pause < LEAST_MILLIS) throw unanswered(error);
        await sleep(pause);
      }
    }
  }

  /** A call whose repeat would be another one: made once. */
  async callOnce<Request, Reply>(contract: RequestContract<Request, Reply>, request: Request): Promise<Reply> {
    try {
      return await this.ask(contract, request, deadline() - monotonicMillis());
    } catch (error) {
      throw isRetryable(error) ? unanswered(error) : error;
    }
  }

  private ask<Request, Reply>(
    contract: RequestContract<Request, Reply>,
    request: Request,
    millis: number,
  ): Promise<Reply> {
    const timeout = Math.max(1, millis);
    if (this.overload.isLate) return this.bus.request(contract, request, timeout);
    return this.bus.requestTogether(contract, request, timeout);
  }
}

/** What was refused for load is not: repeated at once, it would be more of it. */
function isRetryable(error: unknown): error is DroverError {
  return error instanceof DroverError && ['Unavailable', 'StaleRegistry'].includes(error.code);
}

/** The same error in words for people outside: subjects, and which of the services or the database it was, are nobody's business there. */
export function unanswered(error?: unknown): DroverError {
  return isRefusedLoad(error)
    ? error
    : new DroverError('Unavailable', "Drover's services do not answer in time; try again", { cause: error });
}
