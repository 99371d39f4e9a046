import type { HandlerReply } from '@drover/process-model';
import type { Address, StoredReply } from '../engine/link.js';

/** Unacknowledged for this long, a reply is delivered again. */
const ACK_WAIT_MILLIS = 5_000;

interface Kept {
  address: Address;
  reply: HandlerReply;
  deliveredAt: number | null;
}

interface Reader {
  /** who reads: one life of an engine */
  owner: object;
  /** takes a message to the reader's program */
  take: (reply: StoredReply) => void;
}

/** The reply stream: durable, one consumer for each slot, redelivering what is not acknowledged. It can lose all it has. */
export class Broker {
  /** the stream is there; an earlier engine made it */
  private exists = true;
  private readonly slots = new Map<number, Kept[]>();
  private readonly readers = new Map<number, Reader[]>();

  constructor(
    private readonly now: () => number,
    private readonly soon: (run: () => void) => void,
  ) {}

  /** A reply reaches the broker. */
  append(address: Address, reply: HandlerReply): void {
    if (!this.exists) return;
    this.keptOf(address.slot).push({ address, reply, deliveredAt: null });
    this.soon(() => this.deliver(address.slot));
  }

  /** @returns true when the stream had to be made: what waited in an older one is gone */
  open(slot: number, owner: object, take: (reply: StoredReply) => void): boolean {
    const lost = !this.exists;
    this.exists = true;
    const readers = this.readers.get(slot) ?? [];
    this.readers.set(slot, [...readers.filter((one) => one.owner !== owner), { owner, take }]);
    this.soon(() => this.deliver(slot));
    return lost;
  }

  close(owner: object, slot: number | null = null): void {
    for (const [of, readers] of this.readers)
      if (slot === null || slot === of)
        this.readers.set(
          of,
          readers.filter((one) => one.owner !== owner),
        );
  }

  unread(slot: number): number {
    return this.slots.get(slot)?.length ?? 0;
  }

  /** The disk is gone: messages, consumers, the stream. */
  wipe(): void {
    this.exists = false;
    this.slots.clear();
    this.readers.clear();
  }

  /** The broker is back with its disk; readers have to open their slots again. */
  restarted(): void {
    this.readers.clear();
  }

  /** Delivers again what was not acknowledged in time. */
  redeliver(): void {
    for (const [slot, kept] of this.slots) {
      const before = this.now() - ACK_WAIT_MILLIS;
      for (const one of kept) if (one.deliveredAt !== null && one.deliveredAt <= before) one.deliveredAt = null;
      this.deliver(slot);
    }
  }

  private deliver(slot: number): void {
    const readers = this.readers.get(slot);
    if (readers === undefined || readers.length === 0) return;
    for (const one of [...this.keptOf(slot)]) {
      if (one.deliveredAt !== null) continue;
      one.deliveredAt = this.now();
      // Whoever pulled first: the newest reader, most of the time the only one.
      readers.at(-1)!.take({ address: one.address, reply: one.reply, ack: () => this.ack(slot, one) });
    }
  }

  private ack(slot: number, one: Kept): void {
    const kept = this.slots.get(slot);
    const at = kept?.indexOf(one) ?? -1;
    if (at >= 0) kept!.splice(at, 1);
  }

  private keptOf(slot: number): Kept[] {
    let kept = this.slots.get(slot);
    if (kept === undefined) this.slots.set(slot, (kept = []));
    return kept;
  }
}
