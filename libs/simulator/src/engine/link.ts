import type { CommitOutcome, CommitTransition, HandlerLimits, WorkRow } from '@drover/contracts';
import type {
  BoundStep,
  HandlerReply,
  HandlerTable,
  Pauses,
  ProcessDefinition,
  TypeDefinition,
} from '@drover/process-model';
import type { Cause } from '../checks/cause.js';
import type { Mutant } from '../mutants.js';
import type { WorkStream } from '../outside/work-stream.js';
import type { Random } from '../random.js';
import type { StoreModel } from '../store/store-model.js';

/** What a reply subject names. */
export interface Address {
  slot: number;
  process: number;
  dispatch: number;
  token: string;
}

/** One view of definitions, handlers and pauses; never changes. */
export interface Registry {
  revision: number;
  handlers: HandlerTable;
  pauses: Pauses;
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
  /** the stream of durable events: what is in it is asked of the broker, by {@link askBroker} */
  readonly work: WorkStream;
  /** the engine's own monotonic clock, milliseconds */
  monotonic(): number;
  /** the database's clock as the engine believes it to be */
  databaseNow(): number;
  /** Runs something later by the engine's clock, unless the engine has died by then. */
  later(millis: number, run: () => void): void;
  /** Asks the store; `answered` gets null when no answer came in time: nobody knows whether it was heard. */
  request<T>(timeoutMillis: number, ask: () => T | undefined, answered: (answer: T | null) => void): void;
  /** Asks the broker itself; null: no answer came. */
  askBroker<T>(timeoutMillis: number, ask: () => T | undefined, answered: (answer: T | null) => void): void;
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
  /** The broker stores the event of a durable attempt, or has no such stream. Called where the broker is. @returns its sequence */
  publishDurably(work: WorkRow, step: BoundStep): number | undefined;
  /** These processes were given places at a handler. Called where the store is. */
  admitted(handler: string, limits: HandlerLimits, work: readonly WorkRow[]): void;
  /** A sweep is about to start the purge of a resource. */
  purging(resourceId: number, removed: number, commandId: string): void;
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
