import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { type ProcessEnded, type ResourceRow, SUBJECTS } from '@drover/contracts';
import { DroverError } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import type { Msg, Subscription } from 'nats';
import { GATEWAY_ID } from '../settings.js';

/** Requests that wait at once; each holds a connection open. */
const MAX_WAITING = 10_000;

/** One request that waits for the end of a process. Close it, whatever happened. */
export interface Completion {
  /** goes into the command as `notify` */
  subject: string;
  /** resolves with the resource when the process ended or parked, with null when the time is up; never rejects */
  ended(timeoutMillis: number): Promise<ResourceRow | null>;
  close(): void;
}

/** Hears the end of processes that this gateway was asked to wait for: one subscription for all of them. */
@Injectable()
export class Completions implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly waiting = new Map<string, (resource: ResourceRow | null) => void>();
  private subscription: Subscription | undefined;
  private calls = 0;
  private closing = false;

  constructor(
    private readonly bus: MessageBus,
    @Inject(GATEWAY_ID) private readonly gatewayId: string,
  ) {}

  onApplicationBootstrap(): void {
    this.subscription = this.bus.connection.subscribe(SUBJECTS.notify(this.gatewayId, '*'), {
      callback: (_error, message) => this.waiting.get(message.subject)?.(resourceIn(message)),
    });
  }

  /** Nobody waits into a shutdown: all get the present state now. */
  beforeApplicationShutdown(): void {
    this.closing = true;
    this.subscription?.unsubscribe();
    for (const end of this.waiting.values()) end(null);
  }

  /** Has a shutdown begun? Then nobody should wait any more. */
  get isClosing(): boolean {
    return this.closing;
  }

  /** Listens before the command is sent, so that a process that ends at once is not missed. */
  listen(): Completion {
    if (this.waiting.size >= MAX_WAITING) throw new DroverError('Overloaded', `${MAX_WAITING} requests wait already`);
    const subject = SUBJECTS.notify(this.gatewayId, String(++this.calls));
    const heard = new Promise<ResourceRow | null>((resolve) => this.waiting.set(subject, resolve));
    return {
      subject,
      ended: (timeoutMillis) => within(heard, this.closing ? 0 : timeoutMillis),
      close: () => this.waiting.delete(subject),
    };
  }
}

/** Null: what came is no notice of an engine. Whoever waits reads the store then. */
function resourceIn(message: Msg): ResourceRow | null {
  try {
    return message.json<Partial<ProcessEnded> | null>()?.resource ?? null;
  } catch {
    return null;
  }
}

async function within<T>(promise: Promise<T>, timeoutMillis: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<null>((resolve) => (timer = setTimeout(resolve, timeoutMillis, null)));
  const first = await Promise.race([promise, timeUp]);
  clearTimeout(timer);
  return first;
}
