import type { JsonObject } from '@drover/kernel';
import { commitBatch, type EncodedTransition } from './commit-wire.js';
import { defineRequest } from './request.js';
import type { RelationRef } from './store.js';
import type { ProcessRow, ProcessStatus, ProgressDocument, ResourceRow, TransitioningFlag } from './rows.js';

/** Why a feed row exists; last token of its subject. */
export type FeedKind = 'transitioning' | 'done' | 'error' | 'canceled' | 'changed';

/** Mutable part of a live process, always written whole. */
export interface ProcessFields {
  /** process name after the commit (a delegate changes it) */
  name: string;
  status: ProcessStatus;
  waitingHandler: string | null;
  slot: number | null;
  dispatch: number;
  executionCount: number;
  progress: ProgressDocument;
  predecessorId: number | null;
  heldBy: string | null;
  admitted: string | null;
  errorCode: string | null;
  errorMessage: string | null;
  /** attempt deadline from now, milliseconds; `keep` leaves the stored one; null clears it */
  deadlineMillis: number | 'keep' | null;
  /** longest wait for an absent handler from now; `keep` leaves the stored one; null clears it */
  waitDeadlineMillis: number | 'keep' | null;
  /**
   * next wake-up from now, milliseconds; `deadline`: at the deadline this commit leaves; `keep` (of an update only): when it was to be;
   * null: never (an operator must act)
   */
  wakeMillis: number | 'deadline' | 'keep' | null;
  /**
   * Of an update only: neither deadline nor wake-up is later than this. Epoch milliseconds of the database, made of `readAt` and a clock
   * that was read with it, so that still only the database's times are compared.
   */
  notAfter?: number | null;
}

/** A process that a commit starts. The database gives its number. */
export interface ProcessInsert extends ProcessFields {
  /** state a cancel returns to, stored as `beganState`; null: the region's state before this commit */
  beganState: string | null;
  definitionVersion: number;
  stateField: string;
  token: string;
  data: JsonObject;
  notify: string | null;
  priority: number;
  parentId: number | null;
  parentDispatch: number | null;
  /** longest life, milliseconds from now, or null */
  totalMillis: number | null;
}

/** What happens to the resource. A present change raises the revision by one and leaves one feed row. */
export interface ResourceChange {
  /** the state after the commit; a map picks it by the present state; null leaves it */
  toState: string | Record<string, string> | null;
  feedKind: FeedKind;
  /** process name the feed names, or null (verb `-`) */
  process: string | null;
  /** of the region that `stateField` names */
  transitioning: TransitioningFlag;
  message: string | null;
  progress: number | null;
  /** top-level keys of `data` to replace, with their whole new values; null: data untouched */
  data: JsonObject | null;
  /** undefined: untouched */
  name?: string | null;
  description?: string | null;
  /** all references of the resource after the change, `<field>:<number>`; undefined: untouched */
  refs?: string[];
}

/** A resource that a commit inserts, in state `requested`; `change` of the same transition moves it on as its first revision. */
export interface ResourceInsert {
  type: string;
  kind: string;
  uuid: string;
  name: string | null;
  description: string | null;
  data: JsonObject;
  accountId: number | null;
  /** other state fields with their initial states */
  regions: Record<string, string>;
  /** what its reference fields point at, `<field>:<number>` */
  refs?: string[];
}

/**
 * One transition of a commit batch. It applies wholly or not at all: if one of its guards fails, no row changes anywhere.
 * Exactly one of `insert` and `resourceId` is given.
 */
export interface CommitTransition {
  /** repeat detection: a command id (UUID) that was seen before answers `repeat`; null: no detection */
  commandId: string | null;
  /** hash of the command's body: the same id with another hash answers `commandReused` */
  commandHash: string | null;
  /** registry revision the decision was made on; an older one answers `staleRegistry` */
  registryRevision: number;

  insert: ResourceInsert | null;
  resourceId: number | null;
  /** region the transition is about */
  stateField: string;

  /** guard: the resource's type, or null; ids are unique over all types, so a start checks that the process fits */
  expectType: string | null;
  /** guard: the resource's revision, or null */
  expectRevision: number | null;
  /** guard: the region's state is one of these, or null */
  expectStates: string[] | null;

  /** guard: this live process exists at this version. Without it, a transition that starts a process needs the region free. */
  processId: number | null;
  processVersion: number | null;
  /** guard: this clock of the process has run out by the database's time, as the decision says; null: it does not hang on one */
  expectPassed: 'deadline' | 'wait' | 'total' | null;

  change: ResourceChange | null;
  /** the guarded process stays live, with these fields; null with a `processId`: it must be ended by `end`, or is left as it is */
  update: ProcessFields | null;
  /** the guarded process ends: its row moves to the finished ones */
  end: { exitReason: string; progress: ProgressDocument; errorCode: string | null; errorMessage: string | null } | null;
  /** a process that starts on the resource, after the end of the guarded one when there is one (chain, onError, pre-emption) */
  start: ProcessInsert | null;
  /** process that waits for the guarded one: it is woken in the same transaction (an end, a parking, the end of one) */
  wakeParent: number | null;
  /** `start` is a child's: its parent must be live and wait for children, else `parentEnded`. What an early end of its parent means to it */
  asChild?: { parentEnd: 'leave' | null };
  /** children of what this transition ends are to cancel themselves: they are woken in the same transaction */
  orphans?: boolean;
  /** guard: none of these relations holds a resource, else a conflict that says `related` */
  unless?: RelationRef[];
  /** numbers of the resources whose relations the change may add to, where some `unless` may look at them: the two are serialised */
  relates?: number[];
  /** answer the resource with its data: costs a read; schedule needs it for the event */
  returnResource: boolean;
}

/** A process of another region that ended because its resource was removed: what its handler is told by. */
export interface SweptProcess {
  id: number;
  name: string;
  status: ProcessStatus;
  dispatch: number;
  notify: string | null;
  progress: ProgressDocument;
}

export type CommitOutcome =
  /** applied; `process` is the started or updated live process */
  | {
      outcome: 'applied';
      resourceId: number;
      revision: number;
      /** the region's state after the commit */
      state: string;
      /** the region's state before the commit */
      fromState: string;
      processId: number | null;
      processVersion: number | null;
      /** the database's clock, epoch milliseconds: also the start time of a process that the transition started */
      now: number;
      /** what ended with the resource in its other regions; absent when nothing did */
      swept?: SweptProcess[];
      /** with `returnResource`: an existing resource as it was before the change; its `revision` alone is the one after it */
      before: ResourceRow | null;
    }
  /** this command was applied before, by this or another try */
  | { outcome: 'repeat'; resourceId: number; processId: number | null; resource: ResourceRow | null }
  | { outcome: 'commandReused' }
  /** a guard failed: present rows, for deciding again. `process` is the live one of the same region, if any; `related`: the guard was `unless` */
  | { outcome: 'conflict'; resource: ResourceRow | null; process: ProcessRow | null; related?: true }
  | { outcome: 'staleRegistry'; registryRevision: number }
  /** a child's start whose parent has ended, or waits for no children any more; nothing changed */
  | { outcome: 'parentEnded' }
  /** uuid (or another unique column) is taken */
  | { outcome: 'notUnique'; field: string }
  /** the row itself is unacceptable to the database (SQLSTATE class 22 or 23): a bug or garbage; nothing changed */
  | { outcome: 'refused'; message: string };

/** Commits a batch; a time-out means unknown: repeat the same batch. Outcomes are in the order of the transitions. */
export const commitTransitions = defineRequest<EncodedTransition[], { outcomes: CommitOutcome[] }>({
  subject: 'drover.store.commit',
  queue: 'resource-store',
  timeoutMillis: 5_000,
  errors: ['InvalidBodyContent'],
  codec: commitBatch,
});
