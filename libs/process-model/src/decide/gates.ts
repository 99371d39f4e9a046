import type { HandlerLimits, PauseRow, ProcessFields } from '@drover/contracts';
import { formatId } from '@drover/kernel';
import type { ProcessDefinition, TypeDefinition } from '../definitions/types.js';
import type { BoundStep } from '../handlers/bindings.js';
import { beforeTotal } from './attempts.js';
import type { Draft, Effect, Surroundings } from './draft.js';
import { isScope, type Limits, scopeName } from './limits.js';
import { limitOf, splitScope } from './pauses.js';
import { clip } from './progress.js';
import type { StepError } from './reply.js';

/**
 * A process that waits for its admission is looked at again after this long, should the engine that asks for it die. Until then it
 * says nothing: most are admitted within milliseconds, and a message would be two revisions of the resource.
 */
const SILENT_MILLIS = 2_000;

/** Holds the next attempt, or the end of a process without further handlers (null), where a gate is closed. */
export function isHeld(draft: Draft, step: BoundStep | null): boolean {
  if (isPaused(draft, step)) return true;
  const { process } = draft;
  if (step !== null && isLimited(draft, step)) return true;
  const limited = step !== null && step.handler.limits !== null;
  if (limited && !(process.status === 'held' && process.admitted === step.handler.name)) {
    holdForPlace(draft, step);
    return true;
  }
  draft.admitted = limited ? step.handler.name : null;
  // What is said now is why it was held.
  if (process.status === 'held' && draft.region.message !== null) draft.say('yes', null);
  return false;
}

/** A limit of account, type or process, in that order; work on related resources needs no place. */
function isLimited(draft: Draft, step: BoundStep): boolean {
  if (step.related !== undefined) return false;
  const { process, resource, around, progress } = draft;
  const limited = {
    type: around.type,
    process: draft.name,
    account: resource.accountId,
    isChild: process.parentId !== null,
  };
  const scope = around.limits.next(limited, progress.places);
  if (scope === null) return false;
  holdFor(draft, scope, scopeMessage(scope, around.limits));
  return true;
}

/** As {@link isHeld}, for an attempt that has its place already. */
export function isPaused(draft: Draft, step: BoundStep | null): boolean {
  const { type, pauses } = draft.around;
  const pause = pauses.of(type, draft.resource.id, step?.handler.name ?? null);
  if (pause === null) return false;
  hold(draft, pause.scope);
  draft.wakeMillis = null;
  // The handler's own total is a point in time, and this one stands still: it begins anew.
  draft.progress.bounds = null;
  draft.say('yes', pauseMessage(pause, type));
  return true;
}

function hold(draft: Draft, heldBy: string): void {
  draft.status = 'held';
  draft.heldBy = heldBy;
  draft.admitted = null;
  draft.deadlineMillis = null;
  draft.notAfter = null;
}

function holdForPlace(draft: Draft, step: BoundStep): void {
  holdFor(draft, step.handler.name, placeMessage(step.handler.name, step.handler.limits!));
}

/** @param name of the handler, or a limit's scope */
function holdFor(draft: Draft, name: string, message: string): void {
  const { heldBy } = draft.process;
  const gate = limitOf(name);
  hold(draft, gate);
  const wait = waitLeft(draft);
  draft.waitDeadlineMillis = wait.clock;
  const { totalDeadlineInMillis: total } = draft.process;
  if (heldBy === gate) {
    draft.wakeMillis = beforeTotal(wait.millis, total);
    draft.say('yes', message);
  } else {
    draft.wakeMillis = beforeTotal(Math.min(SILENT_MILLIS, wait.millis), total);
    if (heldBy !== null) draft.say('yes', null);
  }
  draft.effects.push({ kind: 'admit', handler: name, waits: true });
}

/** The waiting clock: what is left of it, or all of it when it begins now. */
function waitLeft(draft: Draft): { millis: number; clock: ProcessFields['waitDeadlineMillis'] } {
  const { waitMillis } = draft.definition!;
  const left = draft.waitDeadlineMillis === null ? null : draft.process.waitDeadlineInMillis;
  return left === null ? { millis: waitMillis, clock: waitMillis } : { millis: left, clock: 'keep' };
}

/**
 * How a new process begins where a gate is closed.
 * @param step its first step, or null: it has none
 */
export function heldAtStart(
  definition: ProcessDefinition,
  around: Surroundings,
  { resourceId, accountId, parentId }: { resourceId: number; accountId?: number | null; parentId?: number | null },
  step: BoundStep | null,
): {
  fields: Pick<ProcessFields, 'status' | 'heldBy' | 'waitDeadlineMillis' | 'wakeMillis'>;
  message: string | null;
  effects: Effect[];
} | null {
  const pause = around.pauses.of(around.type, resourceId, step?.handler.name ?? null);
  if (pause !== null)
    return {
      fields: { status: 'held', heldBy: pause.scope, waitDeadlineMillis: null, wakeMillis: null },
      message: pauseMessage(pause, around.type),
      effects: [],
    };
  if (step === null) return null;
  const name = firstGate(definition, around, { accountId, isChild: parentId != null }, step);
  if (name === null) return null;
  const { waitMillis, totalMillis } = definition;
  // Its account is in the resource, which has not been read: the first decision on the process finds it there.
  if (name === 'unknown')
    return {
      fields: {
        status: 'ready',
        heldBy: null,
        waitDeadlineMillis: null,
        wakeMillis: beforeTotal(SILENT_MILLIS, totalMillis),
      },
      message: null,
      effects: [{ kind: 'advance' }],
    };
  const wakeMillis = beforeTotal(Math.min(SILENT_MILLIS, waitMillis), totalMillis);
  return {
    fields: { status: 'held', heldBy: limitOf(name), waitDeadlineMillis: waitMillis, wakeMillis },
    message: null,
    effects: [{ kind: 'admit', handler: name, waits: true }],
  };
}

/** What a new process has to pass first, by name or scope; `unknown`: perhaps its account's limit. */
function firstGate(
  { name: process }: ProcessDefinition,
  { type, limits }: Surroundings,
  { accountId: account, isChild }: { accountId: number | null | undefined; isChild: boolean },
  { related, handler }: BoundStep,
): string | null {
  const scope = related !== undefined ? null : limits.next({ type, process, account, isChild }, []);
  return scope ?? (handler.limits === null ? null : handler.name);
}

/**
 * No place was free, or the circuit is not closed: from now on the resource says so.
 * @param failures attempts that failed in a row while the circuit is not closed, else null
 */
export function notAdmitted(draft: Draft, handler: string, failures: number | null): string | null {
  const { process } = draft;
  if (process.status !== 'held' || process.heldBy !== limitOf(handler) || process.admitted !== null)
    return 'waits for no place at this handler';
  const message = busyMessage(draft, handler, failures);
  if (message === null) return 'there is no such limit any more';
  if (draft.region.message === message) return 'says so already';
  draft.heldBy = process.heldBy;
  const wait = waitLeft(draft);
  draft.waitDeadlineMillis = wait.clock;
  draft.wakeMillis = beforeTotal(wait.millis, process.totalDeadlineInMillis);
  draft.say('yes', message);
  return null;
}

/** Why no place is free, or null: the limit is gone. */
function busyMessage(draft: Draft, name: string, failures: number | null): string | null {
  const { limits: set } = draft.around;
  if (isScope(name)) return set.maximumOf(name) === null ? null : scopeMessage(name, set);
  const limits = draft.currentStep()?.handler.limits ?? null;
  if (limits === null) return null;
  return failures === null ? placeMessage(name, limits) : circuitMessage(name, failures);
}

/** The failure of a process that waited for a place longer than its waiting clock allows, or null. */
export function waitedTooLong(draft: Draft): StepError | null {
  const { heldBy, admitted, waitDeadlineInMillis } = draft.process;
  const [kind, name] = splitScope(heldBy);
  if (kind !== 'limit' || admitted !== null) return null;
  const who = isScope(name) ? `The limit of ${scopeName(name)}` : `Handler ${name}`;
  if (waitDeadlineInMillis === null || waitDeadlineInMillis > 0) return null;
  draft.expectPassed = 'wait';
  const message = `${who} has admitted no attempt of this process for ${draft.definition!.waitMillis} ms`;
  return { code: 'HandlerBusy', message, retryable: false };
}

/** Tells the handler's circuit breaker, if it has one, what became of an attempt. */
export function reportOutcome(draft: Draft, failed: boolean): void {
  const handler = draft.currentStep()?.handler;
  if (handler?.limits?.circuitBreaker != null) draft.effects.push({ kind: 'outcome', handler: handler.name, failed });
}

function pauseMessage({ scope, operator, reason }: PauseRow, type: TypeDefinition): string {
  const why = reason === null ? '' : `: ${reason}`;
  return clip(`held: ${pausedThing(scope, type)} is paused by ${operator ?? 'an operator'}${why}`);
}

function pausedThing(scope: string, type: TypeDefinition): string {
  if (scope === 'cluster') return 'the cluster';
  const [kind, name] = splitScope(scope);
  return kind === 'resource' ? `${type.name} ${formatId(type.idPrefix, Number(name))}` : `${kind} ${name}`;
}

function placeMessage(handler: string, { maxInFlight }: HandlerLimits): string {
  return maxInFlight === null
    ? `waiting: handler ${handler} admits no further attempt now`
    : `waiting: handler ${handler} works on its maximum of ${maxInFlight}`;
}

function scopeMessage(scope: string, limits: Limits): string {
  return `waiting: ${scopeName(scope)} has its maximum of ${limits.maximumOf(scope)} at work`;
}

function circuitMessage(handler: string, failures: number): string {
  return `handler ${handler}: circuit open after ${failures} failures`;
}
