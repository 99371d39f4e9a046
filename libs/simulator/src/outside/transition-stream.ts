/** An event of the feed in the stream. */
export interface FeedMessage {
  /** the feed's sequence */
  sequence: number;
  /** sequence of the event before it */
  previousSequence: number;
  resourceId: number;
  revision: number;
}

/** Where the stream ends. */
export interface StreamEnd {
  /** sequence of the stream itself: the fence of the next publication */
  streamSequence: number;
  /** the feed's sequence of the last event in it, or null: there is none */
  lastPublished: number | null;
}

/** The stream of the feed in the broker. Whoever publishes names the end that he knows: another's publication fails. */
export class TransitionStream {
  private readonly messages: FeedMessage[] = [];
  private exists = false;

  constructor(private readonly subscriber: (message: FeedMessage) => void) {}

  /** Makes the stream if it is not there, and says where it ends. */
  open(): StreamEnd {
    this.exists = true;
    return { streamSequence: this.messages.length, lastPublished: this.messages.at(-1)?.sequence ?? null };
  }

  /**
   * One publication.
   * @param expected the stream's last sequence; null: whatever it is
   * @returns whether it was stored
   */
  publish(message: FeedMessage, expected: number | null): boolean {
    if (!this.exists || (expected !== null && expected !== this.messages.length)) return false;
    this.messages.push(message);
    this.subscriber(message);
    return true;
  }

  wipe(): void {
    this.exists = false;
    this.messages.length = 0;
  }
}
