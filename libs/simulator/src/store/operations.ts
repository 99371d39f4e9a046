import type { CircuitState, CommitOutcome, CommitTransition, DuePurge, HandlerLimits } from '@drover/contracts';
import type { GivenSlot, LeaseRequest } from '@drover/process-model';

/** What an engine asks of a handler's gate; as the contract `admitAttempts`. */
export interface AdmitRequest {
  handler: string;
  registryRevision: number;
  limits: HandlerLimits;
  outcomes: { succeeded: boolean; failed: number };
  limit: number;
  leaseMillis: number;
}

/** Where a sweep over removed resources goes on. */
export interface SweepPlace {
  type: string;
  removed: number;
  resourceId: number;
}

/** What an engine asks for a page of what is due to be purged; as the contract `listDuePurges`, but for the place. */
export interface DuePurgesRequest {
  engine: string;
  leaseMillis: number;
  limit: number;
  after: SweepPlace | null;
}

/** A page of what is due to be purged. `mine`: this engine holds the lease of the sweep. */
export interface PurgePage {
  mine: boolean;
  due: DuePurge[];
  next: SweepPlace | null;
}

/** What was asked of the store, with its answer: a history that another store can be asked to repeat. */
export type StoreOperation =
  | { kind: 'commit'; transition: CommitTransition; outcome: CommitOutcome }
  | { kind: 'claim'; limit: number; leaseMillis: number; processIds: number[]; nextInMillis: number | null }
  | { kind: 'release'; handler: string; limit: number; released: number }
  | { kind: 'wakeOldest'; woken: number }
  | {
      kind: 'lease';
      engine: string;
      request: LeaseRequest;
      slots: GivenSlot[];
      liveProcesses: Record<string, number>;
    }
  | { kind: 'wakeSlot'; slot: number; epoch: number; woken: number }
  | { kind: 'pause'; scope: string; set: boolean; woken: number }
  | { kind: 'wakeLifted' }
  | { kind: 'wakeOverlooked' }
  | {
      kind: 'admit';
      request: AdmitRequest;
      stale: boolean;
      processIds: number[];
      more: boolean;
      circuit: CircuitState;
      failures: number;
    }
  | {
      kind: 'duePurges';
      request: DuePurgesRequest;
      page: PurgePage;
    }
  /** everything has come to rest: a time to compare what is stored */
  | { kind: 'atRest' }
  | { kind: 'dropHistory'; days: number }
  | { kind: 'deletePurged'; days: number; deleted: number[] }
  | { kind: 'registry' };

/** Guards and duties that a planted defect switches off. */
export interface StoreDefects {
  /** versions and revisions are not compared */
  blindWrites?: boolean;
  /** an old registry revision is accepted */
  staleRegistry?: boolean;
  /** commands are not remembered */
  forgetsCommands?: boolean;
  /** a start looks neither at the state nor at who holds the region */
  startsBesideLive?: boolean;
  /** reaching removed leaves what is live in the other regions */
  noSweep?: boolean;
  /** a change without a move of the state leaves no feed row */
  quietChanges?: boolean;
  /** a retry's wake-up is not stored */
  losesWakeUps?: boolean;
  /** a pause of a resource does not raise the registry revision */
  quietPauses?: boolean;
  /** a lifted pause wakes nobody */
  sleepsOn?: boolean;
  /** the clocks go on during a pause */
  clocksRun?: boolean;
  /** the places that are taken are not counted */
  noCount?: boolean;
  /** an open circuit admits */
  openAdmits?: boolean;
  /** what is removed is due to be purged at once */
  hastyPurges?: boolean;
  /** purged resources are never deleted */
  keepsPurged?: boolean;
}
