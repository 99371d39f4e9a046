import type { DeliveryCheck } from '@drover/process-model';
import type { HandlerEvent } from './handlers.js';

/** After a delivery or an acknowledgement a handler counts as busy for this long. */
const MOVE_MILLIS = 1_000;

interface StoredEvent {
  sequence: number;
  handler: string;
  event: HandlerEvent;
  storedAt: number;
  /** null: not delivered, or due to be delivered again */
  deliveredAt: number | null;
}

interface Consumer {
  created: number;
  ackWaitMillis: number;
  /** highest sequence that was delivered */
  delivered: number;
  movedAt: number;
}

/** What an engine reads of the stream and of a handler's consumer. */
export interface Found extends DeliveryCheck {
  /** when the handler's consumer was made; null: it has none */
  consumer: number | null;
}

/** The stream of durable events: each waits for its handler, and is delivered again until it is acknowledged. It can lose all it has. */
export class WorkStream {
  /** 0: there is no stream */
  private created = 0;
  private lastSequence = 0;
  private readonly events = new Map<number, StoredEvent>();
  private readonly consumers = new Map<string, Consumer>();
  /** by the id of an attempt: its sequence. An id is stored once */
  private readonly ids = new Map<string, number>();

  constructor(
    private readonly now: () => number,
    /** does the handler ask for events now? */
    private readonly asks: (handler: string) => boolean,
    /** an event may be there for this handler */
    private readonly offer: (handler: string) => void,
  ) {}

  /** @returns when the stream was made, now if it was not there */
  ensure(): number {
    if (this.created === 0) this.created = this.now();
    return this.created;
  }

  /** @returns consumers of nobody */
  ensureConsumers(handlers: ReadonlyMap<string, number>): string[] | undefined {
    if (this.created === 0) return undefined;
    for (const [name, ackWaitMillis] of handlers) {
      const consumer = this.consumers.get(name);
      if (consumer !== undefined) consumer.ackWaitMillis = ackWaitMillis;
      else {
        this.consumers.set(name, { created: this.now(), ackWaitMillis, delivered: 0, movedAt: 0 });
        this.offer(name);
      }
    }
    return [...this.consumers.keys()].filter((name) => !handlers.has(name));
  }

  removeConsumer(handler: string): boolean {
    return this.consumers.delete(handler);
  }

  /** @returns its sequence, of the first time; undefined: there is no stream */
  publish(handler: string, id: string, event: HandlerEvent): number | undefined {
    if (this.created === 0) return undefined;
    const known = this.ids.get(id);
    if (known !== undefined) return known;
    const sequence = ++this.lastSequence;
    this.events.set(sequence, { sequence, handler, event, storedAt: this.now(), deliveredAt: null });
    this.ids.set(id, sequence);
    this.offer(handler);
    return sequence;
  }

  look(handler: string, sequence: number): Found {
    const consumer = this.consumers.get(handler);
    const stored = this.events.get(sequence);
    const touched = consumer !== undefined && sequence <= consumer.delivered;
    const event = touched ? (stored === undefined ? 'acknowledged' : 'unacknowledged') : 'undelivered';
    if (consumer === undefined) return { event, handler: 'absent', consumer: null };
    const busy = this.now() - consumer.movedAt < MOVE_MILLIS;
    const state = this.asks(handler) ? 'asks' : busy ? 'busy' : 'absent';
    return { event, handler: state, consumer: consumer.created };
  }

  /** Takes an event out. @returns true when nobody had taken it, and nobody will; false when it was taken, or may have been */
  withdraw(handler: string, sequence: number): boolean {
    const stored = this.events.get(sequence);
    if (stored === undefined) return false;
    this.events.delete(sequence);
    const consumer = this.consumers.get(handler);
    // A consumer made later knows nothing of what an earlier one delivered.
    return consumer !== undefined && sequence > consumer.delivered && consumer.created < stored.storedAt;
  }

  /** The oldest event that waits for the handler. */
  pull(handler: string): { sequence: number; stream: number; event: HandlerEvent } | null {
    const consumer = this.consumers.get(handler);
    if (consumer === undefined) return null;
    for (const stored of this.events.values()) {
      if (stored.handler !== handler || stored.deliveredAt !== null) continue;
      stored.deliveredAt = this.now();
      consumer.delivered = Math.max(consumer.delivered, stored.sequence);
      consumer.movedAt = this.now();
      return { sequence: stored.sequence, stream: this.created, event: stored.event };
    }
    return null;
  }

  acknowledge(handler: string, sequence: number, stream: number): void {
    if (stream !== this.created) return;
    this.events.delete(sequence);
    const consumer = this.consumers.get(handler);
    if (consumer !== undefined) consumer.movedAt = this.now();
  }

  /** Delivers again what was not acknowledged in time. */
  redeliver(): void {
    for (const stored of this.events.values()) {
      const { handler, deliveredAt } = stored;
      const wait = this.consumers.get(handler)?.ackWaitMillis ?? Infinity;
      if (deliveredAt === null || deliveredAt > this.now() - wait) continue;
      stored.deliveredAt = null;
      this.offer(handler);
    }
  }

  /** Is the event of an attempt in the stream, and was never delivered? */
  waits(id: string): boolean {
    const sequence = this.ids.get(id);
    const stored = sequence === undefined ? undefined : this.events.get(sequence);
    return stored !== undefined && sequence! > (this.consumers.get(stored.handler)?.delivered ?? 0);
  }

  wipe(): void {
    this.created = 0;
    this.lastSequence = 0;
    this.events.clear();
    this.consumers.clear();
    this.ids.clear();
  }
}
