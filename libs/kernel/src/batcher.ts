/** What a batcher holds for one caller. */
interface Waiting<In, Out> {
  item: In;
  bytes: number;
  resolve: (out: Out) => void;
  reject: (error: unknown) => void;
}

export interface BatcherOptions<In, Out> {
  /** Handles one batch; the answers are in the order of the items. A rejection rejects every item of the batch. */
  flush: (items: In[]) => Promise<Out[]>;
  /** Items in one batch at most, asked for each batch (default 256). */
  maxItems?: () => number;
  /** Bytes in one batch at most (default 512 KiB: well under the broker's 1 MB), with `bytesOf`. */
  maxBytes?: number;
  bytesOf?: (item: In) => number;
  /** Items of one key never share a batch: the later one waits for the next. */
  keyOf?: (item: In) => unknown;
  /** Batches in flight at once (default 1). */
  lanes?: number;
  /** One batch more than `lanes` while not more than so many items are in flight (default 0): whoever answers small batches need not wait for the next. */
  overlap?: number;
}

/**
 * Group commit: gathers what arrives while the previous batch is in flight, with no timer. The batch in flight is the window.
 * A bounded queue is the caller's duty: `outstanding` tells how much waits.
 */
export class Batcher<In, Out> {
  private queue: Waiting<In, Out>[] = [];
  private inFlight = 0;
  private itemsInFlight = 0;
  private scheduled = false;

  constructor(private readonly options: BatcherOptions<In, Out>) {}

  get outstanding(): number {
    return this.queue.length + this.itemsInFlight;
  }

  add(item: In): Promise<Out> {
    return new Promise((resolve, reject) => {
      this.queue.push({ item, bytes: this.options.bytesOf?.(item) ?? 0, resolve, reject });
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.scheduled || !this.mayFlush()) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.flush();
    });
  }

  private mayFlush(): boolean {
    if (this.queue.length === 0) return false;
    const { lanes = 1, overlap = 0 } = this.options;
    return this.inFlight < lanes || (this.inFlight === lanes && this.itemsInFlight <= overlap);
  }

  private flush(): void {
    if (!this.mayFlush()) return;
    const batch = this.take();
    this.inFlight++;
    this.itemsInFlight += batch.length;
    this.answers(batch.map((waiting) => waiting.item))
      .then(
        (outs) => batch.forEach((waiting, i) => waiting.resolve(outs[i]!)),
        (error: unknown) => batch.forEach((waiting) => waiting.reject(error)),
      )
      .finally(() => {
        this.inFlight--;
        this.itemsInFlight -= batch.length;
        this.schedule();
      });
    this.schedule();
  }

  private async answers(items: In[]): Promise<Out[]> {
    const outs = await this.options.flush(items);
    if (outs.length !== items.length)
      throw new Error(`a batch of ${items.length} items was answered with ${outs.length}`);
    return outs;
  }

  private take(): Waiting<In, Out>[] {
    const { keyOf, maxBytes = 512 * 1024 } = this.options;
    const maxItems = this.options.maxItems?.() ?? DEFAULT_MAX_ITEMS;
    const batch: Waiting<In, Out>[] = [];
    const keys = new Set<unknown>();
    const rest: Waiting<In, Out>[] = [];
    let bytes = 0;
    let taken = 0;
    for (; taken < this.queue.length && batch.length < maxItems; taken++) {
      const waiting = this.queue[taken]!;
      if (batch.length > 0 && bytes + waiting.bytes > maxBytes) break;
      const key = keyOf?.(waiting.item);
      if (key !== undefined && keys.has(key)) {
        rest.push(waiting);
        continue;
      }
      if (key !== undefined) keys.add(key);
      bytes += waiting.bytes;
      batch.push(waiting);
    }
    this.queue = rest.length === 0 && taken === this.queue.length ? [] : rest.concat(this.queue.slice(taken));
    return batch;
  }
}

/** Where the curve of rows per second has flattened (2026-11-22, 2 cores). */
const DEFAULT_MAX_ITEMS = 256;
