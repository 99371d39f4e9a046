import { sleep } from '@drover/kernel';

/** "No responders" arrives within 1.5 ms; after this long without it, an absent handler counts as back. */
export const PRESENCE_MILLIS = 250;

/**
 * Handlers that one waiting process has just asked again: unless the broker knows no subscriber, the others that wait are released, a batch
 * at a time. Kept only while a probe is under way: what was found before says nothing about it.
 */
export class Probes {
  private readonly underWay = new Map<string, { absent: boolean }>();

  constructor(
    /** releases some processes that wait for a handler; how many */
    private readonly release: (handler: string) => Promise<number>,
    /** told of a release that failed: the next probe repeats it */
    private readonly failed: (handler: string, error: unknown) => void,
    private readonly batchMillis: number = PRESENCE_MILLIS,
  ) {}

  /** A waiting process has asked the handler again. */
  asked(handler: string): void {
    if (this.underWay.has(handler)) return;
    const probe = { absent: false };
    this.underWay.set(handler, probe);
    void this.run(handler, probe)
      .catch((error: unknown) => this.failed(handler, error))
      .finally(() => this.underWay.delete(handler));
  }

  /** The broker knows no subscriber. */
  foundAbsent(handler: string): void {
    const probe = this.underWay.get(handler);
    if (probe !== undefined) probe.absent = true;
  }

  /** How many handlers are remembered. */
  get size(): number {
    return this.underWay.size;
  }

  private async run(handler: string, probe: { absent: boolean }): Promise<void> {
    for (;;) {
      await sleep(this.batchMillis);
      if (probe.absent || (await this.release(handler)) === 0) return;
    }
  }
}
