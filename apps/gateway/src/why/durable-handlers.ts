import { Injectable } from '@nestjs/common';
import { handlerConsumer, STREAMS, SUBJECTS } from '@drover/contracts';
import { sleep } from '@drover/kernel';
import { consumerLastActive, consumerMoved, MessageBus, readConsumer } from '@drover/messaging';
import { Log } from '../log.js';
import { Listeners, type Listening } from './listeners.js';

/** What the broker tells of a handler with durable delivery, at one moment. */
export interface DurableHandler {
  /** does a program take its events? `unknown`: it has some in hand, and shows no other sign of life */
  listening: Listening;
  /** requests for events that its programs have out */
  waitingPulls: number;
  /** events that nobody has taken yet */
  pending: number;
  /** events that were taken and not acknowledged */
  unacknowledged: number;
  /** the last delivery or acknowledgement, epoch milliseconds of the broker's clock; null: there was none */
  lastActive: number | null;
}

type ConsumerInfo = NonNullable<Awaited<ReturnType<typeof readConsumer>>>;

/** Longest wait for one answer of the broker, milliseconds. */
const ANSWER_MILLIS = 300;
/** A handler that asks for nothing is looked at again after this long: it may be busy, or between two requests. */
const AGAIN_MILLIS = 150;

/** Asks the broker about the consumers of handlers with durable delivery. Nothing reaches the handlers themselves. */
@Injectable()
export class DurableHandlers {
  constructor(
    private readonly bus: MessageBus,
    private readonly listeners: Listeners,
    private readonly log: Log,
  ) {}

  /** @returns null: the broker did not answer */
  async read(handler: string): Promise<DurableHandler | null> {
    try {
      const first = await this.look(handler);
      if (first === null) return NO_CONSUMER;
      if (first.num_waiting > 0) return told(first, 'yes');
      // Not asking is no sign of absence: whoever works on all it may have in hand asks for no more. The kits listen for cancels.
      const [now, hearsCancels] = await Promise.all([
        this.lookAgain(handler),
        this.listeners.on(SUBJECTS.cancel(handler)),
      ]);
      return now === null ? NO_CONSUMER : told(now, listeningOf(first, now, hearsCancels));
    } catch (error) {
      this.log.debug({ err: error, handler }, 'the broker does not tell about a durable handler');
      return null;
    }
  }

  private look(handler: string): Promise<ConsumerInfo | null> {
    return readConsumer(this.bus.connection, STREAMS.work, handlerConsumer(handler), ANSWER_MILLIS);
  }

  private async lookAgain(handler: string): Promise<ConsumerInfo | null> {
    await sleep(AGAIN_MILLIS);
    return this.look(handler);
  }
}

/** No engine has made it yet, or none does: nobody can take events from it. */
const NO_CONSUMER: DurableHandler = {
  listening: 'no',
  waitingPulls: 0,
  pending: 0,
  unacknowledged: 0,
  lastActive: null,
};

function listeningOf(first: ConsumerInfo, now: ConsumerInfo, hearsCancels: Listening): Listening {
  if (now.num_waiting > 0 || consumerMoved(first, now)) return 'yes';
  if (now.num_ack_pending === 0) return 'no';
  if (hearsCancels === 'yes') return 'yes';
  const silentMillis = Date.parse(now.ts ?? new Date().toISOString()) - (consumerLastActive(now) ?? 0);
  // What it has in hand would be given to somebody else by now.
  return silentMillis > (now.config.ack_wait ?? 0) / 1e6 ? 'no' : 'unknown';
}

function told(info: ConsumerInfo, listening: Listening): DurableHandler {
  return {
    listening,
    waitingPulls: info.num_waiting,
    pending: info.num_pending,
    unacknowledged: info.num_ack_pending,
    lastActive: consumerLastActive(info),
  };
}
