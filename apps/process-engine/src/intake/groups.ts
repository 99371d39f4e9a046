/** Starts in one group. */
const SIZE = 16;
/** Rest after a group, as a multiple of the time it took. */
const REST = 1;
const MAX_REST_MILLIS = 250;

/** Starts that began together. */
export interface Group {
  began: number;
  open: number;
  /** one of it has ended: it takes no more */
  full: boolean;
}

/**
 * The pace of those that give way to others: they begin in groups, and after each one the machine is left to the others for as long as the
 * group took. What is busy all the time is slow for everybody: of two cores that start as much as they can, another account's few processes
 * found each of their twenty hops in use, and took four times as long, whatever the order in which starts were let in (2026-11-23).
 */
export class Groups {
  private group: Group | null = null;
  private restUntil = 0;
  private timer: NodeJS.Timeout | undefined;

  /** @param rested called when the next group may begin */
  constructor(private readonly rested: () => void) {}

  /** @param now milliseconds of one clock, here and below */
  hasPlace(now: number): boolean {
    return this.group === null ? now >= this.restUntil : !this.group.full && this.group.open < SIZE;
  }

  join(now: number): Group {
    this.group ??= { began: now, open: 0, full: false };
    this.group.open++;
    return this.group;
  }

  left(group: Group, now: number): void {
    group.open--;
    group.full = true;
    if (group.open > 0) return;
    this.group = null;
    const rest = Math.min(MAX_REST_MILLIS, REST * (now - group.began));
    this.restUntil = now + rest;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.restUntil = 0;
      this.rested();
    }, Math.ceil(rest));
    this.timer.unref();
  }
}
