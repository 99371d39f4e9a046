import type { ProcessView } from '@drover/contracts';
import {
  DroverError,
  formatId,
  type JsonObject,
  parseId,
  PROCESS_EXECUTION_PREFIX,
  PROCESS_INSTANCE_PREFIX,
} from '@drover/kernel';
import { dates, EXIT_REASONS, type ExecutionView, operatorActions } from '@drover/process-model';
import type { RegistrySnapshot } from '@drover/registry';
import { collectionUrl, processUrl } from '../resources/resource-json.js';

/** A process instance as HTTP answers it, live or finished. */
export function processJson(view: ProcessView, snapshot: RegistrySnapshot, base: string): JsonObject {
  const self = processUrl(base, view.id);
  const type = snapshot.types.byName(view.resourceType);
  const resourceId = type === undefined ? String(view.resourceId) : formatId(type.idPrefix, view.resourceId);
  return {
    id: formatId(PROCESS_INSTANCE_PREFIX, view.id),
    type: 'processInstance',
    links: {
      self,
      processExecutions: `${self}/processexecutions`,
      processDefinition: `${base}/processdefinitions/1pd!${view.name}`,
      ...(view.parentId === null ? {} : { parent: processUrl(base, view.parentId) }),
      children: `${base}/processinstances?parentId=${formatId(PROCESS_INSTANCE_PREFIX, view.id)}`,
      ...(type === undefined ? {} : resourceLinks(`${collectionUrl(base, type)}/${resourceId}`)),
    },
    actions: Object.fromEntries(operations(view).map((action) => [action, `${self}?action=${action}`])),
    processName: view.name,
    resourceType: view.resourceType,
    resourceId,
    stateField: view.stateField,
    definitionVersion: view.definitionVersion,
    ...dates('startTime', view.startTime),
    ...dates('endTime', view.live ? null : view.endTime),
    parentId: view.parentId === null ? null : formatId(PROCESS_INSTANCE_PREFIX, view.parentId),
    phase: phaseOf(view),
    exitReason: view.live ? null : view.exitReason,
    result: view.live ? null : (EXIT_REASONS[view.exitReason as keyof typeof EXIT_REASONS]?.result ?? null),
    ...transitioningOf(view),
    executionCount: view.executionCount,
    priority: view.priority,
    accountId: view.accountId === null ? null : formatId('a', view.accountId),
    error: view.errorCode === null ? null : { code: view.errorCode, message: view.errorMessage },
    data: view.data,
  };
}

function resourceLinks(resource: string): Record<string, string> {
  return { resource, why: `${resource}/why` };
}

/** Operator actions that make sense now; the engine has the last word. */
export function operations(view: ProcessView): string[] {
  return view.live ? operatorActions(view.status) : [];
}

function transitioningOf(view: ProcessView): JsonObject {
  if (!view.live) return { status: 'finished', transitioning: 'no', transitioningMessage: null };
  const { status, waitingHandler, errorMessage } = view;
  const message = status === 'waitingHandler' ? `waiting for handler ${waitingHandler ?? ''}` : errorMessage;
  return { status, transitioning: status === 'parked' ? 'error' : 'yes', transitioningMessage: message };
}

const PHASE_NAMES: Record<string, string> = { pre: 'PRE_LISTENERS', handle: 'HANDLERS', post: 'POST_LISTENERS' };

/** Cattle's names. The step's key carries the phase. */
function phaseOf(view: ProcessView): string {
  if (!view.live) return 'DONE';
  const step = view.progress['step'];
  const phase = typeof step === 'string' ? /(?:^|[^a-z])(pre|handle|post)\./.exec(step)?.[1] : undefined;
  if (phase !== undefined) return PHASE_NAMES[phase]!;
  return view.executionCount === 0 ? 'REQUESTED' : 'STARTED';
}

/** One attempt of a process instance, with its steps and transitions. */
export function executionJson(execution: ExecutionView, base: string): JsonObject {
  const { startTime, stopTime, steps, transitions, ...rest } = execution;
  return {
    ...(rest as unknown as JsonObject),
    type: 'processExecution',
    links: {
      self: `${base}/processexecutions/${execution.id}`,
      processInstance: `${base}/processinstances/${execution.processInstanceId}`,
    },
    actions: {},
    ...dates('startTime', startTime),
    ...dates('stopTime', stopTime),
    steps: steps.map((step) => ({ ...step }) as unknown as JsonObject),
    transitions: transitions.map((transition) => ({ ...transition }) as unknown as JsonObject),
  };
}

/** @throws DroverError NotFound */
export function processNumber(id: string): number {
  const parsed = parseId(id.toLowerCase());
  if (parsed === null || parsed.prefix !== PROCESS_INSTANCE_PREFIX) throw noProcess(id);
  return parsed.number;
}

/** `1pe<process number>.<execution>`. @throws DroverError NotFound */
export function executionNumbers(id: string): { process: number; execution: number } {
  const match = new RegExp(`^1${PROCESS_EXECUTION_PREFIX}([1-9]\\d{0,14})\\.([1-9]\\d{0,8})$`).exec(id.toLowerCase());
  if (match === null)
    throw new DroverError('NotFound', `There is no processExecution with the id "${id.slice(0, 100)}"`);
  return { process: Number(match[1]), execution: Number(match[2]) };
}

export function noProcess(id: string): DroverError {
  return new DroverError('NotFound', `There is no processInstance with the id "${id.slice(0, 100)}"`);
}
