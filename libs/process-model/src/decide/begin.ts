import type { ProcessFields, ProcessInsert, StepRecord } from '@drover/contracts';
import type { JsonObject } from '@drover/kernel';
import type { ProcessDefinition } from '../definitions/types.js';
import { stepsOf } from '../handlers/steps-of.js';
import { beforeTotal, isDurable } from './attempts.js';
import type { Effect, Surroundings } from './draft.js';
import { LOOK_MILLIS } from './durable.js';
import { heldAtStart } from './gates.js';
import { arm } from './policies.js';
import { newProgress, packProgress, type Predecessor, predecessorLeftMillis, type Progress } from './progress.js';

/** A process that only needs its next decision is looked at again after this long, should the engine that owes it die. */
export const READY_LEASE_MILLIS = 5_000;

export interface BeginOptions {
  /** 0: the commit makes the resource, so no pause of it is set */
  resourceId: number;
  /** of the resource; undefined: not known, since it has not been read */
  accountId?: number | null;
  data: JsonObject;
  notify: string | null;
  /** secret of the reply subjects, made by the engine: decisions have no randomness */
  token: string;
  /** null: the region's state before the commit */
  beganState: string | null;
  /** the move that begins it, where it is known */
  entry?: { from: string; to: string };
  cause?: { code: string; message: string } | null;
  errorPath?: string[];
  predecessor?: Predecessor | null;
  /** the operator's act that started it */
  audit?: { code: string; message: string };
  /** the process that started this one on a related resource */
  parentId?: number | null;
  parentDispatch?: number | null;
  /** when the database read the row that the predecessor's deadline comes from */
  readAt?: number;
}

function startedBy(process: string, now: number, error: { code: string; message: string }): StepRecord {
  return {
    execution: 1,
    process,
    phase: 'handle',
    handler: '-',
    attempt: 0,
    start: now,
    stop: now,
    outcome: 'done',
    error,
  };
}

/**
 * A new process with its first step under way, or held before it: what schedule, chain, onError and pre-emption insert. `message`:
 * what the resource says while it is held, or null.
 */
export function beginProcess(
  definition: ProcessDefinition,
  around: Surroundings,
  options: BeginOptions,
): { insert: ProcessInsert; effects: Effect[]; message: string | null } {
  const steps = stepsOf(around, definition.name);
  const { predecessor = null, cause = null, errorPath = [], entry, readAt = 0 } = options;
  const progress: Progress = {
    ...newProgress(),
    plan: steps.map((step) => step.key),
    predecessor,
    cause,
    errorPath,
    transitions: entry === undefined ? [] : [{ ...entry, kind: 'transitioning' }],
  };
  if (options.audit !== undefined) progress.steps = [startedBy(definition.name, around.now, options.audit)];
  const base: ProcessFields & Omit<ProcessInsert, keyof ProcessFields> = {
    name: definition.name,
    status: 'ready',
    waitingHandler: null,
    slot: around.slot,
    dispatch: 0,
    executionCount: 1,
    progress: {},
    predecessorId: predecessor?.processId ?? null,
    parentId: options.parentId ?? null,
    parentDispatch: options.parentDispatch ?? null,
    heldBy: null,
    admitted: null,
    errorCode: null,
    errorMessage: null,
    deadlineMillis: null,
    waitDeadlineMillis: null,
    wakeMillis: READY_LEASE_MILLIS,
    definitionVersion: around.type.version,
    stateField: definition.stateField,
    token: options.token,
    data: options.data,
    notify: options.notify,
    beganState: options.beganState,
    priority: definition.priority,
    totalMillis: definition.totalMillis,
  };
  const first = steps[0];
  if (first !== undefined) {
    progress.step = first.key;
    progress.attempt = 1;
  }
  const waits = predecessor !== null && first?.handler.kind === 'external';
  const held = waits ? null : heldAtStart(definition, around, options, first ?? null);
  if (held !== null) {
    const insert = { ...base, ...held.fields, progress: packProgress(progress) };
    return { insert, effects: held.effects, message: held.message };
  }
  if (first === undefined)
    return { insert: { ...base, progress: packProgress(progress) }, effects: [{ kind: 'advance' }], message: null };
  if (waits) {
    const wait = predecessorLeftMillis(predecessor, readAt);
    const wakeMillis = beforeTotal(wait, definition.totalMillis);
    const waiting = { status: 'waitingPredecessor', deadlineMillis: wait, wakeMillis } as const;
    return { insert: { ...base, ...waiting, progress: packProgress(progress) }, effects: [], message: null };
  }
  if (first.related !== undefined) {
    progress.family = true;
    const waiting = { status: 'waitingChildren', slot: null, dispatch: 1 } as const;
    const wakeMillis = beforeTotal(READY_LEASE_MILLIS, definition.totalMillis);
    return {
      insert: { ...base, ...waiting, wakeMillis, progress: packProgress(progress) },
      effects: [{ kind: 'related' }],
      message: null,
    };
  }
  if (isDurable(first)) {
    progress.work = { sequence: 0, stream: 0 };
    const { waitMillis: waitDeadlineMillis, totalMillis } = definition;
    const out = { status: 'dispatched', dispatch: 1, waitDeadlineMillis } as const;
    const wakeMillis = beforeTotal(LOOK_MILLIS, totalMillis);
    return {
      insert: { ...base, ...out, wakeMillis, progress: packProgress(progress) },
      effects: [{ kind: 'dispatch' }],
      message: null,
    };
  }
  const external = first.handler.kind === 'external';
  const { deadlineMillis, bounds } = arm(definition, first.handler, null);
  progress.bounds = bounds;
  return {
    insert: {
      ...base,
      progress: packProgress(progress),
      status: external ? 'dispatched' : 'running',
      dispatch: 1,
      deadlineMillis,
      wakeMillis: beforeTotal(deadlineMillis, definition.totalMillis),
    },
    effects: [{ kind: external ? 'dispatch' : 'run' }],
    message: null,
  };
}
