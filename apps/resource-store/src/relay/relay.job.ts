import { oneRow, PinnedConnection, type Run } from '@drover/database';
import { callBackoffMillis, monotonicMillis, sleep } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import { Horizon, type Snapshot } from '@drover/process-model';
import { Inject, Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Hints } from '../observability/hints.js';
import { StoreLog } from '../observability/store-log.js';
import { StoreMetrics } from '../observability/store-metrics.js';
import { SETTINGS, type StoreSettings } from '../settings.js';
import {
  BEGIN_RELAY_TERM,
  READ_RELAY,
  RELAY_LAST,
  RELAY_SAVE,
  RELAY_SNAPSHOT,
  RELAY_WRITERS,
} from '../sql/feed.sql.js';
import { FeedReader } from './feed-reader.js';
import { TransitionStream } from './transition-stream.js';

/** Without a hint the table is looked at this often. */
const POLL_MILLIS = 2_000;
/** Between two passes. */
const PACE_MILLIS = 40;
/**
 * Between two passes under load, and that is a pass of so many rows: fewer, larger reads. A pass costs four queries however many rows it
 * finds; at 20 ms throughout they were a tenth of the store's time (2026-11-22, 2 cores).
 */
const LOADED_PACE_MILLIS = 80;
const LOADED_ROWS = 50;
/** The stream is looked at this often even when all is quiet: a broker may have lost it. */
const VERIFY_MILLIS = 5_000;
/** The place is written this often under load: a crash in between costs nothing, since the stream itself says what was published. */
const SAVE_MILLIS = 500;
/** Else when nothing has come for so long: a commit for each pass would be as many as those that it relays. */
const REST_MILLIS = 50;
/** A commit of ours takes milliseconds. When snapshots have waited for one transaction so long, it is probably not of the feed at all. */
const HELD_MILLIS = 250;
/** Small enough that one pass's resources fit into memory, whatever their data. */
const ROWS_PER_PASS = 500;

/**
 * Publishes the feed table to the stream, in order, each row once. One replica at a time by lease; the stream's own sequence fences a
 * second one that does not know yet that it was replaced.
 */
@Injectable()
export class RelayJob {
  private wake: (() => void) | null = null;
  private hinted = false;

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    @Inject(SETTINGS) private readonly settings: StoreSettings,
    private readonly feed: FeedReader,
    private readonly bus: MessageBus,
    private readonly hints: Hints,
    private readonly metrics: StoreMetrics,
    private readonly log: StoreLog,
  ) {}

  async run(term: { epoch: number; signal: AbortSignal }): Promise<void> {
    const hint = (): void => this.hint();
    const deaf = this.hints.onFeed(hint);
    term.signal.addEventListener('abort', hint, { once: true });
    try {
      for (let failures = 0; !term.signal.aborted; failures++) {
        const began = monotonicMillis();
        // Of one pass there are several statements and dozens of passes a second: each is planned once, on a connection of their own.
        const connection = new PinnedConnection(this.dataSource);
        try {
          await this.relay(term, (statement, values) => connection.run(statement, values));
        } catch (error) {
          if (term.signal.aborted) return;
          this.metrics.relayFailures.inc();
          this.log.warn({ error }, 'the feed was not relayed; starting again from the end of the stream');
        } finally {
          connection.close();
        }
        if (monotonicMillis() - began > 10_000) failures = 0;
        await sleep(callBackoffMillis(failures, Math.random()), term.signal);
      }
    } finally {
      deaf();
    }
  }

  /** Goes on from where the stream ends, until something fails. */
  private async relay({ epoch, signal }: { epoch: number; signal: AbortSignal }, run: Run): Promise<void> {
    const stream = new TransitionStream(this.bus.connection, this.settings, this.log);
    const place = await oneRow<{ published: number }>(this.dataSource, BEGIN_RELAY_TERM, [epoch]);
    if (place === undefined) throw new Error('a newer relay is at work');
    let end = await stream.open();
    if ((end.lastPublished ?? 0) > (await lastDrawn(run))) {
      // A fresh or restored database behind an old broker. The table is the truth; readers of the stream start anew.
      this.log.error({ end }, 'the stream holds events that this database never had; it is emptied');
      end = await stream.purge();
    }
    // What the stream holds was published, whatever the table says: a crash comes between the two. What it lost at its end comes again.
    let published = end.lastPublished ?? place.published;
    let cursor = published;
    let saved = { published: place.published, at: monotonicMillis() };
    let verified = monotonicMillis();
    const final = new FinalRows(run);
    let rested = false;

    while (!signal.aborted) {
      const last = await lastDrawn(run);
      let more = false;
      let found = 0;
      if (last > cursor) {
        const upTo = await final.upTo(last);
        if (upTo > cursor) {
          const rows = await this.feed.rows(cursor, upTo, ROWS_PER_PASS, run);
          found = rows.length;
          if (rows.length > 0) {
            const events = await this.feed.events(rows, published, run);
            if (signal.aborted) return;
            end = { ...end, streamSequence: await stream.publish(events, end.streamSequence) };
            published = rows.at(-1)!.id;
            this.metrics.relayed.inc(rows.length);
            this.metrics.relayLagSeconds.set(Math.max(0, (Date.now() - rows.at(-1)!.time) / 1000));
            verified = monotonicMillis();
          }
          more = rows.length === ROWS_PER_PASS;
          cursor = more ? published : upTo;
        }
      }
      this.metrics.relayWaiting.set(Math.max(0, last - cursor));
      const quiet = last <= cursor;
      if (published !== saved.published && (rested || monotonicMillis() - saved.at > SAVE_MILLIS)) {
        await this.save(published, epoch, run);
        saved = { published, at: monotonicMillis() };
      }
      if (monotonicMillis() - verified > VERIFY_MILLIS) {
        const now = await stream.open();
        if (now.streamSequence !== end.streamSequence) throw new Error('the stream is not as it was left');
        verified = monotonicMillis();
      }
      rested = false;
      if (more) continue;
      if (found >= LOADED_ROWS) await sleep(LOADED_PACE_MILLIS, signal);
      else if (quiet) rested = !(await this.hintOrPoll(published === saved.published ? POLL_MILLIS : REST_MILLIS));
      // What is not final belongs to a transaction that still runs, for milliseconds.
      else await sleep(PACE_MILLIS, signal);
    }
    if (published !== saved.published) await this.save(published, epoch, run);
  }

  private async save(published: number, epoch: number, run: Run): Promise<void> {
    if ((await run(RELAY_SAVE, [published, epoch])).length > 0) return;
    const relay = await oneRow<{ epoch: number }>(this.dataSource, READ_RELAY);
    throw new Error(`a newer relay is at work (epoch ${relay?.epoch}, ours ${epoch})`);
  }

  private hint(): void {
    this.hinted = true;
    this.wake?.();
  }

  /** Waits for a hint, paced, or for the next poll. @returns true when there was a hint */
  private async hintOrPoll(pollMillis: number): Promise<boolean> {
    if (!this.hinted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pollMillis);
        const wake = (): void => {
          clearTimeout(timer);
          resolve();
        };
        this.wake = wake;
      });
      this.wake = null;
    } else await sleep(PACE_MILLIS);
    const { hinted } = this;
    this.hinted = false;
    return hinted;
  }
}

async function lastDrawn(run: Run): Promise<number> {
  return (await run<{ last: number }>(RELAY_LAST, []))[0]!.last;
}

/** Asks the database up to which number the feed is final. */
class FinalRows {
  private readonly horizon = new Horizon();
  /** what the snapshots wait for, and since when */
  private held: { by: number; since: number } | null = null;

  constructor(private readonly run: Run) {}

  /** @param last read before */
  async upTo(last: number): Promise<number> {
    const [snapshot] = await this.run<Snapshot>(RELAY_SNAPSHOT, []);
    const final = this.horizon.advance(last, snapshot!);
    if (!this.isHeld()) return final;
    const [row] = await this.run<{ writers: string[] }>(RELAY_WRITERS, []);
    return this.horizon.advancePast(last, row!.writers);
  }

  private isHeld(): boolean {
    const by = this.horizon.waitsFor;
    if (by === null) this.held = null;
    else if (this.held?.by !== by) this.held = { by, since: monotonicMillis() };
    return this.held !== null && monotonicMillis() - this.held.since > HELD_MILLIS;
  }
}
