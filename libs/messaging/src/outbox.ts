/**
 * Gathers what is to be written to a connection until the turn of the event loop ends. The client writes to its socket once per
 * microtask in which something was published; a batch of answers spread over many microtasks would be as many system calls.
 */
export class Outbox {
  private waiting: (() => void)[] = [];

  /** @param write publishes; must not throw */
  add(write: () => void): void {
    this.waiting.push(write);
    if (this.waiting.length === 1) setImmediate(() => this.flush());
  }

  private flush(): void {
    const due = this.waiting;
    this.waiting = [];
    for (const write of due) write();
  }
}
