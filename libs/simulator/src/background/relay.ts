import { Horizon } from '@drover/process-model';
import type { FeedMessage, StreamEnd } from '../outside/transition-stream.js';
import type { FeedEntry } from '../store/rows.js';
import type { World } from '../world/world.js';
import type { Replica, Term } from './replica.js';

const POLL_MILLIS = 1_000;
const PACE_MILLIS = 20;
const VERIFY_MILLIS = 5_000;
const SAVE_MILLIS = 500;
const AGAIN_MILLIS = 100;
const PUBLISH_MILLIS = 5_000;

/** Where one run of the relay is. */
interface Run {
  term: Term;
  horizon: Horizon;
  end: StreamEnd;
  /** the feed's sequence of the last published row */
  published: number;
  /** up to here nothing is left to publish */
  cursor: number;
  saved: { published: number; at: number };
  verifiedAt: number;
}

/** Publishes the feed table to the stream, in order, each row once (apps/resource-store/src/relay). */
export class Relay {
  constructor(
    private readonly world: World,
    private readonly replica: Replica,
  ) {}

  /** Goes on from where the stream ends, until something fails; then again, until the term is over. */
  begin(term: Term): void {
    const { store } = this.world;
    this.later(term, this.world.travel() ?? AGAIN_MILLIS, () => {
      const place = store.feedTable.beginTerm(term.epoch);
      if (place === null) return this.again(term);
      this.broker(
        term,
        () => this.world.transitions.open(),
        (end) => {
          if (end === null) return this.again(term);
          // What the stream holds was published, whatever the table says: a crash comes between the two.
          const published = end.lastPublished ?? place;
          const { now } = this.world;
          const saved = { published: place, at: now };
          this.pass({ term, horizon: new Horizon(), end, published, cursor: published, saved, verifiedAt: now });
        },
      );
    });
  }

  private again(term: Term): void {
    this.later(term, AGAIN_MILLIS, () => this.begin(term));
  }

  private pass(run: Run): void {
    const { feedTable } = this.world.store;
    const last = feedTable.lastDrawn();
    if (last <= run.cursor) return this.rest(run, true);
    const skips = this.world.mutant === 'late-commits-skipped';
    const upTo = skips ? last : run.horizon.advance(last, feedTable.snapshot());
    if (upTo <= run.cursor) return this.rest(run, false);
    const rows = feedTable.read(run.cursor, upTo);
    if (rows.length === 0) {
      run.cursor = upTo;
      return this.rest(run, false);
    }
    this.publish(run, rows, upTo);
  }

  private publish(run: Run, rows: readonly FeedEntry[], upTo: number): void {
    const { world } = this;
    const messages = rows.map(({ id: sequence, resourceId, revision }, i) => {
      return { sequence, previousSequence: rows[i - 1]?.id ?? run.published, resourceId, revision };
    });
    this.broker(
      run.term,
      () => this.store(messages, run.end.streamSequence),
      (end) => {
        if (end === null || end === 0) return this.again(run.term);
        run.end = { ...run.end, streamSequence: end };
        run.published = messages.at(-1)!.sequence;
        run.cursor = upTo;
        run.verifiedAt = world.now;
        this.rest(run, false);
      },
    );
  }

  /** One after the other: each is stored only behind the one before it. @returns the stream's end, 0 when one was not stored */
  private store(messages: readonly FeedMessage[], end: number): number {
    const { world } = this;
    const unfenced = world.mutant === 'relay-unfenced';
    for (const [i, message] of messages.entries()) {
      // The connection breaks in between.
      if (world.random.chance(world.faults.loss / 4)) return 0;
      if (!world.transitions.publish(message, unfenced ? null : end + i)) return 0;
    }
    return end + messages.length;
  }

  /** Notes the place now and then, looks whether the stream is still there, and goes on. */
  private rest(run: Run, quiet: boolean): void {
    const { world } = this;
    const { term } = run;
    if (run.published !== run.saved.published && (quiet || world.now - run.saved.at > SAVE_MILLIS)) {
      if (!world.store.feedTable.savePublished(run.published, term.epoch)) return this.again(term);
      run.saved = { published: run.published, at: world.now };
    }
    const goOn = (): void => this.later(term, quiet ? POLL_MILLIS : PACE_MILLIS, () => this.pass(run));
    if (world.now - run.verifiedAt <= VERIFY_MILLIS) return goOn();
    this.broker(
      term,
      () => world.transitions.open(),
      (now) => {
        if (now?.streamSequence !== run.end.streamSequence) return this.again(term);
        run.verifiedAt = world.now;
        goOn();
      },
    );
  }

  private later(term: Term, millis: number, run: () => void): void {
    this.replica.later(millis, term, run);
  }

  /** Asks the broker: there may be no answer, and it may come after the term. */
  private broker<T>(term: Term, ask: () => T, answered: (answer: T | null) => void): void {
    const { world } = this;
    const there = world.travel();
    if (there === null) return this.later(term, PUBLISH_MILLIS, () => answered(null));
    const { brokerFalls } = world;
    // On its way, a message does not know that its sender's term is over; a broker that falls loses it.
    world.at(there, () => {
      const answer = world.brokerFalls !== brokerFalls ? null : ask();
      const back = world.travel();
      if (answer === null || back === null || there + back > PUBLISH_MILLIS)
        return this.later(term, PUBLISH_MILLIS, () => answered(null));
      this.later(term, back, () => answered(answer));
    });
  }
}
