import type { CommitOutcome, CommitTransition } from '@drover/contracts';
import type { Committed } from '@drover/process-model';
import type { Cause } from '../checks/cause.js';
import type { EngineLink } from './link.js';

/** Longest wait for the answer to a batch, as in the contract `commitTransitions`. */
const ANSWER_MILLIS = 5_000;

interface Waiting {
  transition: CommitTransition;
  cause: Cause;
  /** null: the planted defect that takes an unknown outcome for a failure */
  committed: (committed: Committed | null) => void;
}

/**
 * One lane of an engine's committer: gathers while a batch is in flight, never two transitions of one resource in a batch, and
 * repeats a batch whose answer did not come.
 */
export class CommitLane {
  private waiting: Waiting[] = [];
  private busy = false;

  constructor(private readonly link: EngineLink) {}

  add(waiting: Waiting): void {
    this.waiting.push(waiting);
    this.flush();
  }

  private flush(): void {
    if (this.busy || this.waiting.length === 0) return;
    const batch: Waiting[] = [];
    const rest: Waiting[] = [];
    const resources = new Set<number>();
    for (const one of this.waiting) {
      const { resourceId } = one.transition;
      if (resourceId !== null && resources.has(resourceId)) rest.push(one);
      else {
        if (resourceId !== null) resources.add(resourceId);
        batch.push(one);
      }
    }
    this.waiting = rest;
    this.busy = true;
    this.send(batch, false);
  }

  private send(batch: Waiting[], repeated: boolean): void {
    const { link } = this;
    link.request<CommitOutcome[]>(
      ANSWER_MILLIS,
      () => link.commitBatch(batch),
      (outcomes) => {
        if (outcomes === null && link.mutant !== 'unknown-is-failed') {
          link.later(link.random.int(1, 100), () => this.send(batch, true));
          return;
        }
        this.busy = false;
        batch.forEach(({ committed }, i) => committed(outcomes === null ? null : { outcome: outcomes[i]!, repeated }));
        this.flush();
      },
    );
  }
}
