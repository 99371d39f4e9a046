import type { ProcessRow, WorkRow } from '@drover/contracts';
import { type HandlerReply, isGone, stepsOf } from '@drover/process-model';
import type { Address } from '../engine/link.js';
import type { Applied, LiveProcess } from '../store/rows.js';
import { type Cause, operatedBy } from './cause.js';
import { ClockChecks } from './clocks.js';
import { DeliveryChecks } from './delivery.js';
import { FeedChecks } from './feed.js';
import { GateChecks } from './gates.js';
import { illegalMove, regionProblem } from './machine.js';
import { PurgeChecks } from './purges.js';
import {
  attemptOf,
  definitionOf,
  handlerNow,
  handlerOf,
  hasAttempt,
  hopAndStep,
  isPaused,
  OPEN,
  type Setting,
  stepOf,
  WORKING,
} from './setting.js';

/** An attempt that a pre-emption cancelled: until it has answered or its time is up, no other handler may be asked. */
interface Owed {
  attempt: string;
  until: number;
}

/** How old what an engine knows may be, where nothing fails. */
const NEWS_MILLIS = 2_000;
/** An attempt has begun, or work on related resources. */
const BEGUN: ReadonlySet<string> = new Set([...WORKING, 'waitingChildren']);
/** Where a process may be when nothing happens any more: an operator must act on it, or on a child of it. */
const RESTING: ReadonlySet<string> = new Set(['parked', 'waitingChildren', 'canceling']);

/**
 * The invariants of docs (design §5), looked at after each event, where the event was: what was committed, sent, answered and
 * acknowledged is compared with what had to be. {@link atEnd} looks at everything.
 */
export class Checks {
  readonly violations: string[] = [];
  /** of the transition that is being committed */
  cause: Cause = { kind: 'command' };
  readonly gates: GateChecks;
  readonly feed: FeedChecks;
  readonly purges: PurgeChecks;
  private readonly clocks: ClockChecks;
  private readonly delivery: DeliveryChecks;
  private readonly revisions = new Map<number, number>();
  private readonly started = new Set<number>();
  private readonly ended = new Set<number>();
  /** by process: steps that are done, with the hop they were done in */
  private readonly done = new Map<number, Set<string>>();
  /** attempts whose terminal answer was worked in */
  private readonly settled = new Set<string>();
  /** attempts whose event reached a handler */
  private readonly taken = new Set<string>();
  /** attempts whose handler has given a terminal answer, whether anybody heard it or not */
  private readonly finishedWork = new Set<string>();
  /** which attempt a reply was given to */
  private readonly given = new WeakMap<HandlerReply, string>();
  private readonly owed = new Map<string, Owed[]>();
  private readonly retries = new Map<string, number>();
  private readonly committedDispatch = new Map<number, number>();
  /** by idempotency key: how often a first event of it went out */
  private readonly sent = new Map<string, number>();
  private readonly promised = new Map<number, string>();

  constructor(private readonly setting: Setting) {
    const fail = (message: string): void => this.fail(message);
    this.gates = new GateChecks(setting, fail);
    this.clocks = new ClockChecks(setting, fail);
    this.delivery = new DeliveryChecks(setting, fail);
    this.feed = new FeedChecks(fail);
    this.purges = new PurgeChecks(setting, fail);
  }

  fail(message: string): void {
    if (this.violations.length < 20) this.violations.push(message);
  }

  /** A transition was applied. */
  applied(applied: Applied): void {
    const { transition, before, after, guarded, live, ended } = applied;
    this.revision(applied);
    if (transition.change !== null && before !== null && transition.stateField in { ...before.regions, state: 1 }) {
      const problem = illegalMove(applied, this.setting.typeAt);
      if (problem !== null) this.fail(`3: resource ${after.id}: ${problem}`);
    }
    for (const { row } of ended) {
      if (this.ended.has(row.id)) this.fail(`7: process ${row.id} has two terminal rows`);
      this.ended.add(row.id);
    }
    const begun = live !== null && BEGUN.has(live.row.status);
    const newAttempt = begun && live.row.dispatch > (this.committedDispatch.get(live.row.id) ?? 0);
    if (transition.start !== null && live !== null) this.start(applied, live);
    if (live !== null && guarded !== null && transition.update !== null) this.step(guarded, live);
    if (live !== null) this.live(applied, live);
    const stored = this.setting.store.resources.get(after.id)!;
    const fields = ended.length > 1 || isGone(after.state) ? Object.keys(after.regions) : [];
    for (const field of new Set(['state', transition.stateField, ...fields])) {
      const problem = regionProblem(stored, field, this.setting.typeAt);
      if (problem !== null) this.fail(`2: resource ${after.id}: ${problem}`);
    }
    if (guarded !== null) this.answerWorkedIn(guarded);
    if (live === null && ended.length > 0) this.left(applied);
    this.gates.applied(applied, newAttempt, this.cause);
    this.clocks.applied(applied, this.cause);
    this.delivery.applied(applied, this.cause);
    this.purges.applied(applied);
  }

  /** Some time has passed. */
  tick(): void {
    this.gates.tick();
    this.clocks.tick();
  }

  /** An engine publishes the event of an attempt, or runs it itself. `key` is the step's. */
  emitted({ process }: WorkRow, key: string, engine: string, leased: boolean): void {
    const { id, dispatch } = process;
    if ((this.committedDispatch.get(id) ?? 0) < dispatch)
      this.fail(`rules: ${engine} sent attempt ${attemptOf(id, dispatch)} before it was committed`);
    if (!leased) this.fail(`6: ${engine} sent attempt ${attemptOf(id, dispatch)} on a slot that is not its own`);
    this.delivery.emitted(process);
    this.sent.set(key, (this.sent.get(key) ?? 0) + 1);
    if (this.setting.calm && this.sent.get(key)! > 1) this.fail(`6: ${key} was sent twice, and nothing was wrong`);
  }

  /** A handler begins to work on an attempt. */
  took(attempt: { process: number; dispatch: number }): void {
    this.taken.add(attemptOf(attempt.process, attempt.dispatch));
    this.delivery.took(attempt);
  }

  /** A handler gives an answer to an attempt. */
  gave({ process, dispatch }: { process: number; dispatch: number }, reply: HandlerReply): void {
    this.given.set(reply, attemptOf(process, dispatch));
    if (reply.kind !== 'progress' && reply.kind !== 'rejected') this.finishedWork.add(attemptOf(process, dispatch));
  }

  /** A reply is taken out of the stream: nobody will see it again. */
  acknowledged({ process, dispatch, token }: Address, reply: HandlerReply): void {
    if (reply.kind === 'progress' || reply.kind === 'rejected') return;
    const held = this.setting.store.live.get(process);
    if (held === undefined || held.row.dispatch !== dispatch || held.row.token !== token) return;
    if (hasAttempt(held.row))
      this.fail(`5: the answer to ${attemptOf(process, dispatch)} was acknowledged before it was committed`);
  }

  /** A client was told that its command is done. */
  accepted(commandId: string, processId: number | null): void {
    if (processId === null) return;
    this.promised.set(processId, commandId);
    if (!this.setting.store.live.has(processId) && !this.setting.store.finished.has(processId))
      this.fail(`1: command ${commandId} was accepted and its process ${processId} does not exist`);
  }

  /** A client was told that its command, sent once, came to nothing. */
  refused(commandId: string): void {
    if (this.setting.store.commands.has(commandId)) this.fail(`1: command ${commandId} was refused, and has happened`);
  }

  /** Looks at everything, once the simulation has come to rest. */
  atEnd(): void {
    for (const stored of this.setting.store.resources.values()) {
      for (const field of ['state', ...Object.keys(stored.row.regions)]) {
        const problem = regionProblem(stored, field, this.setting.typeAt);
        if (problem !== null) this.fail(`2: at the end, resource ${stored.row.id}: ${problem}`);
      }
      if (this.revisions.get(stored.row.id) !== stored.row.revision)
        this.fail(`4: at the end, resource ${stored.row.id} is at ${stored.row.revision}, its feed is not`);
    }
    for (const [id, { row, wakeAt }] of this.setting.store.live)
      if (!RESTING.has(row.status))
        this.fail(`8: at the end, process ${id} (${row.name}) is ${row.status}, due ${wakeAt}`);
    for (const id of this.started)
      if (this.setting.store.live.has(id) === this.setting.store.finished.has(id))
        this.fail(`7: process ${id} is ${this.setting.store.live.has(id) ? 'live and finished' : 'lost'}`);
    for (const [id, commandId] of this.promised)
      if (!this.started.has(id)) this.fail(`1: process ${id} of command ${commandId} was never started`);
    this.feed.atEnd(this.setting.store);
  }

  private revision({ transition, before, after }: Applied): void {
    const expected = before === null ? 1 : before.revision + (transition.change === null ? 0 : 1);
    if (after.revision !== expected)
      this.fail(`4: resource ${after.id} went from revision ${before?.revision ?? 0} to ${after.revision}`);
    const { feed } = this.setting.store;
    for (let i = feed.length - 1; i >= 0 && feed[i]!.resourceId === after.id; i--) {
      if (feed[i]!.revision <= (this.revisions.get(after.id) ?? 0)) break;
      if (feed[i]!.revision !== after.revision) this.fail(`9: resource ${after.id} has feed rows out of order`);
    }
    if (transition.change !== null || before === null) {
      const last = feed.at(-1);
      if (last?.resourceId !== after.id || last.revision !== after.revision)
        this.fail(`4: revision ${after.revision} of resource ${after.id} has no feed row`);
    }
    const known = this.revisions.get(after.id) ?? 0;
    if (transition.change !== null && after.revision !== known + 1)
      this.fail(`4: revision ${after.revision} of resource ${after.id} follows ${known}`);
    this.revisions.set(after.id, after.revision);
  }

  private live({ transition }: Applied, live: LiveProcess): void {
    const { row, wakeAt } = live;
    if (transition.start !== null) this.started.add(row.id);
    if (wakeAt === Infinity && row.status !== 'parked' && !isPaused(row))
      this.fail(`8: process ${row.id} is ${row.status} and nothing will ever wake it`);
    const committed = this.committedDispatch.get(row.id) ?? 0;
    if (row.dispatch < committed) this.fail(`5: process ${row.id} went back to attempt ${row.dispatch}`);
    this.committedDispatch.set(row.id, row.dispatch);
    if (row.dispatch > committed && row.status === 'dispatched') this.nobodyElseWorks(row);
    const step = stepOf(row);
    if (step !== undefined && OPEN.has(row.status) && this.done.get(row.id)?.has(hopAndStep(row, step)) === true)
      this.fail(`6: process ${row.id} is at ${step} again, which was done`);
  }

  /** A process begins: with every handler that is active now, and after whoever worked here. */
  private start({ transition, guarded, after }: Applied, { row }: LiveProcess): void {
    const plan = (row.progress['plan'] as string[] | undefined) ?? [];
    const type = this.setting.typeAt(row.resourceType, row.definitionVersion);
    const steps = stepsOf({ type, handlers: this.setting.registry().handlers }, row.name);
    if (plan.length !== steps.length || steps.some(({ key }, i) => key !== plan[i]))
      this.fail(`rules: process ${row.id} (${row.name}) began without a handler that is active`);
    const region = `${after.id}/${transition.stateField}`;
    if (this.cause.kind !== 'command' || guarded === null) {
      if (guarded === null) this.owed.delete(region);
      return;
    }
    const definition = definitionOf(this.setting, row);
    if (definition?.preempt === 'immediate') return void this.owed.delete(region);
    if (!WORKING.has(guarded.row.status)) return;
    this.owe(region, guarded);
  }

  /** The region is free: after a cancel, only once nobody works there any more. */
  private left({ transition, guarded, after }: Applied): void {
    const region = `${after.id}/${transition.stateField}`;
    if (guarded?.row.status === 'canceling' && operatedBy(this.cause) !== 'force') this.nobodyElseWorks(guarded.row);
    this.owed.delete(region);
  }

  private owe(region: string, { row, deadline }: LiveProcess): void {
    const attempt = attemptOf(row.id, row.dispatch);
    const until = deadline ?? this.untilAtLeast(row);
    this.owed.set(region, [...(this.owed.get(region) ?? []), { attempt, until }]);
  }

  /** A durable event that was just taken: its handler has a whole attempt, less the time that the news of it took. */
  private untilAtLeast(row: ProcessRow): number {
    if (row.progress['work'] === undefined) return 0;
    const timeout = handlerNow(this.setting, handlerOf(row))?.timeoutMillis ?? 0;
    return this.setting.sound ? this.setting.now() + timeout - NEWS_MILLIS : 0;
  }

  private nobodyElseWorks(row: ProcessRow): void {
    if (row.status !== 'dispatched' && row.status !== 'canceling') return;
    for (const { attempt, until } of this.owed.get(`${row.resourceId}/${row.stateField}`) ?? [])
      if (until > this.setting.now() && this.taken.has(attempt) && !this.finishedWork.has(attempt))
        this.fail(`18: process ${row.id} (${row.status}) goes on while attempt ${attempt} is still under way`);
  }

  /** What the commit says about a reply must be the reply's own attempt, and its first terminal answer. */
  private answerWorkedIn(guarded: LiveProcess): void {
    const { cause } = this;
    if (cause.kind !== 'input' || cause.input.kind !== 'reply') return;
    const { input, from } = cause;
    const attempt = attemptOf(cause.processId, input.dispatch);
    const { row } = guarded;
    if (cause.processId !== row.id) {
      const predecessor = row.progress['predecessor'] as { processId: number; dispatch: number } | undefined;
      if (predecessor?.processId !== cause.processId || predecessor.dispatch !== input.dispatch)
        this.fail(`5: the answer to ${attempt} changed process ${row.id}`);
    } else if (input.dispatch !== row.dispatch)
      this.fail(`5: the answer to ${attempt} changed attempt ${row.dispatch}`);
    else if (from !== null && from.token !== row.token) this.fail(`10: a forged answer to ${attempt} was taken`);
    if (input.reply.kind === 'progress') return;
    const given = this.given.get(input.reply);
    if (given !== attempt) this.fail(`5: ${attempt} was answered with what ${given ?? 'nobody'} gave`);
    if (input.reply.kind === 'rejected') return;
    if (this.settled.has(attempt)) this.fail(`5: ${attempt} was answered, and then once more`);
    this.settled.add(attempt);
  }

  private step(guarded: LiveProcess, live: LiveProcess): void {
    const before = guarded.row;
    const after = live.row;
    const operated = operatedBy(this.cause);
    if (operated !== null) {
      if (operated === 'replay') this.done.delete(after.id);
      for (const key of this.retries.keys()) if (key.startsWith(`${after.id} `)) this.retries.delete(key);
    }
    if (after.status === 'canceling' && WORKING.has(before.status))
      this.owe(`${after.resourceId}/${after.stateField}`, guarded);
    const done = (after.progress['done'] as string[] | undefined) ?? [];
    const known = (before.progress['done'] as string[] | undefined) ?? [];
    if (done.length > 0 && (done.length !== known.length || before.name !== after.name)) {
      let steps = this.done.get(after.id);
      if (steps === undefined) this.done.set(after.id, (steps = new Set()));
      for (const step of done) steps.add(hopAndStep(after, step));
    }
    if (operated === null && before.status === 'backoff' && after.dispatch > before.dispatch) this.retried(after);
  }

  private retried(row: ProcessRow): void {
    const step = stepOf(row) ?? '';
    const key = `${row.id} ${hopAndStep(row, step)}`;
    const count = (this.retries.get(key) ?? 0) + 1;
    this.retries.set(key, count);
    const bound = this.setting
      .registry()
      .handlers.stepsOf(row.name)
      .find((one) => one.key === step);
    // A handler that is not registered when its attempt fails is held to the process's budget, not to its own.
    const most = Math.max(bound?.handler.retries ?? 0, definitionOf(this.setting, row)?.retry.maxAttempts ?? Infinity);
    if (count >= most)
      this.fail(`rules: ${step} of process ${row.id} is tried ${count + 1} times; ${most} are allowed`);
  }
}
