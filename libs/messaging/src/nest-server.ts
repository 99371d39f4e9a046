import type { RequestContract } from '@drover/contracts';
import { applyDecorators, Catch, type RpcExceptionFilter, UseFilters } from '@nestjs/common';
import { type CustomTransportStrategy, MessagePattern, Server } from '@nestjs/microservices';
import type { NatsConnection, Subscription } from 'nats';
import { isObservable, lastValueFrom, type Observable, throwError } from 'rxjs';
import { MessageBus, type ServeOptions } from './bus.js';

/**
 * Nest's transport for our contracts: `@ContractHandler(contract)` on a controller's method answers that contract. Nest does the
 * wiring, guards and life cycle; what is on the wire is plain JSON, so that any NATS client can call.
 */
export class ContractServer extends Server implements CustomTransportStrategy {
  private subscriptions: Subscription[] = [];

  constructor(
    private readonly bus: MessageBus,
    private readonly options: ServeOptions = {},
  ) {
    super();
  }

  listen(callback: (error?: unknown) => void): void {
    for (const [pattern, handler] of this.messageHandlers) {
      const contract = contracts.get(pattern);
      if (contract === undefined) {
        callback(new Error(`no contract is registered for the pattern ${pattern}`));
        return;
      }
      const answer = async (request: unknown): Promise<unknown> => {
        const result: unknown = await handler(request, {});
        return isObservable(result) ? lastValueFrom(result, { defaultValue: null }) : result;
      };
      this.subscriptions.push(this.bus.serve(contract, answer, this.options));
    }
    callback();
  }

  async close(): Promise<void> {
    await Promise.all(this.subscriptions.map((subscription) => subscription.drain().catch(() => undefined)));
    this.subscriptions = [];
    await this.bus.allRead();
  }

  on(): void {
    // The strategy has no events of its own; connection status is the connection's.
  }

  unwrap<T>(): T {
    return this.bus.connection as NatsConnection as T;
  }
}

const contracts = new Map<string, RequestContract<unknown, unknown>>();

/** Hands errors on as they are: Nest's own filter would make "Internal server error" of every code of our table. */
@Catch()
class PassOn implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}

/** Marks the controller method that answers a contract. What it throws is answered by {@link MessageBus.serve}. */
export function ContractHandler<Request, Reply>(contract: RequestContract<Request, Reply>): MethodDecorator {
  contracts.set(contract.subject, contract as RequestContract<unknown, unknown>);
  return applyDecorators(MessagePattern(contract.subject), UseFilters(new PassOn()));
}
