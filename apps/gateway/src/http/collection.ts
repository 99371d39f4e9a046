import type { Count } from '@drover/contracts';
import type { Json, JsonObject } from '@drover/kernel';

/** Items in one answer when the client does not say. */
export const DEFAULT_LIMIT = 100;
/** Items in one answer at most. */
export const MAX_LIMIT = 3_000;

export interface Page {
  data: Json[];
  /** continues after the last item; null: there is nothing more */
  nextMarker: string | null;
  /** how many there are in all; only where it was asked for */
  count?: Count | undefined;
}

export interface CollectionOptions {
  resourceType: string;
  /** absolute URL of the request, with its query */
  self: string;
  limit: number;
  links?: Record<string, string>;
  filters?: JsonObject;
  sort?: JsonObject | null;
  createTypes?: Record<string, string>;
}

/** The one shape of every list (protocol §2). */
export function collection(page: Page, options: CollectionOptions): JsonObject {
  return {
    type: 'collection',
    resourceType: options.resourceType,
    links: { self: options.self, ...options.links },
    createTypes: options.createTypes ?? {},
    actions: {},
    pagination: {
      limit: options.limit,
      next: page.nextMarker === null ? null : withMarker(options.self, page.nextMarker),
      partial: page.nextMarker !== null,
      ...(page.count === undefined ? {} : { total: page.count.total, totalExact: page.count.exact }),
    },
    sort: options.sort ?? null,
    filters: options.filters ?? {},
    data: page.data,
  };
}

function withMarker(self: string, marker: string): string {
  const url = new URL(self);
  url.searchParams.set('marker', marker);
  return url.toString();
}

/** A keyset marker: continue beyond this number. */
export function markerOf(number: number): string {
  return `m${number}`;
}

export function numberOfMarker(marker: string | undefined): number | null {
  return marker === undefined ? null : Number(marker.slice(1));
}

/** A list that is all in memory, paged by position. */
export function sliceOf<T>(
  items: T[],
  limit: number,
  marker: string | undefined,
): { items: T[]; nextMarker: string | null } {
  const from = numberOfMarker(marker) ?? 0;
  const end = from + limit;
  return { items: items.slice(from, end), nextMarker: end < items.length ? markerOf(end) : null };
}
