import { sleep } from '@drover/kernel';
import type { NatsConnection } from 'nats';

/** Streams and consumers are looked at this often, whatever the connection says. */
const VERIFY_MILLIS = 5_000;

/** What to do about streams and consumers, besides what their users ask for. */
export interface UpkeepTasks {
  /** every few seconds: what a hand or another program changed or deleted is brought back */
  verify(): void;
  /** the broker was away: what was published meanwhile is lost, and what it held may be */
  reconnected(): void;
}

/**
 * All work on some streams and their consumers, one piece after the other: two at once would make, delete and read them under each
 * other's hands. A piece that fails is told and dropped: the next look repeats it.
 */
export class Upkeep {
  private readonly stopped = new AbortController();
  private order: Promise<void> = Promise.resolve();

  /** @param failed told of a piece that failed; not of one that the end cut short */
  constructor(
    private readonly failed: (error: unknown) => void,
    private readonly everyMillis: number = VERIFY_MILLIS,
  ) {}

  /** Aborted by {@link stop}: what waits gives up. */
  get signal(): AbortSignal {
    return this.stopped.signal;
  }

  start(connection: Pick<NatsConnection, 'status'>, tasks: UpkeepTasks): void {
    void this.verify(tasks);
    void this.watch(connection, tasks);
  }

  /** Runs one piece of work after those before it; none once it is stopped. */
  inOrder(work: () => Promise<void>): void {
    this.order = this.order
      .then(() => (this.signal.aborted ? undefined : work()))
      .catch((error: unknown) => {
        if (!this.signal.aborted) this.failed(error);
      });
  }

  /** @returns when the piece under way has ended */
  async stop(): Promise<void> {
    this.stopped.abort();
    await this.order;
  }

  private async verify(tasks: UpkeepTasks): Promise<void> {
    while (!this.signal.aborted) {
      await sleep(this.everyMillis, this.signal);
      if (!this.signal.aborted) tasks.verify();
    }
  }

  private async watch(connection: Pick<NatsConnection, 'status'>, tasks: UpkeepTasks): Promise<void> {
    for await (const status of connection.status()) if (status.type === 'reconnect') tasks.reconnected();
  }
}
