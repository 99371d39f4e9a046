/** Longest that a timer of Node can wait, milliseconds: 24.8 days. An attempt that may take longer is aborted then. */
const MAX_TIMER_MILLIS = 2 ** 31 - 1;

/** An attempt that an in-process handler works on. */
export class Attempt {
  readonly abort = new AbortController();
  /** settles, with null, when the attempt is given up: nobody waits for its result any more */
  readonly over: Promise<null>;
  private readonly giveUp: (over: null) => void;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    /** idempotency key of the step */
    readonly key: string,
    private readonly timeoutMillis: number,
    /** reports within this time are one write */
    readonly progressMillis: number,
  ) {
    // Not `this.giveUp = () => …`: a function made for a property is old from the start, and keeps the attempt until a major collection (ADR 059).
    let giveUp!: (over: null) => void;
    this.over = new Promise((resolve) => {
      giveUp = resolve;
    });
    this.giveUp = giveUp;
    this.extend();
  }

  /** The attempt's time begins anew: progress was reported. The deadline in the database remains the truth. */
  extend(): void {
    clearTimeout(this.timer);
    const millis = Math.min(Math.max(1, this.timeoutMillis), MAX_TIMER_MILLIS);
    const reason = `did not answer within ${this.timeoutMillis} ms`;
    this.timer = setTimeout(() => this.end(new DOMException(reason, 'TimeoutError')), millis);
  }

  /** The result is not waited for any more. */
  end(reason: Error): void {
    clearTimeout(this.timer);
    this.abort.abort(reason);
    this.giveUp(null);
  }

  /** The result has come. */
  close(): void {
    clearTimeout(this.timer);
  }
}
