import { Injectable } from '@nestjs/common';
import { type CommitTransition, commitTransitions, type EncodedTransition, encodeTransition } from '@drover/contracts';
import { Batcher, callBackoffMillis, DroverError, sleep } from '@drover/kernel';
import { MessageBus } from '@drover/messaging';
import type { Committed } from '@drover/process-model';
import { DatabaseClock } from '../lifecycle/database-clock.js';

/**
 * The store works on one batch of a lane at a time. While batches are small, the next one is already there when it is done (64 in flight: a tenth
 * more processes a second); large ones are better gathered here (2026-11-24, 2 cores; docs/adr/003-group-commit.md).
 */
const OVERLAP = 40;

/**
 * The road from the engine to the database: gathers transitions while the previous batch is in flight, one lane for starts and one for
 * steps (one mixed lane was slower), and repeats a batch whose answer did not come: a time-out means unknown, never failed.
 */
@Injectable()
export class Committer {
  private readonly starts = this.lane();
  private readonly steps = this.lane();

  constructor(
    private readonly bus: MessageBus,
    private readonly clock: DatabaseClock,
  ) {}

  /** Transitions that wait or are in flight. */
  get outstanding(): number {
    return this.starts.outstanding + this.steps.outstanding;
  }

  commit(transition: CommitTransition): Promise<Committed> {
    const lane = transition.processId === null ? this.starts : this.steps;
    return lane.add(encodeTransition(transition));
  }

  private lane(): Batcher<EncodedTransition, Committed> {
    return new Batcher<EncodedTransition, Committed>({
      flush: (batch) => this.send(batch),
      overlap: OVERLAP,
      bytesOf: ({ row, shape }) => row.length + shape.length,
      // Two transitions of one resource in one statement: the later would see the earlier one's guard fail.
      keyOf: ({ head }) => head.resourceId ?? undefined,
    });
  }

  private async send(batch: EncodedTransition[]): Promise<Committed[]> {
    for (let failures = 0; ; failures++) {
      try {
        const { outcomes } = await this.bus.request(commitTransitions, batch);
        for (const outcome of outcomes) if (outcome.outcome === 'applied') this.clock.heard(outcome.now);
        return outcomes.map((outcome) => ({ outcome, repeated: failures > 0 }));
      } catch (error) {
        const unknown = error instanceof DroverError && (error.code === 'Unavailable' || error.code === 'Overloaded');
        if (!unknown) throw error;
        await sleep(callBackoffMillis(failures, Math.random()));
      }
    }
  }
}
