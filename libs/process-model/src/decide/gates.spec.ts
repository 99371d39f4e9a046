import { afterEach, describe, expect, it } from 'vitest';
import { builtin, failure, handler, Life, MACHINE, ok, reply } from './life.fixture.js';

let life: Life;
afterEach(() => expect(life.violations()).toEqual([]));

const PAUSES: [scope: string, message: string][] = [
  ['cluster', 'held: the cluster is paused by ann: upgrade'],
  ['type/machine', 'held: type machine is paused by ann: upgrade'],
  ['resource/7', 'held: machine 1m7 is paused by ann: upgrade'],
  ['handler/demo', 'held: handler demo is paused by ann: upgrade'],
];

describe('a pause', () => {
  it.each(PAUSES)('of %s takes a start and holds it before its first attempt', (scope, message) => {
    life = new Life([handler('demo', 'machine.start')]);
    life.pause({ scope, reason: 'upgrade' });
    life.start('start');
    expect(life.resource).toMatchObject({ state: 'starting', transitioning: 'yes', message });
    expect(life.process()).toMatchObject({ status: 'held', heldBy: scope, dispatch: 0 });
    expect(life.sent).toEqual([]);
    expect(life.wakeAt()).toBe(Infinity);
    life.pause();
    expect(life.sent).toMatchObject([{ id: '1pi1.1', attempt: 1 }]);
    expect(life.resource.message).toBeNull();
    life.reply(ok());
    expect(life.resource.state).toBe('running');
  });

  it.each(['type/other', 'resource/8', 'handler/other'])('of %s holds nothing here', (scope) => {
    life = new Life([handler('demo', 'machine.start')]);
    life.pause({ scope });
    life.start('start');
    expect(life.process().status).toBe('dispatched');
  });

  it('holds a process without handlers before its end', () => {
    life = new Life();
    life.pause({ scope: 'cluster', operator: null });
    life.start('start');
    expect(life.resource).toMatchObject({ state: 'starting', message: 'held: the cluster is paused by an operator' });
    life.pause();
    expect(life.resource).toMatchObject({ state: 'running', message: null, transitioning: 'no' });
  });

  it('takes the answer of an attempt under way, and holds the next step', () => {
    life = new Life([handler('demo', 'machine.start'), handler('later', 'post.machine.start')]);
    life.start('start');
    life.pause({ scope: 'cluster' });
    expect(life.process().status).toBe('dispatched');
    life.reply(ok({ address: 'a' }));
    expect(life.resource.data).toEqual({ address: 'a' });
    expect(life.progress.done).toEqual(['handle.demo']);
    expect(life.process()).toMatchObject({ status: 'held', heldBy: 'cluster' });
    life.pause();
    expect(life.sent.map(({ step }) => step)).toEqual(['handle.demo', 'post.later']);
  });

  it('holds the end of a process whose last step was under way, and a chain goes on after it', () => {
    life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.pause({ scope: 'type/machine' });
    life.reply(reply({ chainProcess: 'machine.stop' }));
    expect(life.resource.state).toBe('starting');
    expect(life.process().status).toBe('held');
    life.pause();
    expect(life.path).toEqual(['starting', 'stopping', 'stopped']);
  });

  it('takes progress of an attempt under way', () => {
    life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.pause({ scope: 'cluster' });
    life.reply(reply({ transitioning: 'yes', transitioningMessage: 'half', transitioningProgress: 50 }));
    expect(life.resource).toMatchObject({ message: 'half', progress: 50 });
  });

  it('of the next handler only is met where that handler comes', () => {
    life = new Life([handler('demo', 'machine.start'), handler('later', 'post.machine.start')]);
    life.pause({ scope: 'handler/later' });
    life.start('start');
    life.reply(ok());
    expect(life.process()).toMatchObject({ status: 'held', heldBy: 'handler/later' });
  });

  it('holds a retry when it falls due, and it stays the attempt that it was', () => {
    life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.reply(failure());
    life.pause({ scope: 'cluster' });
    expect(life.process().status).toBe('backoff');
    life.pass(1_000);
    expect(life.process()).toMatchObject({ status: 'held', dispatch: 1 });
    expect(life.progress.attempt).toBe(2);
    life.pause();
    expect(life.sent.at(-1)).toMatchObject({ id: '1pi1.2', attempt: 2 });
  });

  it('holds a delayed step when it falls due', () => {
    life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.reply(reply({ delayMillis: 300 }));
    life.pause({ scope: 'cluster' });
    life.pass(1_000);
    expect(life.process().status).toBe('held');
    life.pause();
    expect(life.sent.at(-1)).toMatchObject({ attempt: 1 });
  });

  it('holds who waits for an absent handler when it is asked again', () => {
    life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.noResponders();
    life.pause({ scope: 'handler/demo' });
    life.input({ kind: 'wake' });
    expect(life.process()).toMatchObject({ status: 'held', waitingHandler: null });
    life.pause();
    expect(life.process()).toMatchObject({ status: 'dispatched' });
    expect(life.sent.at(-1)).toMatchObject({ attempt: 1 });
  });

  it('holds a pre-empting process once the cancelled attempt has answered', () => {
    life = new Life([handler('demo', 'machine.start'), handler('halt', 'machine.stop')]);
    life.start('start');
    life.pause({ scope: 'cluster' });
    life.start('stop');
    expect(life.process().status).toBe('waitingPredecessor');
    life.input({ kind: 'predecessorAnswered', predecessorId: 1, data: { address: 'a' } });
    expect(life.resource.data).toEqual({ address: 'a' });
    expect(life.process()).toMatchObject({ status: 'held', predecessorId: null });
    life.pause();
    expect(life.sent.at(-1)!.step).toBe('handle.halt');
  });

  it('keeps holding a process whose predecessor answers meanwhile', () => {
    life = new Life([handler('demo', 'machine.start'), builtin('inside', 'machine.stop')]);
    life.start('start');
    life.pause({ scope: 'cluster' });
    life.start('stop');
    expect(life.process().status).toBe('held');
    life.input({ kind: 'predecessorAnswered', predecessorId: 1, data: {} });
    expect(life.process()).toMatchObject({ status: 'held', heldBy: 'cluster', predecessorId: null });
    expect(life.wakeAt()).toBe(Infinity);
  });

  it('holds what onError starts', () => {
    life = new Life([handler('demo', 'machine.repair'), handler('sorry', 'machine.fail')], 'running');
    life.start('repair');
    life.pause({ scope: 'cluster' });
    life.reply(failure('broken', { retryable: false }));
    expect(life.resource).toMatchObject({ state: 'failing', message: 'held: the cluster is paused by ann' });
    expect(life.process()).toMatchObject({ name: 'machine.fail', status: 'held' });
  });

  it('leaves parked what is parked; an operator who goes on with it finds it held', () => {
    life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.reply(failure('broken', { retryable: false }));
    life.pause({ scope: 'cluster' });
    expect(life.process().status).toBe('parked');
    life.operate('retry');
    expect(life.process().status).toBe('held');
  });

  it('is not passed by a retry or a skip of what it holds; a step that was skipped is not asked after it', () => {
    life = new Life([handler('demo', 'machine.start'), handler('later', 'post.machine.start')]);
    life.pause({ scope: 'cluster' });
    life.start('start');
    for (const act of ['retry', 'skip'] as const) {
      life.operate(act);
      expect(life.process()).toMatchObject({ status: 'held', heldBy: 'cluster', dispatch: 0 });
      expect(life.resource.message).toBe('held: the cluster is paused by ann');
    }
    life.pause();
    expect(life.sent.map(({ step }) => step)).toEqual(['post.later']);
  });

  it('holds the end of a process, where no step is left to skip', () => {
    life = new Life();
    life.pause({ scope: 'cluster' });
    life.start('start');
    const error = { code: 'ActionNotAvailable', message: 'There is no step to skip' };
    expect(life.operate('skip')).toMatchObject({ kind: 'refuse', error });
    expect(life.process()).toMatchObject({ status: 'held', heldBy: 'cluster' });
  });

  it('lets operators cancel and force, and other processes pre-empt, what it holds', () => {
    life = new Life([handler('demo', 'machine.start,machine.stop')]);
    life.pause({ scope: 'cluster' });
    life.start('start');
    life.operate('cancel');
    expect(life.resource).toMatchObject({ state: 'stopped', message: null });
    life.start('start');
    life.operate('force', 'running');
    expect(life.resource.state).toBe('running');
    life.start('stop');
    life.start('kill');
    expect(life.resource).toMatchObject({ state: 'killing', message: 'held: the cluster is paused by ann' });
    expect(life.cancelled).toEqual([]);
  });

  it('stops the total and the waiting clock, and no other', () => {
    life = new Life([handler('demo', 'machine.hurry')]);
    life.start('hurry');
    life.noResponders();
    life.pass(500);
    life.pause({ scope: 'cluster' });
    life.input({ kind: 'wake' });
    const { totalDeadlineInMillis, waitDeadlineInMillis } = life.process();
    expect({ totalDeadlineInMillis, waitDeadlineInMillis }).toEqual({
      totalDeadlineInMillis: 2_000,
      waitDeadlineInMillis: 59_500,
    });
    life.pass(3_600_000);
    expect(life.process()).toMatchObject({ totalDeadlineInMillis, waitDeadlineInMillis, status: 'held' });
    life.pause();
    expect(life.process()).toMatchObject({ totalDeadlineInMillis, waitDeadlineInMillis, status: 'dispatched' });
    life.pass(2_000);
    expect(life.finished[0]).toMatchObject({ name: 'machine.hurry', errorCode: 'TotalTimeout' });
  });

  it('gives way to another that is still set', () => {
    life = new Life([handler('demo', 'machine.start')]);
    life.pause({ scope: 'cluster' }, { scope: 'handler/demo' });
    life.start('start');
    life.pause({ scope: 'handler/demo' });
    expect(life.process()).toMatchObject({ heldBy: 'handler/demo' });
    expect(life.resource.message).toBe('held: handler demo is paused by ann');
    life.pause();
    expect(life.process().status).toBe('dispatched');
  });

  it("of the cluster leaves the product's own types alone", () => {
    life = new Life([handler('demo', 'machine.start')]);
    (life as { type: unknown }).type = { ...life.type, system: true };
    life.pause({ scope: 'cluster' });
    life.start('start');
    expect(life.process().status).toBe('dispatched');
  });
});

describe('a limit', () => {
  const limited = (max: number | null = 3, breaker = false) =>
    handler('demo', 'machine.start,pre.machine.start', {
      limits: { maxInFlight: max, circuitBreaker: breaker ? { failures: 2, openMillis: 1_000 } : null },
    });

  it('holds the first attempt until it is admitted, and says nothing while that takes a moment', () => {
    life = new Life([limited()]);
    life.start('start');
    expect(life.process()).toMatchObject({ status: 'held', heldBy: 'limit/demo', dispatch: 0, admitted: null });
    expect(life.resource.message).toBeNull();
    expect(life.admissions).toEqual([{ kind: 'admit', handler: 'demo', waits: true }]);
    expect(life.process().waitDeadlineInMillis).toBe(60_000);
    const { revision } = life.resource;
    life.admit();
    expect(life.process()).toMatchObject({ status: 'dispatched', admitted: 'demo', heldBy: null, dispatch: 1 });
    expect(life.resource.revision).toBe(revision);
  });

  it('is passed again by each attempt: the place is given up when the attempt ends', () => {
    life = new Life([limited()]);
    life.start('start');
    life.admit();
    life.reply(ok());
    expect(life.progress.done).toEqual(['pre.demo']);
    expect(life.process()).toMatchObject({ status: 'held', admitted: null });
    expect(life.admissions.slice(1)).toEqual([
      { kind: 'admit', handler: 'demo', waits: true },
      { kind: 'admit', handler: 'demo', waits: false },
    ]);
    life.admit();
    life.reply(failure());
    expect(life.process()).toMatchObject({ status: 'backoff', admitted: null });
    expect(life.admissions.at(-1)).toMatchObject({ waits: false });
    life.pass(1_000);
    expect(life.process()).toMatchObject({ status: 'held', heldBy: 'limit/demo' });
    life.admit();
    expect(life.progress.attempt).toBe(2);
    life.reply(ok());
    expect(life.resource.state).toBe('running');
    expect(life.admissions.at(-1)).toMatchObject({ waits: false });
  });

  it('keeps the place while the same attempt is sent again, waited for or taken over', () => {
    life = new Life([limited()]);
    life.start('start');
    life.admit();
    life.noResponders();
    expect(life.process()).toMatchObject({ status: 'waitingHandler', admitted: 'demo' });
    life.input({ kind: 'wake' });
    expect(life.process()).toMatchObject({ status: 'dispatched', admitted: 'demo', dispatch: 1 });
    life.takeOver();
    expect(life.process()).toMatchObject({ admitted: 'demo', dispatch: 1 });
    life.reply(reply({ transitioning: 'yes' }));
    expect(life.process().admitted).toBe('demo');
  });

  it('an attempt that an operator forces away gives its place up', () => {
    life = new Life([builtin('demo', 'machine.start', { limits: { maxInFlight: 1, circuitBreaker: null } })]);
    life.start('start');
    life.admit();
    expect(life.process().status).toBe('running');
    life.operate('force', 'running');
    expect(life.admissions.at(-1)).toEqual({ kind: 'admit', handler: 'demo', waits: false });
  });

  it('an attempt that an operator cancels keeps its place until it has answered', () => {
    life = new Life([limited()]);
    life.start('start');
    life.admit();
    const asked = life.admissions.length;
    life.operate('cancel');
    expect(life.process()).toMatchObject({ status: 'canceling', admitted: 'demo' });
    expect(life.admissions).toHaveLength(asked);
    life.reply(reply({}));
    expect(life.isLive()).toBe(false);
    expect(life.admissions.at(-1)).toEqual({ kind: 'admit', handler: 'demo', waits: false });
  });

  it('is no way out for a retry, which asks for a place anew; a skip needs none', () => {
    life = new Life([limited(), handler('later', 'post.machine.start')]);
    life.start('start');
    life.operate('skip');
    expect(life.process()).toMatchObject({ status: 'held', heldBy: 'limit/demo' });
    expect(life.progress.done).toEqual(['pre.demo']);
    life.pass(30_000);
    life.operate('retry');
    expect(life.process()).toMatchObject({ status: 'held', heldBy: 'limit/demo', waitDeadlineInMillis: 60_000 });
    expect(life.admissions.at(-1)).toEqual({ kind: 'admit', handler: 'demo', waits: true });
    life.operate('skip');
    expect(life.sent.map(({ step }) => step)).toEqual(['post.later']);
  });

  it('gives back a place that was given to what an operator skips', () => {
    life = new Life([handler('demo', 'machine.start', { limits: { maxInFlight: 3, circuitBreaker: null } })]);
    life.start('start');
    life.grant();
    life.operate('skip');
    expect(life.resource.state).toBe('running');
    expect(life.admissions.at(-1)).toEqual({ kind: 'admit', handler: 'demo', waits: false });
  });

  it('says that the handler is full once that is known, and clears it with the attempt', () => {
    life = new Life([limited()]);
    life.start('start');
    life.input({ kind: 'notAdmitted', handler: 'demo', failures: null });
    expect(life.resource).toMatchObject({
      transitioning: 'yes',
      message: 'waiting: handler demo works on its maximum of 3',
    });
    expect(life.wakeIn()).toBe(60_000);
    expect(life.input({ kind: 'notAdmitted', handler: 'demo', failures: null }).kind).toBe('ignore');
    life.input({ kind: 'notAdmitted', handler: 'demo', failures: 5 });
    expect(life.resource.message).toBe('handler demo: circuit open after 5 failures');
    life.admit();
    expect(life.resource.message).toBeNull();
    expect(life.input({ kind: 'notAdmitted', handler: 'demo', failures: null }).kind).toBe('ignore');
  });

  it('asks and says so again by itself, should the engine that asked be gone', () => {
    life = new Life([limited(null, true)]);
    life.start('start');
    life.pass(2_000);
    expect(life.resource.message).toBe('waiting: handler demo admits no further attempt now');
    expect(life.admissions).toHaveLength(2);
  });

  it('is waited for no longer than the waiting clock allows', () => {
    life = new Life([limited()]);
    life.start('start');
    life.pass(60_000);
    expect(life.process()).toMatchObject({ status: 'parked', errorCode: 'HandlerBusy' });
    expect(life.resource.message).toBe('Handler demo has admitted no attempt of this process for 60000 ms');
  });

  it('that is taken away, or whose handler is, holds nobody who is woken', () => {
    life = new Life([limited()]);
    life.start('start');
    life.deactivate('demo');
    life.input({ kind: 'wake' });
    expect(life.resource.state).toBe('running');
    life = new Life([limited()]);
    life.start('start');
    life.deactivate('demo');
    life.register(handler('demo', 'machine.start,pre.machine.start'));
    life.input({ kind: 'wake' });
    expect(life.process()).toMatchObject({ status: 'dispatched', admitted: null });
  });

  it('comes after a pause: who was admitted meanwhile gives the place up', () => {
    life = new Life([limited()]);
    life.start('start');
    life.pause({ scope: 'handler/demo' });
    life.admit();
    expect(life.process()).toMatchObject({ status: 'held', heldBy: 'handler/demo', admitted: null });
    expect(life.admissions.at(-1)).toMatchObject({ waits: false });
    life.pause();
    expect(life.process()).toMatchObject({ status: 'held', heldBy: 'limit/demo' });
    expect(life.resource.message).toBeNull();
    life.admit();
    expect(life.process().status).toBe('dispatched');
  });

  it('waits for the predecessor first', () => {
    life = new Life([
      handler('demo', 'machine.start'),
      handler('halt', 'machine.stop', { limits: { maxInFlight: 1, circuitBreaker: null } }),
    ]);
    life.start('start');
    life.start('stop');
    expect(life.process().status).toBe('waitingPredecessor');
    expect(life.admissions).toEqual([]);
    life.input({ kind: 'predecessorAnswered', predecessorId: 1, data: {} });
    expect(life.process()).toMatchObject({ status: 'held', heldBy: 'limit/halt' });
  });

  it('tells the circuit breaker of errors that may be tried again and of time-outs, and of every other answer', () => {
    life = new Life([limited(null, true)], 'stopped', MACHINE.replaceAll('maxAttempts: 3', 'maxAttempts: 9'));
    const attempt = (act: () => void): void => {
      act();
      if (life.process().status !== 'held') life.pass(1_000);
      if (life.process().status === 'held') life.admit();
    };
    life.start('start');
    life.admit();
    attempt(() => void life.reply(failure()));
    attempt(() => life.pass(1_000));
    attempt(() => void life.reply(reply({ delayMillis: 10 })));
    attempt(() => void life.reply(ok()));
    life.reply(failure('no', { retryable: false }));
    expect(life.outcomes).toEqual(['demo failed', 'demo failed', 'demo succeeded', 'demo succeeded', 'demo succeeded']);
  });
});
