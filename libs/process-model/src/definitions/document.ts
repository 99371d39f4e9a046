import type { Json } from '@drover/kernel';
import type { FieldDefinition } from './types.js';

/** Attempts of a step and the pauses between them; codes in `nonRetryable` spend the budget at once. */
export interface RetryDocument {
  maxAttempts?: number;
  initialMillis?: number;
  maxMillis?: number;
  jitter?: number;
  nonRetryable?: string[];
}

/** One process as written: what is left out is filled in by `compileType`. */
export interface ProcessDocument {
  start: string[];
  /** one state, or start state → transitioning state */
  transitioning: string | Record<string, string>;
  /** one state, or transitioning state → done state */
  done: string | Record<string, string>;
  stateField?: string;
  /** verb or full name */
  delegate?: string | { to: string; always?: boolean } | null;
  /** verb or full name */
  onError?: string | null;
  /** a state; `start`: the state the run began in (default); `parked`: stay where it is, for an operator */
  onCancel?: string | null;
  timeoutMillis?: number;
  /** longest silence of a handler at work */
  heartbeatMillis?: number | null;
  retry?: RetryDocument;
  waitMillis?: number;
  totalMillis?: number | null;
  preempt?: 'wait' | 'immediate';
  priority?: number;
  /** processes of this name at work at once; more are held */
  maxConcurrent?: number | null;
  related?: RelatedDocument[];
  /** names of relationships */
  include?: string[];
  /** names of relationships */
  refuseWhile?: string[];
  description?: string;
}

/** Work on related resources. */
export interface RelatedDocument {
  /** name of a relationship */
  forEach: string;
  /** verb of the related type, or full name */
  process: string;
  when?: 'before' | 'with' | 'after';
  order?: 'parallel' | 'sequence';
  onFailure?: 'fail' | 'ignore';
  onCancel?: 'cancel' | 'leave';
  onParentEnd?: 'cancel' | 'leave';
  /** only resources in one of these states */
  states?: string[];
}

/**
 * A relationship besides those of the type's own reference fields: the resources of a type whose field `by` names this one or, with
 * `through` and `to`, many to many by way of the resources of a third type.
 */
export interface RelationshipDocument {
  list: string;
  by: string;
  through?: string;
  to?: string;
}

/** How the generated processes of a type differ from the plain set. */
export interface DefaultProcessesDocument {
  /** state → state, wherever it occurs in a generated process */
  rename?: Record<string, string>;
  /** verb → verb, in names and delegates */
  renameProcess?: Record<string, string>;
  /** verbs that are not generated, before or after renaming */
  exclude?: string[];
}

/** Loads a definition despite a named finding, and says why that is meant. */
export interface Acceptance {
  finding: string;
  state?: string;
  /** verb or full name; narrows the acceptance to one process */
  process?: string;
  why: string;
}

/** A handler's registration, the same over HTTP, over NATS and in a definition file. */
export interface HandlerRegistration {
  name: string;
  uuid?: string;
  description?: string;
  priority?: number;
  /** attempts in all */
  retries?: number | null;
  /** one attempt, milliseconds */
  timeoutMillis?: number | null;
  /** longest silence during an attempt, milliseconds */
  heartbeatMillis?: number | null;
  /** all attempts of a step together, milliseconds */
  totalMillis?: number | null;
  retry?: RetryDocument | null;
  delivery?: 'core' | 'durable';
  /** attempts under way at once, over all engines */
  maxInFlight?: number | null;
  /** so many failed attempts in a row stop its attempts for so long */
  circuitBreaker?: { failures: number; openMillis: number } | null;
  processConfigs?: { name: string; onError?: string | null }[];
  /** Cattle's older spelling: comma-separated process names */
  processNames?: string;
  data?: { [key: string]: Json };
}

export interface ResourceTypeDocument {
  apiVersion: 'drover/v1';
  kind: 'ResourceType';
  name: string;
  description?: string;
  plural?: string;
  idPrefix?: string;
  extends?: string | null;
  fields?: Record<string, FieldDefinition>;
  stateFields?: Record<string, { initial: string }>;
  relationships?: Record<string, RelationshipDocument>;
  defaultProcesses?: DefaultProcessesDocument | boolean;
  final?: string[];
  /** how long a resource stays `removed` before `purge` is started on it, milliseconds; null: for ever */
  purgeAfterMillis?: number | null;
  /** processes of this type at work at once; more are held */
  maxConcurrent?: number | null;
  processes?: Record<string, ProcessDocument>;
  accept?: Acceptance[];
  handlers?: HandlerRegistration[];
}

/** Handlers that belong to no single type. */
export interface HandlersDocument {
  apiVersion: 'drover/v1';
  kind: 'Handlers';
  handlers: HandlerRegistration[];
}

export type Document = ResourceTypeDocument | HandlersDocument;
