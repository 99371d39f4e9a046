import type { Json } from '@drover/kernel';
import type { FieldDefinition } from './types.js';

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
  /** a state */
  onCancel?: string | null;
  timeoutMillis?: number;
  retry?: { maxAttempts?: number; initialMillis?: number; maxMillis?: number; jitter?: number };
  waitMillis?: number;
  totalMillis?: number | null;
  preempt?: 'wait' | 'immediate';
  priority?: number;
  description?: string;
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
  delivery?: 'core' | 'durable';
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
  defaultProcesses?: DefaultProcessesDocument | boolean;
  final?: string[];
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
