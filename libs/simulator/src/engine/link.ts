import type { CommitOutcome, CommitTransition, WorkRow } from '@drover/contracts';
import type { BoundStep, HandlerReply, HandlerTable, ProcessDefinition, TypeDefinition } from '@drover/process-model';
import type { Mutant } from '../mutants.js';
import type { Random } from '../random.js';
import type { StoreModel } from '../store/store-model.js';
import type { Cause } from '../world/checks.js';

/** What a reply subject names. */
export interface Address {
  slot: number;
  process: number;
  dispatch: number;
  token: string;
}

/** One view of definitions and handlers; never changes. */
export interface Registry {
  revision: number;
  handlers: HandlerTable;
  /** present version of each type, by name */
  types: ReadonlyMap<string, TypeDefinition>;
}

/** A reply in the durable stream. */
export interface StoredReply {
  address: Address;
  reply: HandlerReply;
  ack: () => void;
}

/** What an engine has to do with: time, the store behind an unreliable bus, the broker. Made for one life of the engine. */
export interface EngineLink {
  readonly random: Random;
  readonly mutant: Mutant | null;
  readonly store: StoreModel;
  /** the engine's own monotonic clock, milliseconds */
  monotonic(): number;
  /** the database's clock as the engine believes it to be */
  databaseNow(): number;
  /** Runs something later by the engine's clock, unless the engine has died by then. */
  later(millis: number, run: () => void): void;
  /** Asks the store; `answered` gets null when no answer came in time: nobody knows whether it was heard. */
  request<T>(timeoutMillis: number, ask: () => T | undefined, answered: (answer: T | null) => void): void;
  /** Commits a batch in the store, or part of it (then it answers nothing). Called where the store is, not in the engine. */
  commitBatch(batch: { transition: CommitTransition; cause: Cause }[]): CommitOutcome[] | undefined;
  /** The registry as the store has it. Called where the store is. */
  readRegistry(): Registry;
  /** The store tells all engines that work is due. Called where the store is. */
  hintDue(): void;
  typeAt(name: string, version: number): TypeDefinition;
  processNamed(name: string): ProcessDefinition;
  /** Publishes the event of the attempt under way. `unheard` is called when nobody subscribes. */
  publish(work: WorkRow, step: BoundStep, unheard: () => void): void;
  notice(handler: string, attempt: string): void;
  /** Runs an in-process handler. */
  runInProcess(work: WorkRow, step: BoundStep, answered: (reply: HandlerReply) => void): void;
  ended(processId: number, exitReason: string): void;
  /** Makes sure that the reply stream and the consumer of a slot exist, and reads it. @returns true when the stream was made anew */
  openSlot(slot: number, received: (reply: StoredReply) => void): boolean;
  closeSlot(slot: number): void;
  unread(slot: number): number;
  acknowledged(address: Address, reply: HandlerReply): void;
  /** A point at which an engine may die. */
  crashPoint(): void;
  /** A new secret of reply subjects. */
  token(): string;
  note(text: () => string): void;
}
