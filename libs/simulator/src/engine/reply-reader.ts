import type { StoredReply } from './link.js';
import type { SimEngine, Worked } from './sim-engine.js';
import type { SlotListener } from './slot-keeper.js';

const VERIFY_MILLIS = 5_000;
const DRAIN_MILLIS = 6_000;
const DRAIN_LOOK_MILLIS = 50;
const WAKE_MILLIS = 5_000;

/**
 * Reads the replies of an engine's slots (apps/process-engine/src/replies): acknowledged after the commit they led to; after a
 * take-over, what is unread first, then what is still out once more.
 */
export class ReplyReader implements SlotListener {
  private readonly epochs = new Map<number, number>();
  private readonly folded = new Map<string, StoredReply | null>();

  constructor(private readonly engine: SimEngine) {
    this.verify();
  }

  gained(slot: number, epoch: number, lapsed: boolean): void {
    this.epochs.set(slot, epoch);
    this.engine.link.later(1, () => {
      if (this.epochs.get(slot) !== epoch) return;
      this.open(slot);
      if (lapsed) this.drain(slot, this.engine.link.monotonic() + DRAIN_MILLIS);
    });
  }

  lost(slot: number): void {
    this.epochs.delete(slot);
    this.engine.link.closeSlot(slot);
  }

  /** The connection was away: what was published meanwhile is lost. */
  reconnected(): void {
    for (const slot of this.epochs.keys()) {
      this.open(slot);
      this.drain(slot, this.engine.link.monotonic() + DRAIN_MILLIS);
    }
  }

  /** What is out in every slot is sent again. */
  wakeAll(woken: () => void = () => undefined): void {
    let open = 1;
    const done = (): void => {
      if (--open === 0) woken();
    };
    for (const slot of this.epochs.keys()) {
      open++;
      this.wake(slot, done);
    }
    done();
  }

  private open(slot: number): void {
    const lost = this.engine.link.openSlot(slot, (reply) => this.received(reply));
    if (lost) this.wakeAll();
  }

  private drain(slot: number, until: number): void {
    const { link } = this.engine;
    if (link.unread(slot) === 0 || link.monotonic() >= until) return this.wake(slot);
    link.later(DRAIN_LOOK_MILLIS, () => this.drain(slot, until));
  }

  private wake(slot: number, done: () => void = () => undefined): void {
    const epoch = this.epochs.get(slot);
    if (epoch === undefined) return done();
    const { link } = this.engine;
    link.request(
      WAKE_MILLIS,
      () => {
        const woken = link.store.slotLeases.wake(slot, epoch);
        if (woken > 0) link.hintDue();
        return woken;
      },
      (woken) => (woken === null ? this.wake(slot, done) : done()),
    );
  }

  private verify(): void {
    this.engine.link.later(VERIFY_MILLIS, () => {
      for (const slot of this.epochs.keys()) this.open(slot);
      this.verify();
    });
  }

  private received(stored: StoredReply): void {
    const { link } = this.engine;
    if (stored.reply.kind === 'progress' && this.fold(stored)) return stored.ack();
    if (link.mutant === 'ack-before-commit') this.acknowledge(stored);
    this.deliver(stored, (worked) => {
      // Not acknowledged after a failure: the stream delivers it again.
      if (worked === 'failed') return;
      link.crashPoint();
      this.acknowledge(stored);
    });
  }

  private acknowledge({ address, reply, ack }: StoredReply): void {
    this.engine.link.acknowledged(address, reply);
    ack();
  }

  /** Few writes of progress, in time for the clock that they move; @returns true when it was kept for later. */
  private fold(stored: StoredReply): boolean {
    const key = `${stored.address.process}.${stored.address.dispatch}`;
    if (this.folded.has(key)) {
      this.folded.set(key, stored);
      return true;
    }
    this.folded.set(key, null);
    this.engine.link.later(this.engine.progressPeriodOf(stored.address.process), () => {
      const last = this.folded.get(key) ?? null;
      this.folded.delete(key);
      if (last !== null) this.deliver(last);
    });
    return false;
  }

  private deliver({ address, reply }: StoredReply, worked: (worked: Worked) => void = () => undefined): void {
    const { process: processId, dispatch, token } = address;
    this.engine.handle({ processId, input: { kind: 'reply', dispatch, reply }, token, from: address, worked });
  }
}
