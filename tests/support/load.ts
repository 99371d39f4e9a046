import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CommandReply, createResource, type RequestContract, startProcess } from '@drover/contracts';
import { DroverError } from '@drover/kernel';
import pg from 'pg';
import type { Cluster } from './cluster.js';

/** The type of examples/definitions that the load goes through create and start with. */
const TYPE = 'instance';

/** Asked again after this long without an answer. */
const ANSWER_MILLIS = 1_500;

export interface Accepted {
  resourceId: number;
  processId: number;
}

/**
 * Instances that go from create to running, a fixed number of them at once: whoever is done is followed by the next. Commands are
 * repeated with their id until they are answered, as a client with an Idempotency-Key does.
 */
export class Load {
  /** processes that were accepted, in order */
  readonly accepted: Accepted[] = [];
  private readonly waiting = new Map<number, () => void>();
  private readonly workers: Promise<void>[];
  private readonly watching: Promise<void>;
  private more = true;
  private open = true;
  /** what a worker could not do */
  readonly failures: unknown[] = [];

  constructor(
    private readonly cluster: Cluster,
    readonly database: pg.Pool,
    inFlight: number,
  ) {
    this.workers = Array.from({ length: inFlight }, () => this.worker());
    this.watching = this.watch();
  }

  static start(cluster: Cluster, inFlight: number): Load {
    const database = new pg.Pool({ connectionString: cluster.stack.databaseUrl, max: 3 });
    // The server may be killed under an idle connection.
    database.on('error', () => {});
    return new Load(cluster, database, inFlight);
  }

  /** Accepted processes that have not ended. */
  get inFlight(): number {
    return this.waiting.size;
  }

  /** No instance follows any more; resolves when all that were accepted have ended. */
  async finish(timeoutMillis: number): Promise<void> {
    this.more = false;
    const all = Promise.all(this.workers);
    const late = sleep(timeoutMillis, 'late', { ref: false });
    if ((await Promise.race([all, late])) === 'late') {
      const { rows } = await this.database.query(
        `select id, name, status, slot, dispatch, resend, deadline - now() as deadline, next_wake_at - now() as wake
           from process_live order by id limit 20`,
      );
      throw new Error(`${this.inFlight} processes did not end within ${timeoutMillis} ms: ${JSON.stringify(rows)}`);
    }
    if (this.failures.length > 0) throw new AggregateError(this.failures, `${this.failures.length} commands failed`);
  }

  async close(): Promise<void> {
    this.more = false;
    this.open = false;
    await this.watching;
    await this.database.end();
  }

  private async worker(): Promise<void> {
    try {
      while (this.more) await this.one();
    } catch (error) {
      this.failures.push(error);
    }
  }

  private async one(): Promise<void> {
    const command = () => ({ commandId: randomUUID(), commandHash: null, notify: null });
    const body = { imageUuid: 'docker:nginx' };
    const created = await this.accept(createResource, { ...command(), type: TYPE, body, accountId: null });
    await this.ended(created.processId!);
    const { rows } = await this.retried(() =>
      this.database.query<{ state: string }>('select state from resource where id = $1', [created.resource.id]),
    );
    if (rows[0]!.state === 'running') return;
    const start = { ...command(), process: `${TYPE}.start`, resourceId: created.resource.id, data: {} };
    await this.ended((await this.accept(startProcess, start)).processId!);
  }

  /** Sends until answered: no answer means unknown, and the command's id makes the repeat harmless. */
  private async accept<Request>(contract: RequestContract<Request, CommandReply>, request: Request) {
    const reply = await this.retried(() => this.cluster.bus.request(contract, request, ANSWER_MILLIS));
    this.accepted.push({ resourceId: reply.resource.id, processId: reply.processId! });
    return reply;
  }

  private async retried<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (error instanceof DroverError && !error.retryable) throw error;
        if (!this.open) throw error;
        await sleep(100 + Math.random() * 200);
      }
    }
  }

  private ended(processId: number): Promise<void> {
    return new Promise((resolve) => this.waiting.set(processId, resolve));
  }

  /** Asks the database for all at once: nothing that a killed service might lose is relied on. */
  private async watch(): Promise<void> {
    while (this.open) {
      await sleep(100);
      if (this.waiting.size === 0) continue;
      const asked = [...this.waiting.keys()];
      const ended = await this.database
        .query<{ id: string }>('select id from process_finished where id = any ($1)', [asked])
        .catch(() => ({ rows: [] }));
      for (const { id } of ended.rows) {
        this.waiting.get(Number(id))!();
        this.waiting.delete(Number(id));
      }
    }
  }
}
