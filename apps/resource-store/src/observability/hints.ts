import { SUBJECTS } from '@drover/contracts';
import { MessageBus } from '@drover/messaging';
import { Injectable } from '@nestjs/common';

const GATES_FOLD_MILLIS = 500;

/** Messages that only shorten a poll. Safe to lose. */
@Injectable()
export class Hints {
  private feedListener: (() => void) | null = null;
  private feedHintDue = false;
  private gatesHintDue = false;

  constructor(private readonly bus: MessageBus) {}

  due(): void {
    this.bus.hint(SUBJECTS.hint.due);
  }

  registry(): void {
    this.bus.hint(SUBJECTS.hint.registry);
  }

  /** The relay may run in this replica or in another one. Folded: one hint for all commits of 5 ms. */
  feed(): void {
    if (this.feedHintDue) return;
    this.feedHintDue = true;
    setTimeout(() => {
      this.feedHintDue = false;
      if (this.feedListener !== null) this.feedListener();
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

  /** This replica relays the feed itself, or does not any longer (null). */
  onFeed(listener: (() => void) | null): void {
    this.feedListener = listener;
  }
}
