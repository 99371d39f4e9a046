import { SUBJECTS } from '@drover/contracts';
import { MessageBus } from '@drover/messaging';
import { Injectable } from '@nestjs/common';
import type { Subscription } from 'nats';

const GATES_FOLD_MILLIS = 500;

/** Messages that only shorten a poll. Safe to lose. */
@Injectable()
export class Hints {
  private readonly feedListeners = new Set<() => void>();
  private feedHints: Subscription | null = null;
  private feedHintDue = false;
  private gatesHintDue = false;

  constructor(private readonly bus: MessageBus) {}

  due(): void {
    this.bus.hint(SUBJECTS.hint.due);
  }

  registry(): void {
    this.bus.hint(SUBJECTS.hint.registry);
  }

  /** Something was committed. Who listens may be in this replica or in another one. Folded: one hint for all commits of 5 ms. */
  feed(): void {
    if (this.feedHintDue) return;
    this.feedHintDue = true;
    setTimeout(() => {
      this.feedHintDue = false;
      if (this.feedListeners.size > 0) this.tellOfFeed();
      else this.bus.hint(SUBJECTS.hint.feed);
    }, 5).unref();
  }

  /** Folded: two a second at most, however many ask for places. */
  gates(): void {
    if (this.gatesHintDue) return;
    this.gatesHintDue = true;
    setTimeout(() => {
      this.gatesHintDue = false;
      this.bus.hint(SUBJECTS.hint.gates);
    }, GATES_FOLD_MILLIS).unref();
  }

  /** This replica runs the background jobs: one of them is told here of its commits, and of those of others. @returns the end of it */
  onFeed(listener: () => void): () => void {
    this.feedListeners.add(listener);
    const callback = (): void => this.tellOfFeed();
    this.feedHints ??= this.bus.connection.subscribe(SUBJECTS.hint.feed, { callback });
    return () => {
      this.feedListeners.delete(listener);
      if (this.feedListeners.size > 0) return;
      this.feedHints?.unsubscribe();
      this.feedHints = null;
    };
  }

  private tellOfFeed(): void {
    for (const listener of this.feedListeners) listener();
  }
}
