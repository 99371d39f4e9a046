import type { JsonObject } from '@drover/kernel';
import { defineRequest } from './request.js';
import type { HandlerLimits, LimitRow, PauseRow } from './gates.js';
import type { TransitionEvent } from './handler.js';
import type { FinishedProcessRow, ProcessRow, ProcessStatus, ResourceRow } from './rows.js';

/** A live process with its resource: what a decision needs. */
export interface WorkRow {
  process: ProcessRow;
  resource: ResourceRow;
}

/** Reads live processes by number; `byPredecessor`: also those that wait for one of these. Missing ones are absent. */
export const loadWork = defineRequest<{ processIds: number[]; byPredecessor?: boolean }, { work: WorkRow[] }>({
  subject: 'drover.store.work.load',
  queue: 'resource-store',
  timeoutMillis: 3_000,
  errors: [],
});

/**
 * Hands out due processes, highest priority first: moves their `next_wake_at` forward by `leaseMillis` (skip locked), so that no other
 * engine gets them meanwhile. `nextInMillis`: until the next one falls due, or null.
 */
export const claimDueWork = defineRequest<
  { limit: number; leaseMillis: number },
  { work: WorkRow[]; nextInMillis: number | null }
>({ subject: 'drover.store.work.claim', queue: 'resource-store', timeoutMillis: 3_000, errors: [] });

/**
 * Leases reply slots for `engine`: renews those it holds with the epochs it names, takes `want` more (free, or lapsed) and, with
 * `takeLapsed`, every other one whose engine let it lapse. An answer without a slot means that it is lost. `lapsed` tells that another engine held it before: drain its consumer, then wake.
 */
export const leaseSlots = defineRequest<
  { engine: string; held: { slot: number; epoch: number }[]; want: number; takeLapsed: boolean; release: number[] },
  { slots: { slot: number; epoch: number; lapsed: boolean }[]; liveProcesses: Record<string, number> }
>({ subject: 'drover.store.slots.lease', queue: 'resource-store', timeoutMillis: 2_000, errors: [] });

/** Wakes the dispatched and running processes of a slot now and marks them for a repeat with the same id. */
export const wakeSlot = defineRequest<{ slot: number; epoch: number }, { woken: number }>({
  subject: 'drover.store.slots.wake',
  queue: 'resource-store',
  timeoutMillis: 5_000,
  errors: [],
});

/** A handler answered again: wakes up to `limit` of the processes that wait for it. */
export const releaseWaiting = defineRequest<{ handler: string; limit: number }, { released: number }>({
  subject: 'drover.store.work.release',
  queue: 'resource-store',
  timeoutMillis: 3_000,
  errors: [],
});

/** Where a sweep over removed resources is: types in order, and within a type by the time of removal. */
export interface PurgeCursor {
  type: string;
  /** as the database wrote it: microseconds count */
  removed: string;
  resourceId: number;
}

/** A resource that has been `removed` for longer than its type's `purgeAfterMillis`, by the database's clock. */
export interface DuePurge {
  resourceId: number;
  type: string;
  revision: number;
  /** epoch milliseconds */
  removed: number;
}

/**
 * Hands out a page of resources that are due to be purged. One engine at a time sweeps: the first to ask holds a lease of `leaseMillis`;
 * the others get `mine: false` and nothing. `next` is where to go on, null at the end of the sweep; rows that cannot be purged are passed
 * over, so that they hold nothing up. `limit` bounds the rows that are looked at.
 */
export const listDuePurges = defineRequest<
  { engine: string; leaseMillis: number; limit: number; after: PurgeCursor | null },
  { mine: boolean; due: DuePurge[]; next: PurgeCursor | null }
>({ subject: 'drover.store.purges.list', queue: 'resource-store', timeoutMillis: 3_000, errors: [] });

/** One stored version of a definition document, with what the model checker said. */
export interface DefinitionRow {
  name: string;
  version: number;
  document: JsonObject;
  system: boolean;
  /** registry revision at which this version was applied */
  revision: number;
  warnings: { finding: string; message: string; state?: string; process?: string }[];
  created: number;
  /** deleted types travel once, so that readers drop them */
  deleted: boolean;
}

/** An active external handler, as the registry hands it out. */
export interface HandlerRow extends HandlerLimits {
  resourceId: number;
  name: string;
  priority: number;
  retries: number | null;
  timeoutMillis: number | null;
  heartbeatMillis: number | null;
  totalMillis: number | null;
  retry: {
    maxAttempts?: number;
    initialMillis?: number;
    maxMillis?: number;
    jitter?: number;
    nonRetryable?: readonly string[];
  } | null;
  delivery: 'core' | 'durable';
  /** as registered; names may carry `pre.`/`post.` and globs */
  processConfigs: { name: string; onError: string | null }[];
}

/**
 * The registry: definitions changed after `sinceRevision` (0: all), a page at a time (`afterName`), and all active handlers, all
 * pauses and all limits (on the first page). One revision covers all of it.
 */
export const readRegistry = defineRequest<
  { sinceRevision: number; afterName: string | null },
  {
    revision: number;
    definitions: DefinitionRow[];
    handlers: HandlerRow[] | null;
    pauses: PauseRow[] | null;
    /** as pauses */
    limits: LimitRow[] | null;
    more: boolean;
  }
>({ subject: 'drover.store.registry.read', queue: 'resource-store', timeoutMillis: 3_000, errors: [] });

/** One version of one definition, for processes that began on it. */
export const readDefinition = defineRequest<
  { name: string; version: number | null },
  { definition: DefinitionRow; versions: { version: number; created: number }[] }
>({ subject: 'drover.store.definition.read', queue: 'resource-store', timeoutMillis: 3_000, errors: ['NotFound'] });

/**
 * Declares a document (`create`: the name must be new; `update`: it must exist). Checked, versioned and visible to all when answered.
 * The answer's `changed` is false when the document equals the present version.
 */
export const applyDefinition = defineRequest<
  { document: JsonObject; mode: 'create' | 'update'; name: string | null },
  { definition: DefinitionRow; changed: boolean }
>({
  subject: 'drover.store.definition.apply',
  queue: 'resource-store',
  timeoutMillis: 10_000,
  errors: ['InvalidDefinition', 'DefinitionInUse', 'SystemDefinition', 'NotUnique', 'NotFound'],
});

/** Deletes a type that has no unpurged resources. */
export const deleteDefinition = defineRequest<{ name: string }, { deleted: true }>({
  subject: 'drover.store.definition.delete',
  queue: 'resource-store',
  timeoutMillis: 10_000,
  errors: ['NotFound', 'DefinitionInUse', 'SystemDefinition'],
});

/** One condition of a list; several combine with AND. `field` is an envelope column or a declared field. */
export interface Filter {
  field: string;
  modifier: 'eq' | 'ne' | 'gt' | 'gte' | 'lt' | 'lte' | 'prefix' | 'like' | 'notlike' | 'null' | 'notnull';
  value: string | number | boolean | null;
}

/** Reads resources by number, with their live processes. */
export const readResources = defineRequest<{ ids: number[] }, { resources: ResourceRow[]; processes: ProcessRow[] }>({
  subject: 'drover.store.resource.read',
  queue: 'resource-store',
  timeoutMillis: 2_000,
  errors: [],
});

/** Where the members of one resource's relationship are found. `ref`: `<field>:<number>`, as in `resource_data.refs`. */
export type RelationRef =
  | { kind: 'reference'; type: string; id: number }
  | { kind: 'list'; type: string; ref: string }
  /** those that the field `to` of resources of the type `through` names, which have `ref` */
  | { kind: 'through'; type: string; through: string; ref: string; to: string };

/** A related resource, as narrow as a decision about its parent needs it. */
export interface MemberRow {
  id: number;
  /** of the state field that was asked for; null: it has no such field */
  state: string | null;
  /** name of the live process there, or null */
  live: string | null;
}

/** A process that another one started on a related resource, live or finished. */
export interface ChildRow {
  id: number;
  resourceId: number;
  name: string;
  /** of a live one, else null */
  status: ProcessStatus | null;
  /** of a finished one, else null */
  exitReason: string | null;
  errorCode: string | null;
  /** at most 200 characters */
  errorMessage: string | null;
}

/**
 * The members of a relation (not removed ones; `relation` null: none) and the children of some dispatches of a process, each a page of at most 1,000 by
 * ascending number. Children are read in one snapshot: none is missed while it ends.
 */
export const readRelated = defineRequest<
  {
    relation: RelationRef | null;
    stateField: string;
    afterMember: number;
    parentId: number;
    parentDispatches: number[];
    afterChild: number;
  },
  { members: MemberRow[]; moreMembers: boolean; children: ChildRow[]; moreChildren: boolean }
>({ subject: 'drover.store.related.read', queue: 'resource-store', timeoutMillis: 3_000, errors: [] });

/**
 * A page of resources of one type by number (keyset: numbers after `afterId`). Hides removed and purged unless asked. `next` is the
 * `afterId` of the next page, null at the end. A page looks at a bounded number of rows: it may be short, or empty, while there is more.
 */
export const listResources = defineRequest<
  {
    type: string;
    filters: Filter[];
    limit: number;
    afterId: number | null;
    descending: boolean;
    includeRemoved: boolean;
    /** only members of this relation */
    relation?: RelationRef;
  },
  { resources: ResourceRow[]; more: boolean; next: number | null }
>({ subject: 'drover.store.resource.list', queue: 'resource-store', timeoutMillis: 2_000, errors: ['InvalidFilter'] });

export interface TransitionRow {
  from: string;
  to: string;
  stateField: string;
  process: string | null;
  processId: number | null;
  revision: number;
  time: number;
}

/** State moves of one resource, oldest first. */
export const listTransitions = defineRequest<
  { resourceId: number; limit: number; afterRevision: number | null },
  { transitions: TransitionRow[]; more: boolean }
>({ subject: 'drover.store.transitions.list', queue: 'resource-store', timeoutMillis: 2_000, errors: [] });

export type ProcessView = ({ live: true } & ProcessRow) | ({ live: false } & FinishedProcessRow);

/**
 * Process instances, live and finished, by number or a page at a time (newest first). `next` is the `beforeId` of the next page, null at
 * the end. A page with filters looks at a bounded number of rows: it may be short, or empty, while there is more.
 */
export const listProcesses = defineRequest<
  {
    ids: number[] | null;
    resourceId: number | null;
    filters: Filter[];
    limit: number;
    /** numbers below this one */
    beforeId: number | null;
  },
  { processes: ProcessView[]; more: boolean; next: number | null }
>({ subject: 'drover.store.process.list', queue: 'resource-store', timeoutMillis: 2_000, errors: ['InvalidFilter'] });

/** A process of a related resource that its parent waits for. */
export interface WhyChild {
  id: number;
  name: string;
  status: ProcessStatus;
  resourceType: string;
  resourceId: number;
  /** of the region that it moves */
  state: string;
  errorMessage: string | null;
}

/** The gate that a process is held by. Times are epoch milliseconds of the database. */
export interface WhyGate {
  heldSince: number | null;
  /** of a pause */
  pause: { since: number; operator: string | null; reason: string | null } | null;
  /** of a limit: attempts of the handler that are under way, and held processes that are admitted before this one */
  limit: { admitted: number; ahead: number } | null;
  /**
   * of a handler that failed: how often in a row, and how long its circuit stays open, milliseconds (null: it is not open). `opened`: it has
   * not closed since; while it is not open any more, one attempt at a time tries
   */
  circuit: { failures: number; opened: boolean; openForMillis: number | null } | null;
}

/** A live process with what keeps it, as people ask for it. */
export interface WhyProcess extends ProcessRow {
  /** until the store wakes it, milliseconds from `readAt`; negative: due; null: only an operator moves it */
  wakeInMillis: number | null;
  /** while `held` */
  gate: WhyGate | null;
  /** live processes of related resources that this step waits for: some of them, parked ones first */
  children: WhyChild[];
  /** how many there are in all */
  childCount: number;
}

/** All that says why one resource is as it is, of one moment. For people: nothing of it is on the way of a transition. */
export interface WhyRow {
  resource: ResourceRow;
  /** its live processes, `state` first */
  processes: WhyProcess[];
  lastFinished: FinishedProcessRow | null;
  /** the database's clock, epoch milliseconds */
  readAt: number;
}

/** Reads one resource with what holds it up; null: there is no such resource. */
export const readWhy = defineRequest<{ resourceId: number }, { why: WhyRow | null }>({
  subject: 'drover.store.why.read',
  queue: 'resource-store',
  timeoutMillis: 2_000,
  errors: [],
});

/** How many rows a list has. Exact while counting is cheap; beyond that PostgreSQL's estimate, which may be off by a few per cent. */
export interface Count {
  total: number;
  exact: boolean;
}

/** Counts process instances, live and finished, as {@link listProcesses} lists them. */
export const countProcesses = defineRequest<{ resourceId: number | null; filters: Filter[] }, Count>({
  subject: 'drover.store.process.count',
  queue: 'resource-store',
  timeoutMillis: 3_000,
  errors: ['InvalidFilter'],
});

/** Counts resources of one type, as {@link listResources} lists them. */
export const countResources = defineRequest<
  { type: string; filters: Filter[]; includeRemoved: boolean; relation?: RelationRef },
  Count
>({
  subject: 'drover.store.resource.count',
  queue: 'resource-store',
  timeoutMillis: 3_000,
  errors: ['InvalidFilter'],
});

/**
 * The feed from the table, for who lost the stream: events after a sequence, oldest first. `gone`: rows after it were dropped by
 * retention (7 days). `published`: the newest sequence there is.
 */
export const readFeed = defineRequest<
  { after: number; limit: number },
  { events: TransitionEvent[]; more: boolean; gone: boolean; published: number }
>({ subject: 'drover.store.feed.read', queue: 'resource-store', timeoutMillis: 3_000, errors: [] });

/** A live process that goes on only when somebody does something. */
export interface StuckProcess {
  id: number;
  name: string;
  status: ProcessStatus;
  resourceType: string;
  resourceId: number;
  waitingHandler: string | null;
  heldBy: string | null;
  errorMessage: string | null;
}

/** What the front page shows. Counts are bounded: with `more`, there are more than that. */
export interface Summary {
  resources: { type: string; state: string; count: number; more: boolean }[];
  live: { status: string; count: number; more: boolean }[];
  /** ten at most: parked ones first, the oldest first */
  stuck: StuckProcess[];
}

/** Counts for the front page and for operators, and a few of the processes that need somebody. */
export const readSummary = defineRequest<Record<string, never>, Summary>({
  subject: 'drover.store.summary',
  queue: 'resource-store',
  timeoutMillis: 3_000,
  errors: [],
});

/** The checker of invariant 2, both directions; empty on a healthy database. */
export const checkInvariants = defineRequest<Record<string, never>, { violations: string[] }>({
  subject: 'drover.store.check',
  queue: 'resource-store',
  timeoutMillis: 10_000,
  errors: [],
});
