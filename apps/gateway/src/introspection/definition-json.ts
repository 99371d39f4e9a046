import type { JsonObject } from '@drover/kernel';
import type { BoundStep, Phase, ProcessDefinition, TypeDefinition } from '@drover/process-model';
import { collectionUrl } from '../resources/resource-json.js';

export const processDefinitionId = (name: string): string => `1pd!${name}`;
export const resourceDefinitionId = (name: string): string => `1rd!${name}`;

export function processDefinitionUrl(base: string, name: string): string {
  return `${base}/processdefinitions/${processDefinitionId(name)}`;
}

export function resourceDefinitionUrl(base: string, name: string): string {
  return `${base}/resourcedefinitions/${resourceDefinitionId(name)}`;
}

/** A process definition as the API shows it (Cattle's shape, with what Cattle hid: delegate, error and cancel paths). */
export function processDefinitionJson(
  process: ProcessDefinition,
  type: TypeDefinition,
  steps: BoundStep[],
  base: string,
): JsonObject {
  const self = processDefinitionUrl(base, process.name);
  const owner = resourceDefinitionUrl(base, type.name);
  const { name, resourceType, stateField, startStates, timeoutMillis, waitMillis, totalMillis, priority, preempt } =
    process;
  return {
    id: processDefinitionId(name),
    type: 'processDefinition',
    links: {
      self,
      processDot: `${self}/processdot`,
      resourceDot: `${owner}/resourcedot`,
      processes: `${base}/processdefinitions?resourceType=${type.name}`,
      processInstances: `${base}/processinstances?processName=${name}`,
      resourceDefinition: owner,
      definition: `${base}/definitions/${type.name}`,
    },
    actions: {},
    name,
    description: process.description ?? null,
    resourceType,
    stateField,
    startStates,
    stateTransitions: stateTransitions(process),
    delegate: process.delegate?.process ?? null,
    delegateAlways: process.delegate?.always ?? false,
    onError: process.onError,
    onCancel: process.parksOnCancel ? 'parked' : (process.onCancel ?? 'start'),
    timeoutMillis,
    heartbeatMillis: process.heartbeatMillis,
    retry: { ...process.retry, nonRetryable: [...process.retry.nonRetryable] },
    waitMillis,
    totalMillis,
    priority,
    preempt,
    related: process.related.map((work) => ({ ...work })),
    include: process.include,
    refuseWhile: process.refuseWhile,
    definitionVersion: type.version,
    extensionBased: true,
    preProcessListeners: extensionPoint(process, 'pre', 'pre.listeners', steps),
    processHandlers: extensionPoint(process, 'handle', 'handlers', steps),
    postProcessListeners: extensionPoint(process, 'post', 'post.listeners', steps),
  };
}

/** A resource type as the API shows it. */
export function resourceDefinitionJson(type: TypeDefinition, base: string): JsonObject {
  const self = resourceDefinitionUrl(base, type.name);
  return {
    id: resourceDefinitionId(type.name),
    type: 'resourceDefinition',
    links: {
      self,
      resourceDot: `${self}/resourcedot`,
      processes: `${self}/processes`,
      definition: `${base}/definitions/${type.name}`,
      resources: collectionUrl(base, type),
    },
    actions: {},
    name: type.name,
    description: type.description ?? null,
    pluralName: type.plural,
    idPrefix: type.idPrefix,
    version: type.version,
    system: type.system,
    stateFields: ['state', ...Object.keys(type.stateFields)],
    finalStates: type.finalStates,
    relationships: Object.fromEntries(
      Object.entries(type.relationships).map(([name, relationship]) => [name, { ...relationship }]),
    ),
    purgeAfterMillis: type.purgeAfterMillis,
    processNames: Object.values(type.processes).map(({ name }) => name),
    stateTransitions: Object.values(type.processes).flatMap(stateTransitions),
  };
}

/** Its `type` is TRANSITIONING or DONE, as in Cattle: the kind of the edge, not a schema's name. */
function stateTransitions({ name, stateField: field, transitioning, done }: ProcessDefinition): JsonObject[] {
  const edges = (map: Record<string, string>, type: string): JsonObject[] =>
    Object.entries(map).map(([fromState, toState]) => ({ fromState, toState, field, type, process: name }));
  return [...edges(transitioning, 'TRANSITIONING'), ...edges(done, 'DONE')];
}

function extensionPoint(process: ProcessDefinition, phase: Phase, point: string, steps: BoundStep[]): JsonObject {
  return {
    type: 'extensionPoint',
    name: `process.${process.name}.${point}`,
    implementations: steps.filter((step) => step.phase === phase).map((step) => implementation(process, step)),
  };
}

function implementation(process: ProcessDefinition, { handler, onError }: BoundStep): JsonObject {
  return {
    name: handler.name,
    kind: handler.kind,
    properties: {
      priority: handler.priority,
      retries: handler.retries ?? process.retry.maxAttempts,
      timeoutMillis: handler.timeoutMillis ?? process.timeoutMillis,
      heartbeatMillis: handler.heartbeatMillis ?? process.heartbeatMillis,
      totalMillis: handler.totalMillis ?? null,
      maxInFlight: handler.limits?.maxInFlight ?? null,
      circuitBreaker: (handler.limits?.circuitBreaker ?? null) as JsonObject | null,
      onError,
      ...(handler.kind === 'external' ? { delivery: handler.delivery } : {}),
    },
  };
}
