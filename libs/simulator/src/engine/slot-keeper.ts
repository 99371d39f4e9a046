import { SlotLeases } from '@drover/process-model';
import type { EngineLink } from './link.js';

const ANSWER_MILLIS = 2_000;
const RENEW_MILLIS = 1_500;
const RETRY_MILLIS = 100;

/** Told when a slot comes or goes. */
export interface SlotListener {
  gained(slot: number, epoch: number, lapsed: boolean): void;
  lost(slot: number): void;
}

/** Renews the leases of an engine's reply slots (apps/process-engine/src/replies/reply-slots.ts). */
export class SlotKeeper {
  private readonly leases = new SlotLeases();
  private waiting: (() => void)[] = [];

  constructor(
    private readonly engine: string,
    private readonly link: EngineLink,
  ) {}

  start(listener: SlotListener): void {
    const { link, leases } = this;
    const sentAt = link.monotonic();
    const request = leases.request(sentAt);
    link.request(
      ANSWER_MILLIS,
      () => link.store.slotLeases.lease(this.engine, request),
      (answer) => {
        if (answer !== null) {
          const { gained, lost } = leases.answered(sentAt, answer.slots, answer.liveProcesses);
          for (const slot of lost) listener.lost(slot);
          for (const { slot, epoch, lapsed } of gained) listener.gained(slot, epoch, lapsed);
        }
        const ready = leases.home(link.monotonic()) !== null;
        link.later(ready && answer !== null ? RENEW_MILLIS : RETRY_MILLIS, () => this.start(listener));
        if (ready) for (const then of this.waiting.splice(0)) then();
      },
    );
  }

  /** The home slot while its lease is surely ours, else null. */
  home(): number | null {
    return this.leases.home(this.clock());
  }

  whenHome(then: () => void): void {
    this.waiting.push(then);
  }

  /** Whether a send on this slot is allowed now. */
  holds(slot: number | null): boolean {
    return slot !== null && this.leases.holds(slot, this.clock());
  }

  private clock(): number {
    return this.link.mutant === 'no-fence' ? 0 : this.link.monotonic();
  }
}
