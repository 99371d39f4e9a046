import { oneRow, rows } from '@drover/database';
import { monotonicMillis, sleep, uuidv7 } from '@drover/kernel';
import type { DataSource } from 'typeorm';
import { READ_LEASE, RELEASE_LEASE, TAKE_LEASE } from '../sql/leases.sql.js';

/** Database time a lease lasts; a replica that dies is replaced after this, milliseconds. */
const LEASE_MILLIS = 5_000;
const RENEW_EVERY_MILLIS = 1_500;
/** By our own clock, leadership ends this long after the renewal was sent: before the database lets another one have it. */
const TRUST_MILLIS = 4_000;

/** What the leading replica runs. It must end soon after `signal` aborts. */
export type LeaderJob = (term: { epoch: number; signal: AbortSignal }) => Promise<void>;

/** Keeps one replica at a time running the background jobs. A paused leader stops by its own clock; the epoch fences what slips through. */
export class Leader {
  private readonly holder = uuidv7();
  private readonly stopping = new AbortController();
  private term: { abort: AbortController; running: Promise<unknown>; until: number } | null = null;
  private loop: Promise<void> | null = null;

  constructor(
    private readonly dataSource: DataSource,
    private readonly job: string,
    private readonly jobs: LeaderJob[],
    private readonly on: { change?: (leading: boolean) => void; error?: (error: unknown) => void } = {},
  ) {}

  get leading(): boolean {
    return this.term !== null;
  }

  start(): void {
    this.loop ??= this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
    await this.endTerm();
    await rows(this.dataSource, RELEASE_LEASE, [this.job, this.holder]).catch(() => undefined);
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const sent = monotonicMillis();
      try {
        const epoch = await this.take();
        if (epoch === null) await this.endTerm();
        else if (this.term === null) this.beginTerm(epoch, sent + TRUST_MILLIS);
        else this.term.until = sent + TRUST_MILLIS;
      } catch (error) {
        this.on.error?.(error);
        if (this.term !== null && monotonicMillis() > this.term.until) await this.endTerm();
      }
      await sleep(RENEW_EVERY_MILLIS, signal);
    }
  }

  private async take(): Promise<number | null> {
    if (this.term === null && (await oneRow(this.dataSource, READ_LEASE, [this.job, this.holder])) !== undefined)
      return null;
    const taken = await oneRow<{ epoch: number }>(this.dataSource, TAKE_LEASE, [this.job, this.holder, LEASE_MILLIS]);
    return taken?.epoch ?? null;
  }

  private beginTerm(epoch: number, until: number): void {
    const abort = new AbortController();
    const work = this.jobs.map((job) =>
      job({ epoch, signal: abort.signal }).catch((error: unknown) => this.on.error?.(error)),
    );
    this.term = { abort, running: Promise.all(work), until };
    this.on.change?.(true);
  }

  private async endTerm(): Promise<void> {
    const term = this.term;
    if (term === null) return;
    this.term = null;
    term.abort.abort();
    this.on.change?.(false);
    await term.running;
  }
}
