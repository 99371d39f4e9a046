import { performance } from 'node:perf_hooks';

/** Between two looks at how busy this program was. */
const LOOK_MILLIS = 10_000;
/** Busier than this, of one look: what is resident may be garbage afterwards. */
const BUSY = 0.1;
/** Below it there is not enough to give back. */
const WORTH_BYTES = 200 * 1024 ** 2;

/** What a look may ask, and do. */
export interface Surroundings {
  /** share of the time since the last look in which the event loop was at work, 0 to 1 */
  utilization: () => number;
  residentBytes: () => number;
  collect: () => void;
}

/**
 * Gives memory back once after each busy time. V8 returns what a burst has taken only when its own collections find that little is allocated, and who
 * stops at once has no further collections: an engine in which 100,000 processes wait kept 360 MB, of which it used 45. A collection that
 * returns all takes 0.1 to 0.2 s, in a program that was quiet for ten seconds.
 */
export class QuietCollection {
  private owed = false;

  constructor(private readonly surroundings: Surroundings) {}

  look(): void {
    const { utilization, residentBytes, collect } = this.surroundings;
    if (utilization() >= BUSY) {
      this.owed = true;
      return;
    }
    if (!this.owed) return;
    this.owed = false;
    if (residentBytes() >= WORTH_BYTES) collect();
  }
}

/** For as long as the program runs. Does nothing without `node --expose-gc`. */
export function collectWhenQuiet(): void {
  const { gc } = globalThis;
  if (gc === undefined) return;
  let last = performance.eventLoopUtilization();
  const quiet = new QuietCollection({
    utilization: () => {
      const before = last;
      last = performance.eventLoopUtilization();
      return performance.eventLoopUtilization(last, before).utilization;
    },
    residentBytes: () => process.memoryUsage.rss(),
    collect: () => gc({ type: 'major', execution: 'sync', flavor: 'last-resort' }),
  });
  setInterval(() => quiet.look(), LOOK_MILLIS).unref();
}
