import type { WorkRow } from '@drover/contracts';
import { isOutDurably } from '@drover/process-model';
import type { SimEngine } from './sim-engine.js';

const READ_MILLIS = 3_000;
const POLL_MILLIS = 1_000;
const CLAIM_LIMIT = 200;
const CLAIM_LEASE_MILLIS = 5_000;

/** Takes processes whose wake-up has come (apps/process-engine/src/due-work). */
export class DueWorkLoop {
  private resting = false;
  private hinted = false;
  private claims = 0;
  /** processes whose durable event the broker is being asked about */
  private readonly asking = new Set<number>();

  constructor(private readonly engine: SimEngine) {}

  /** Work has fallen due, or will soon. */
  hurry(): void {
    if (this.resting) this.claim();
    else this.hinted = true;
  }

  /** A process falls due in so many milliseconds. */
  expect(millis: number | 'deadline' | 'keep' | null): void {
    if (typeof millis === 'number' && millis < POLL_MILLIS) this.engine.link.later(millis, () => this.hurry());
  }

  claim(): void {
    const { link } = this.engine;
    if (link.mutant === 'recovery-at-boot' && this.claims > 0) return;
    this.resting = false;
    this.hinted = false;
    this.claims++;
    link.request(
      READ_MILLIS,
      () => link.store.dueWork.claim(CLAIM_LIMIT, CLAIM_LEASE_MILLIS),
      (claimed) => {
        if (claimed === null) return this.rest(POLL_MILLIS);
        const { work, nextInMillis } = claimed;
        if (work.length === 0) return this.rest(Math.max(10, Math.min(POLL_MILLIS, nextInMillis ?? POLL_MILLIS)));
        let open = 1;
        const settle = (): void => {
          if (--open === 0) this.claim();
        };
        for (const known of work) {
          // The broker is asked first, which may take as long as it likes: nobody else waits for it.
          if (isOutDurably(known.process)) this.lookAndWake(known);
          else {
            open++;
            this.wake(known, settle);
          }
        }
        settle();
      },
    );
  }

  private rest(millis: number): void {
    if (this.hinted) return this.claim();
    this.resting = true;
    const { claims } = this;
    this.engine.link.later(millis, () => {
      // Unless a hint was faster.
      if (this.resting && claims === this.claims) this.claim();
    });
  }

  private wake(known: WorkRow, worked: () => void): void {
    this.engine.handle({ processId: known.process.id, input: { kind: 'wake' }, known, worked });
  }

  private lookAndWake(known: WorkRow): void {
    const { id } = known.process;
    if (this.asking.has(id)) return;
    this.asking.add(id);
    this.engine.durable.look(known, (delivery) => {
      const input = delivery === null ? ({ kind: 'wake' } as const) : ({ kind: 'wake', delivery } as const);
      const worked = (): void => void this.asking.delete(id);
      this.engine.handle({ processId: id, input, known, worked });
    });
  }
}
