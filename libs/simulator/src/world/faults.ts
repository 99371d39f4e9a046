import type { Random } from '../random.js';

/** How bad things are in one simulated world. Probabilities are per message or per event. */
export interface Faults {
  /** a request, its answer, an event, a hint or a plain reply is lost */
  loss: number;
  /** a message takes seconds */
  slow: number;
  /** a message arrives twice */
  twice: number;
  /** an engine dies, at any event */
  crash: number;
  /** an engine dies between two lines of its own */
  crashInside: number;
  /** an engine stops for a while and goes on */
  pause: number;
  /** the broker restarts */
  restart: number;
  /** and then it has lost its disk */
  wipe: number;
  /** a handler leaves for a while */
  absence: number;
  /** handlers and definitions change */
  registry: number;
  /** a handler does something other than answer once, in time, with success */
  trouble: number;
  /** an operator acts */
  operator: number;
  /** something is paused */
  pausing: number;
  /** a transaction stays open after it has drawn its numbers */
  lateCommit: number;
}

export const NO_FAULTS: Faults = {
  loss: 0,
  slow: 0,
  twice: 0,
  crash: 0,
  crashInside: 0,
  pause: 0,
  restart: 0,
  wipe: 0,
  absence: 0,
  registry: 0,
  trouble: 0,
  operator: 0,
  pausing: 0,
  lateCommit: 0,
};

/** Each world has its own mixture: one where all goes wrong at once hides what goes wrong alone. */
export function drawFaults(random: Random): Faults {
  const often = (most: number): number => (random.chance(0.35) ? 0 : random.next() * most);
  return {
    loss: often(0.12),
    slow: often(0.04),
    twice: often(0.06),
    crash: often(0.01),
    crashInside: often(0.01),
    pause: often(0.006),
    restart: often(0.003),
    wipe: random.chance(0.5) ? 0.5 : 0,
    absence: often(0.006),
    registry: often(0.006),
    trouble: often(0.8),
    operator: often(0.3),
    pausing: often(0.008),
    lateCommit: often(0.3),
  };
}

/** What programs outside and people do, with an infrastructure where nothing goes wrong: there, bounds of time can be held to. */
export function onlyOutside({ absence, registry, trouble, operator, pausing, lateCommit }: Faults): Faults {
  return { ...NO_FAULTS, absence, registry, trouble, operator, pausing, lateCommit };
}
