import { oneRow, rows } from '@drover/database';
import { sleep } from '@drover/kernel';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Hints } from '../observability/hints.js';
import { StoreLog } from '../observability/store-log.js';
import { ANY_WAITING, WAKE_OLDEST_WAITING } from '../sql/presence.sql.js';

const EVERY_MILLIS = 1_000;
/** While nothing waits and nothing is committed; only a commit lets a process wait, and the hint that tells of it is safe to lose. */
const IDLE_MILLIS = 5_000;

/** Once a second, one waiting event per absent handler is tried again. The rest wait until that one is heard. */
@Injectable()
export class PresenceJob {
  private committed = false;
  private idle = new AbortController();

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly hints: Hints,
    private readonly log: StoreLog,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
    const hint = (): void => this.hint();
    const deaf = this.hints.onFeed(hint);
    signal.addEventListener('abort', hint, { once: true });
    try {
      while (!signal.aborted) {
        this.committed = false;
        const waits = await this.once();
        const isQuiet = !waits && !this.committed && !(await this.commitWithin(IDLE_MILLIS));
        if (!isQuiet) await sleep(EVERY_MILLIS, signal);
      }
    } finally {
      deaf();
    }
  }

  /** @returns may anything wait? */
  private async once(): Promise<boolean> {
    try {
      if ((await oneRow(this.dataSource, ANY_WAITING)) === undefined) return false;
      const woken = await rows(this.dataSource, WAKE_OLDEST_WAITING);
      if (woken.length > 0) this.hints.due();
    } catch (error) {
      this.log.warn({ error }, 'waiting processes were not woken; the next second tries again');
    }
    return true;
  }

  /** Waits for a commit. @returns was there one? */
  private async commitWithin(millis: number): Promise<boolean> {
    this.idle = new AbortController();
    await sleep(millis, this.idle.signal);
    return this.committed;
  }

  private hint(): void {
    this.committed = true;
    this.idle.abort();
  }
}
