/** How fast removed resources are purged. */
export abstract class PurgePace {
  /** between two sweeps */
  abstract readonly everyMillis: number;
  /** rows of one page; its purges are started together */
  abstract readonly page: number;
  /** between two pages of a sweep */
  abstract readonly betweenMillis: number;
}

/** 200 starts every half second at most: a small part of what one engine starts under load. */
export const PURGE_PACE = { page: 200, betweenMillis: 500 };
