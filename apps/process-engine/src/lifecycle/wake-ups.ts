import { Injectable } from '@nestjs/common';
import type { ProcessFields } from '@drover/contracts';
import { monotonicMillis } from '@drover/kernel';

/**
 * The due-work poll while nothing live has a wake-up. Shorter than any lease: what an engine commits and then leaves behind by dying is
 * seen by the others before it falls due.
 */
export const IDLE_POLL_MILLIS = 4_000;

/**
 * Tells the due-work loop when something that this engine committed falls due before the next poll: a backoff of 200 ms should not
 * take a second. One timer, for the earliest; the claim that it leads to answers when the next one is due. Safe to lose.
 */
@Injectable()
export class WakeUps {
  private timer: NodeJS.Timeout | null = null;
  private at = Infinity;
  private wake: () => void = () => undefined;

  attach(wake: () => void): void {
    this.wake = wake;
  }

  /** @param millis until the wake-up, as committed */
  expect(millis: ProcessFields['wakeMillis']): void {
    if (typeof millis !== 'number' || millis >= IDLE_POLL_MILLIS) return;
    const at = monotonicMillis() + millis;
    if (at >= this.at) return;
    if (this.timer !== null) clearTimeout(this.timer);
    this.at = at;
    this.timer = setTimeout(() => {
      this.at = Infinity;
      this.wake();
    }, millis).unref();
  }
}
