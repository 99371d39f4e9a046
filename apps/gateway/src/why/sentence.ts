import type { FinishedProcessRow, ResourceRow, WhyChild, WhyGate } from '@drover/contracts';
import { formatId, PROCESS_INSTANCE_PREFIX } from '@drover/kernel';
import { isScope, scopeName, splitScope } from '@drover/process-model';
import { maxInFlightOf, type Work } from './work.js';

/** What the sentence is about besides its processes. */
export interface Subject {
  row: ResourceRow;
  /** `instance 1i5` */
  name: string;
  lastFinished: FinishedProcessRow | null;
  /** the database's clock when all this was read, epoch milliseconds */
  readAt: number;
  /** what may be done with the resource now */
  actions: readonly string[];
  /** how a resource of another type is named */
  nameOf: (type: string, number: number) => string;
}

/** One sentence for people. */
export function sentence(subject: Subject, work: readonly Work[]): string {
  if (work.length === 0) return `${subject.name} ${restingClause(subject)}`;
  return `${subject.name} ${work.map((one) => `${placeOf(one)}: ${clauseOf(one, subject)}`).join('; and ')}`;
}

function restingClause({ row, lastFinished, readAt, actions }: Subject): string {
  const failed = row.transitioning === 'error' && row.message !== null ? ` after a failure: ${row.message}` : '';
  const possible = actions.length === 0 ? '' : `; possible now: ${actions.join(', ')}`;
  return `rests in ${row.state}${failed}; nothing is going on${lastClause(lastFinished, readAt)}${possible}`;
}

function lastClause(last: FinishedProcessRow | null, readAt: number): string {
  if (last === null) return '';
  const error = last.errorMessage === null || last.exitReason === 'DONE' ? '' : `: ${last.errorMessage}`;
  return `; ${last.name} ended ${duration(readAt - last.endTime)} ago (${last.exitReason})${error}`;
}

/** What the process works on: the state, or a region besides it. */
function placeOf({ process, state }: Work): string {
  return process.stateField === 'state' ? `is ${state}` : `has ${process.stateField} ${state || 'unknown'}`;
}

function clauseOf(work: Work, subject: Subject): string {
  const { name, status, errorMessage } = work.process;
  const by = work.handler === null ? 'its handler' : `handler ${work.handler}`;
  const attempt = attemptText(work);
  const error = errorMessage === null ? '' : `: ${errorMessage}`;
  switch (status) {
    case 'ready':
      return `${name} goes on in a moment`;
    case 'running':
      return `${name} runs the built-in ${by} (${attempt})${timeLeft(work)}`;
    case 'dispatched':
      return `${name} waits for the answer of ${by} (${attempt})${timeLeft(work)}${absence(work)}${error && `; so far${error}`}`;
    case 'backoff':
      return `${name} tries ${by} again in ${clockText(work)}; ${attempt} failed${error}`;
    case 'delayed':
      return `${name} waits ${clockText(work)} more, as ${by} asked to be called later`;
    case 'waitingHandler':
      return `${name} waits for ${by}, ${presence(work)}; no attempt is spent`;
    case 'waitingPredecessor':
      return `${name} waits until ${by} answers the attempt that was cancelled${predecessor(work)}${timeLeft(work)}`;
    case 'held':
      return `${name} is held ${holderOf(work, subject)}`;
    case 'waitingChildren':
      return `${name} waits for ${childrenText(work, subject)}${error && `; so far${error}`}`;
    case 'canceling':
      return `${name} was cancelled and leaves when ${work.process.childCount > 0 ? childrenText(work, subject) : by} ${work.process.childCount > 0 ? 'ended' : 'answers'}${timeLeft(work)}`;
    case 'parked':
      return `${name} is parked${attemptsMade(work)}${error}; retry, skip, cancel or force it`;
  }
}

function attemptText({ attempt, maxAttempts }: Work): string {
  return maxAttempts === null ? `attempt ${attempt}` : `attempt ${attempt} of ${Math.max(attempt, maxAttempts)}`;
}

function attemptsMade({ attempt, maxAttempts }: Work): string {
  if (attempt === 0) return '';
  const made = maxAttempts === null || maxAttempts <= attempt ? String(attempt) : `${attempt} of ${maxAttempts}`;
  return ` after ${made} ${made === '1' ? 'attempt' : 'attempts'}`;
}

function timeLeft({ clock }: Work): string {
  if (clock === null) return '';
  return clock.inMillis === 0 ? ', whose time is up' : `, for at most ${duration(clock.inMillis)} more`;
}

function clockText({ clock }: Work): string {
  return clock === null || clock.inMillis === 0 ? 'a moment' : duration(clock.inMillis);
}

function absence(work: Work): string {
  if (work.durable !== null) return work.listening === 'no' ? `, but it ${notConnected(work)}` : eventsWait(work);
  return work.listening === 'no' ? ', but nobody listens for it now' : '';
}

/** A wait for an absent handler is remembered; the subscriber may have come back a moment ago. */
function presence(work: Work): string {
  const { durable, listening } = work;
  if (durable !== null && listening === 'yes') return `which takes events again${eventsWait(work)}`;
  if (durable !== null && listening === 'no') return `which ${notConnected(work)}${timeLeft(work)}`;
  if (work.step?.handler.delivery === 'durable') return `which was away${timeLeft(work)}`;
  return listening === 'yes'
    ? 'which listens again: it goes on in a moment'
    : `which has no subscriber${timeLeft(work)}`;
}

/** What is taken and not acknowledged waits too: nobody works on it. */
function notConnected({ durable }: Work): string {
  const { pending, unacknowledged } = durable!;
  return `is not connected; ${eventsText(pending + unacknowledged)} for it`;
}

function eventsWait({ durable }: Work): string {
  return durable === null || durable.pending === 0 ? '' : `; ${eventsText(durable.pending)} for it`;
}

function eventsText(count: number): string {
  return count === 1 ? '1 event waits' : `${count} events wait`;
}

function predecessor({ predecessorId }: Work): string {
  return predecessorId === null ? '' : ` (process ${formatId(PROCESS_INSTANCE_PREFIX, predecessorId)})`;
}

function holderOf(work: Work, { name, readAt }: Subject): string {
  const { process } = work;
  const [kind, target] = splitScope(process.heldBy);
  if (kind === 'limit') return limitText(target, process.gate, maxInFlightOf(work));
  const scope = kind === 'cluster' ? 'the cluster' : kind === 'resource' ? name : `${kind} ${target}`;
  const pause = process.gate?.pause ?? null;
  if (pause === null) return `by a pause of ${scope}, which was lifted a moment ago`;
  const who = pause.operator === null ? '' : ` by ${pause.operator}`;
  const reason = pause.reason === null ? '' : `: ${pause.reason}`;
  return `by the pause of ${scope}, set${who} ${duration(readAt - pause.since)} ago${reason}; lift it, cancel or force the process`;
}

/** @param name of a handler, or the scope of a limit of concurrency */
function limitText(name: string, gate: WhyGate | null, maxInFlight: number | null): string {
  const circuit = gate?.circuit ?? null;
  if (circuit !== null && circuit.openForMillis !== null)
    return `because handler ${name} failed ${circuit.failures} times in a row: its circuit is open for ${duration(circuit.openForMillis)} more`;
  const { admitted = 0, ahead = 0 } = gate?.limit ?? {};
  const before = `${ahead} ${ahead === 1 ? 'process is' : 'processes are'} before it`;
  if (circuit !== null && circuit.opened)
    return `while one attempt at a time tries whether handler ${name} works again after ${circuit.failures} failures in a row; ${before}`;
  const of = maxInFlight === null ? '' : ` of ${maxInFlight}`;
  const isOne = (maxInFlight ?? admitted) === 1;
  return isScope(name)
    ? `until ${scopeName(name)} has a free place: ${admitted}${of} ${isOne ? 'process is' : 'processes are'} at work, ${before}`
    : `until handler ${name} has a free place: ${admitted}${of} ${isOne ? 'attempt is' : 'attempts are'} under way, ${before}`;
}

function childrenText({ process }: Work, subject: Subject): string {
  const { childCount, children } = process;
  if (childCount === 0) return 'related resources';
  const count = `${childCount} ${childCount === 1 ? 'process' : 'processes'} of related resources`;
  const shown = children.slice(0, 3).map((child) => childText(child, subject));
  return `${count} (${shown.join(', ')}${childCount > shown.length ? ', …' : ''})`;
}

function childText(
  { name, status, resourceType, resourceId, state, errorMessage }: WhyChild,
  subject: Subject,
): string {
  const parked = status === 'parked' ? `, parked${errorMessage === null ? '' : `: ${errorMessage}`}` : '';
  return `${name} of ${subject.nameOf(resourceType, resourceId)}, ${state}${parked}`;
}

/** A time span as people say it: whole seconds, minutes or hours. */
export function duration(millis: number): string {
  const seconds = Math.max(1, Math.ceil(millis / 1_000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} days`;
}
