import type { CommitTransition, ProcessFields, ProcessInsert, ResourceChange } from '@drover/contracts';
import { newToken, uuidv7 } from '@drover/kernel';
import { guards } from '@drover/process-model';
import type { AdmitRequest } from '../gates/admissions.service.js';

/** Builders of transitions, with everything a test does not care about filled in. */

export function blank(over: Partial<CommitTransition> = {}): CommitTransition {
  return { ...guards(Number.MAX_SAFE_INTEGER), ...over };
}

export function change(toState: ResourceChange['toState'], over: Partial<ResourceChange> = {}): ResourceChange {
  return {
    toState,
    feedKind: 'transitioning',
    process: 'volume.activate',
    transitioning: 'yes',
    message: null,
    progress: null,
    data: null,
    ...over,
  };
}

export function fields(over: Partial<ProcessFields> = {}): ProcessFields {
  return {
    name: 'volume.activate',
    status: 'dispatched',
    waitingHandler: null,
    slot: 0,
    dispatch: 1,
    executionCount: 1,
    progress: { v: 1 },
    predecessorId: null,
    heldBy: null,
    admitted: null,
    errorCode: null,
    errorMessage: null,
    deadlineMillis: 30_000,
    waitDeadlineMillis: null,
    wakeMillis: 'deadline',
    ...over,
  };
}

export function start(over: Partial<ProcessInsert> = {}): ProcessInsert {
  return {
    ...fields(),
    beganState: null,
    definitionVersion: 1,
    stateField: 'state',
    token: newToken(),
    data: { asked: true },
    notify: null,
    priority: 0,
    parentId: null,
    parentDispatch: null,
    totalMillis: null,
    ...over,
  };
}

/** A new volume; `toState` null leaves it in `requested`, with no process. */
export function create(toState: string | null = null, over: Partial<CommitTransition> = {}): CommitTransition {
  return blank({
    insert: {
      type: 'volume',
      kind: 'volume',
      uuid: uuidv7(),
      name: 'v',
      description: null,
      data: { size: 1 },
      accountId: null,
      regions: {},
    },
    change: toState === null ? null : change(toState, { process: 'volume.create' }),
    start: toState === null ? null : start({ name: 'volume.create' }),
    ...over,
  });
}

/** Starts `volume.activate` on a resting volume. */
export function schedule(resourceId: number, over: Partial<CommitTransition> = {}): CommitTransition {
  return blank({
    commandId: uuidv7(),
    commandHash: 'h',
    resourceId,
    expectType: 'volume',
    expectStates: ['requested', 'inactive'],
    change: change('activating'),
    start: start(),
    ...over,
  });
}

/** Ends a process: its resource rests in `toState`. */
export function finish(
  resourceId: number,
  processId: number,
  processVersion: number,
  toState = 'inactive',
  over: Partial<CommitTransition> = {},
): CommitTransition {
  return blank({
    resourceId,
    expectType: 'volume',
    processId,
    processVersion,
    change: change(toState, { feedKind: 'done', transitioning: 'no' }),
    end: { exitReason: 'DONE', progress: { v: 1 }, errorCode: null, errorMessage: null },
    ...over,
  });
}

/** An engine asks for places at a gate, and has no outcomes to tell. */
export function asksFor(handler: string, maxInFlight: number, over: Partial<AdmitRequest> = {}): AdmitRequest {
  return {
    handler,
    registryRevision: Number.MAX_SAFE_INTEGER,
    limits: { maxInFlight, circuitBreaker: null },
    outcomes: { succeeded: false, failed: 0 },
    limit: 200,
    leaseMillis: 60_000,
    ...over,
  };
}
