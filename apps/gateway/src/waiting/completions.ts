import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { type ProcessEnded, type ResourceRow, SUBJECTS } from '@drover/contracts';
import { DroverError, monotonicMillis } from '@drover/kernel';
import { Expected, MessageBus } from '@drover/messaging';
import type { Msg, Subscription } from 'nats';
import { GATEWAY_ID } from '../settings.js';

/** Requests that wait at once; each holds a connection open. */
const MAX_WAITING = 10_000;

/** One request that waits for the end of a process. Close it, whatever happened. */
export interface Completion {
  /** goes into the command as `notify` */
  readonly subject: string;
  /** resolves with the resource when the process ended or parked, with null when the time is up; never rejects */
  ended(timeoutMillis: number): Promise<ResourceRow | null>;
  close(): void;
}

/** Hears the end of processes that this gateway was asked to wait for: one subscription for all of them. */
@Injectable()
export class Completions implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly waiting = new Expected<Waiting>((waiting) => waiting.timeUp());
  private subscription: Subscription | undefined;
  private calls = 0;
  private closing = false;

  constructor(
    private readonly bus: MessageBus,
    @Inject(GATEWAY_ID) private readonly gatewayId: string,
  ) {}

  onApplicationBootstrap(): void {
    this.subscription = this.bus.connection.subscribe(SUBJECTS.notify(this.gatewayId, '*'), {
      callback: (_error, message) => this.waiting.take(message.subject)?.hear(resourceIn(message)),
    });
  }

  /** Nobody waits into a shutdown: all get the present state now. */
  beforeApplicationShutdown(): void {
    this.closing = true;
    this.subscription?.unsubscribe();
    for (const waiting of this.waiting.takeAll()) waiting.hear(null);
  }

  /** Has a shutdown begun? Then nobody should wait any more. */
  get isClosing(): boolean {
    return this.closing;
  }

  /** Listens before the command is sent, so that a process that ends at once is not missed. */
  listen(): Completion {
    if (this.waiting.size >= MAX_WAITING) throw new DroverError('Overloaded', `${MAX_WAITING} requests wait already`);
    const waiting = new Waiting(SUBJECTS.notify(this.gatewayId, String(++this.calls)), this.waiting);
    if (this.closing) waiting.hear(null);
    else this.waiting.add(waiting.subject, waiting);
    return waiting;
  }
}

class Waiting implements Completion {
  due = Infinity;
  private heard: ResourceRow | null | undefined;
  private resolve: ((resource: ResourceRow | null) => void) | undefined;

  constructor(
    readonly subject: string,
    private readonly waiting: Expected<Waiting>,
  ) {}

  ended(timeoutMillis: number): Promise<ResourceRow | null> {
    return new Promise((resolve) => {
      if (this.heard !== undefined) return resolve(this.heard);
      this.resolve = resolve;
      this.due = monotonicMillis() + timeoutMillis;
      this.waiting.add(this.subject, this);
    });
  }

  close(): void {
    this.waiting.take(this.subject);
  }

  /** Told once, for ever. */
  hear(resource: ResourceRow | null): void {
    this.heard = resource;
    this.resolve?.(resource);
  }

  /** Of one wait; the next one may hear more. */
  timeUp(): void {
    this.due = Infinity;
    this.waiting.add(this.subject, this);
    this.resolve?.(null);
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
