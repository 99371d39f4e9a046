import type { SimEngine } from './sim-engine.js';

const ANSWER_MILLIS = 3_000;
const ADMIT_LIMIT = 200;
const LEASE_MILLIS = 5_000;
const AGAIN_MILLIS = 20;

/** What one handler's gate is to be told and asked with the next request. */
interface Ask {
  readonly waiting: Set<number>;
  succeeded: boolean;
  failed: number;
}

/** Asks for places at handlers with limits, and tells their circuits of outcomes (apps/process-engine/src/gates/admissions.ts). */
export class Admissions {
  private readonly asks = new Map<string, Ask>();
  private readonly busy = new Set<string>();

  constructor(private readonly engine: SimEngine) {}

  /** @param processId that waits for a place, or null: one was given up */
  ask(handler: string, processId: number | null): void {
    const { mutant } = this.engine.link;
    if (mutant === 'place-never-given-on' && processId === null) return;
    const ask = this.nextAsk(handler);
    if (processId !== null) ask.waiting.add(processId);
  }

  report(handler: string, failed: boolean): void {
    if (this.engine.link.mutant === 'failures-not-told' && failed) return;
    const ask = this.nextAsk(handler);
    if (failed) ask.failed++;
    else Object.assign(ask, { succeeded: true, failed: 0 });
  }

  private nextAsk(handler: string): Ask {
    let ask = this.asks.get(handler);
    if (ask === undefined) {
      ask = { waiting: new Set(), succeeded: false, failed: 0 };
      this.asks.set(handler, ask);
      if (!this.busy.has(handler)) {
        this.busy.add(handler);
        // The other effects of the same commits come first, and go with it.
        this.engine.link.later(0, () => this.work(handler));
      }
    }
    return ask;
  }

  private work(handler: string): void {
    const ask = this.asks.get(handler);
    this.asks.delete(handler);
    if (ask === undefined) return void this.busy.delete(handler);
    this.request(handler, ask, () => this.work(handler));
  }

  private request(handler: string, { waiting, succeeded, failed }: Ask, done: () => void): void {
    const { link, registry } = this.engine;
    const bounds = registry.limitsOf(handler);
    // No limit any more: whoever waits finds out when the store's job wakes it.
    if (bounds === null) return done();
    const outcomes = { succeeded, failed };
    link.request(
      ANSWER_MILLIS,
      () => {
        const answer = link.store.gates.admit({
          handler,
          ...bounds,
          outcomes,
          limit: ADMIT_LIMIT,
          leaseMillis: LEASE_MILLIS,
        });
        link.admitted(handler, bounds.limits, answer.work);
        return answer;
      },
      (answer) => {
        // Lost: the store's job asks again.
        if (answer === null) return done();
        const again = (): void => {
          this.askAgain(handler, waiting);
          done();
        };
        if (answer.stale) return registry.refresh(again);
        for (const work of answer.work) {
          const processId = work.process.id;
          waiting.delete(processId);
          this.engine.handle({ processId, input: { kind: 'wake' }, known: work });
        }
        if (answer.more) return answer.work.length < ADMIT_LIMIT ? link.later(AGAIN_MILLIS, again) : again();
        const failures = answer.circuit === 'closed' ? null : answer.failures;
        for (const id of waiting) this.engine.background(id, { kind: 'notAdmitted', handler, failures });
        done();
      },
    );
  }

  private askAgain(handler: string, waiting: ReadonlySet<number>): void {
    const ask = this.nextAsk(handler);
    for (const id of waiting) ask.waiting.add(id);
  }
}
