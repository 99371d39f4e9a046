import type { FinishedProcessRow, WhyRow } from '@drover/contracts';
import { formatId, type JsonObject, PROCESS_INSTANCE_PREFIX } from '@drover/kernel';
import { dates, isScope, legalActions, operatorActions, splitScope, type TypeDefinition } from '@drover/process-model';
import type { RegistrySnapshot } from '@drover/registry';
import { processUrl, resourceUrl } from '../resources/resource-json.js';
import { sentence } from './sentence.js';
import { type Around, maxInFlightOf, type Work, workOf } from './work.js';

export interface WhyView {
  type: TypeDefinition;
  snapshot: RegistrySnapshot;
  base: string;
  /** what is known of each live process, in the order of the rows */
  around: readonly Around[];
}

/** Why a resource is as it is: one sentence for people, and the facts it is made of. */
export function whyJson(why: WhyRow, view: WhyView): JsonObject {
  const { resource: row, lastFinished, readAt } = why;
  const { type, snapshot, base } = view;
  const states = Object.fromEntries(Object.entries(row.regions).map(([name, { state }]) => [name, state]));
  const work = why.processes.map((process, i) =>
    workOf(process, process.stateField === 'state' ? row.state : (states[process.stateField] ?? ''), view.around[i]!),
  );
  const actions = legalActions(type, row.state, states);
  const resourceId = formatId(type.idPrefix, row.id);
  const self = resourceUrl(base, type, row.id);
  const nameOf = (name: string, number: number) => `${name} ${idOf(snapshot, name, number)}`;
  return {
    type: 'why',
    resourceId,
    resourceType: type.name,
    links: { self: `${self}/why`, resource: self, processInstances: `${self}/processinstances` },
    message: sentence({ row, name: `${type.name} ${resourceId}`, lastFinished, readAt, actions, nameOf }, work),
    state: row.state,
    transitioning: row.transitioning,
    ...dates('time', readAt),
    processes: work.map((one) => processFacts(one, { snapshot, base, readAt })),
    lastFinished: lastFinished === null ? null : finishedFacts(lastFinished, base),
    actions: Object.fromEntries(actions.map((verb) => [verb, `${self}?action=${verb}`])),
  };
}

interface Names {
  snapshot: RegistrySnapshot;
  base: string;
  readAt: number;
}

function processFacts(work: Work, names: Names): JsonObject {
  const { process, state, phase, handler, attempt, maxAttempts, step, listening, clock } = work;
  const self = processUrl(names.base, process.id);
  return {
    id: formatId(PROCESS_INSTANCE_PREFIX, process.id),
    links: { self },
    processName: process.name,
    stateField: process.stateField,
    state,
    status: process.status,
    phase,
    handler,
    handlerKind: step?.handler.kind ?? null,
    handlerConnected: listening,
    durable: durableFacts(work),
    attempt,
    maxAttempts,
    error: errorOf(process),
    nextWake:
      clock === null
        ? null
        : { clock: clock.clock, inMillis: clock.inMillis, ...dates('time', names.readAt + clock.inMillis) },
    clocks: {
      attempt: process.deadlineInMillis,
      waiting: process.waitDeadlineInMillis,
      total: process.totalDeadlineInMillis,
    },
    gate: gateFacts(work),
    predecessor: predecessorFacts(work, names.base),
    children: childrenFacts(work, names),
    actions: Object.fromEntries(operatorActions(process.status).map((verb) => [verb, `${self}?action=${verb}`])),
  };
}

function durableFacts({ durable }: Work): JsonObject | null {
  if (durable === null) return null;
  const { waitingPulls, pending, unacknowledged, lastActive } = durable;
  return { waitingPulls, pending, unacknowledged, ...dates('lastActive', lastActive) };
}

function gateFacts(work: Work): JsonObject | null {
  const { gate, heldBy } = work.process;
  if (gate === null) return null;
  const [kind, target] = splitScope(heldBy);
  const { limit, circuit, pause } = gate;
  return {
    scope: heldBy,
    kind: kind === 'limit' ? (circuit?.opened === true ? 'circuit' : 'limit') : 'pause',
    handler: (kind === 'limit' && !isScope(target)) || kind === 'handler' ? target : null,
    ...dates('since', pause?.since ?? gate.heldSince),
    operator: pause?.operator ?? null,
    reason: pause?.reason ?? null,
    maxInFlight: maxInFlightOf(work),
    inFlight: limit?.admitted ?? null,
    ahead: limit?.ahead ?? null,
    failures: circuit?.failures ?? null,
    opensInMillis: circuit?.openForMillis ?? null,
  };
}

function predecessorFacts({ process, predecessorId, handler }: Work, base: string): JsonObject | null {
  if (process.status !== 'waitingPredecessor' || predecessorId === null) return null;
  return {
    id: formatId(PROCESS_INSTANCE_PREFIX, predecessorId),
    links: { self: processUrl(base, predecessorId) },
    handler,
  };
}

function childrenFacts({ process }: Work, { snapshot, base }: Names): JsonObject | null {
  if (process.childCount === 0) return null;
  return {
    count: process.childCount,
    data: process.children.map((child) => {
      const type = snapshot.types.byName(child.resourceType);
      return {
        id: formatId(PROCESS_INSTANCE_PREFIX, child.id),
        processName: child.name,
        status: child.status,
        resourceType: child.resourceType,
        resourceId: idOf(snapshot, child.resourceType, child.resourceId),
        state: child.state,
        message: child.errorMessage,
        links: {
          self: processUrl(base, child.id),
          ...(type === undefined ? {} : { why: `${resourceUrl(base, type, child.resourceId)}/why` }),
        },
      };
    }),
  };
}

function finishedFacts(last: FinishedProcessRow, base: string): JsonObject {
  return {
    id: formatId(PROCESS_INSTANCE_PREFIX, last.id),
    links: { self: processUrl(base, last.id) },
    processName: last.name,
    exitReason: last.exitReason,
    error: errorOf(last),
    ...dates('endTime', last.endTime),
  };
}

function errorOf(row: { errorCode: string | null; errorMessage: string | null }): JsonObject | null {
  return row.errorCode === null ? null : { code: row.errorCode, message: row.errorMessage };
}

function idOf(snapshot: RegistrySnapshot, type: string, number: number): string {
  const prefix = snapshot.types.byName(type)?.idPrefix;
  return prefix === undefined ? String(number) : formatId(prefix, number);
}
