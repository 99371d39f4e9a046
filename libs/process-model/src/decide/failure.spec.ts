import { describe, expect, it } from 'vitest';
import { builtin, failure, handler, Life, ok, reply } from './life.fixture.js';
import { MAX_RECORDS } from './progress.js';

describe('retry', () => {
  it('a failed attempt is repeated after a growing pause, with a new id and the same key, until the budget is spent', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.reply(failure('no image'));
    expect(life.process().status).toBe('backoff');
    expect(life.resource).toMatchObject({
      state: 'starting',
      transitioning: 'yes',
      message: 'no image (attempt 1 of 3)',
    });
    expect(life.wakeIn()).toBe(100);
    life.pass(100);
    life.reply(failure('no image'));
    expect(life.wakeIn()).toBe(200);
    life.pass(200);
    life.reply(failure('no image'));
    expect(life.process()).toMatchObject({ status: 'parked', errorCode: 'HandlerFailed', errorMessage: 'no image' });
    expect(life.sent.map(({ id, attempt }) => [id, attempt])).toEqual([
      ['1pi1.1', 1],
      ['1pi1.2', 2],
      ['1pi1.3', 3],
    ]);
    expect(new Set(life.sent.map((one) => one.key))).toEqual(new Set(['1pi1.handle.demo']));
  });

  it('resumes at the step that failed: finished steps are not sent again', () => {
    const life = new Life([handler('a', 'machine.start'), handler('b', 'machine.start')]);
    life.start('start');
    life.reply(ok());
    life.reply(failure());
    life.pass(100);
    life.reply(ok());
    expect(life.sent.map((one) => one.step)).toEqual(['handle.a', 'handle.b', 'handle.b']);
    expect(life.resource.state).toBe('running');
  });

  it('attempts count per step', () => {
    const life = new Life([handler('a', 'machine.start'), handler('b', 'machine.start')]);
    life.start('start');
    for (const _ of [1, 2]) {
      life.reply(failure());
      life.pass(400);
    }
    life.reply(ok());
    life.reply(failure());
    expect(life.process().status).toBe('backoff');
    expect(life.progress.attempt).toBe(1);
  });

  it("a handler's retries and timeoutMillis override the process's", () => {
    const life = new Life([handler('demo', 'machine.start', { retries: 2, timeoutMillis: 5_000 })]);
    life.start('start');
    expect(life.wakeIn()).toBe(5_000);
    life.reply(failure());
    life.pass(100);
    expect(life.wakeIn()).toBe(5_000);
    life.reply(failure());
    expect(life.process().status).toBe('parked');
  });

  it('an error that is not retryable spends the budget at once', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.reply(failure('never', { retryable: false, code: 'NoSuchImage' }));
    expect(life.process()).toMatchObject({ status: 'parked', errorCode: 'NoSuchImage' });
    expect(life.sent).toHaveLength(1);
  });

  it('a passed deadline ends the attempt, and the next one follows', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.pass(999);
    expect(life.process().status).toBe('dispatched');
    life.pass(1);
    expect(life.process()).toMatchObject({ status: 'backoff', errorCode: 'TIMEOUT' });
    expect(life.progress.executions).toMatchObject([{ n: 1, exitReason: 'TIMEOUT' }]);
    life.pass(100);
    expect(life.sent.at(-1)).toMatchObject({ id: '1pi1.2', key: '1pi1.handle.demo', attempt: 2 });
  });

  it('an in-process handler is under the same clock', () => {
    const life = new Life([builtin('local', 'machine.start')]);
    life.start('start');
    expect(life.process().status).toBe('running');
    life.pass(1_000);
    expect(life.process()).toMatchObject({ status: 'backoff', errorCode: 'TIMEOUT' });
  });

  it('a failure clears nothing that an earlier step has merged', () => {
    const life = new Life([handler('a', 'machine.start'), handler('b', 'machine.start')]);
    life.start('start');
    life.reply(ok({ address: 'x' }));
    life.reply(failure('never', { retryable: false }));
    expect(life.resource.data).toEqual({ address: 'x' });
  });
});

describe('parked', () => {
  function parked(notify: string | null = null): Life {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start', {}, notify);
    life.reply(failure('broken', { retryable: false }));
    return life;
  }

  it('is live still, shows the error, has no wake-up, and tells who waits', () => {
    const life = parked('drover.notify.a.b');
    expect(life.resource).toMatchObject({ state: 'starting', transitioning: 'error', message: 'broken' });
    expect(life.feed.at(-1)!.kind).toBe('error');
    expect(life.wakeAt()).toBe(Infinity);
    expect(life.ended).toMatchObject([{ exitReason: 'PARKED', notify: 'drover.notify.a.b' }]);
    expect(life.finished).toEqual([]);
  });

  it('hears no late reply and no stray wake-up', () => {
    const life = parked();
    expect(life.reply(ok())).toMatchObject({ kind: 'ignore' });
    expect(life.input({ kind: 'wake' })).toMatchObject({ kind: 'ignore' });
    expect(life.input({ kind: 'advance' })).toMatchObject({ kind: 'ignore' });
  });

  it('can be pre-empted, without a wait', () => {
    const life = parked();
    life.register(handler('halt', 'machine.stop'));
    life.start('stop');
    expect(life.process()).toMatchObject({ name: 'machine.stop', status: 'dispatched' });
    expect(life.cancelled).toEqual([]);
  });
});

describe('onError', () => {
  const repairs = [handler('fixer', 'machine.repair'), handler('undertaker', 'machine.fail')];

  it('runs when the budget is spent by errors', () => {
    const life = new Life(repairs, 'running');
    life.start('repair');
    life.reply(failure('worn out', { retryable: false }));
    expect(life.process()).toMatchObject({ name: 'machine.fail', status: 'dispatched' });
    expect(life.finished).toMatchObject([{ name: 'machine.repair', exitReason: 'FAILED', errorCode: 'HandlerFailed' }]);
    life.reply(ok());
    expect(life.path).toEqual(['repairing', 'failing', 'failed']);
  });

  it('runs after time-outs alike', () => {
    const life = new Life(repairs, 'running');
    life.start('repair');
    life.pass(3_300);
    expect(life.process().name).toBe('machine.fail');
    expect(life.finished).toMatchObject([{ exitReason: 'FAILED', errorCode: 'TIMEOUT' }]);
  });

  it('leaves the cause on the resource when it has ended', () => {
    const life = new Life(repairs, 'running');
    life.start('repair');
    life.reply(failure('worn out', { retryable: false }));
    life.reply(ok());
    expect(life.resource).toMatchObject({ state: 'failed', transitioning: 'error', message: 'worn out' });
  });

  it("a handler's own onError comes first", () => {
    const life = new Life([handler('demo', 'machine.start', { onError: 'machine.stop' })]);
    life.start('start');
    life.reply(failure('no', { retryable: false }));
    expect(life.path).toEqual(['starting', 'stopping', 'stopped']);
  });

  it("a handler's onError for another type does not hide the process's own", () => {
    const life = new Life([handler('demo', '*.repair', { onError: 'other.fail' })], 'running');
    life.start('repair');
    life.reply(failure('no', { retryable: false }));
    expect(life.resource.state).toBe('failed');
  });

  it('that names nothing parks the process', () => {
    const life = new Life([handler('demo', 'machine.start', { onError: 'machine.nonsense' })]);
    life.start('start');
    life.reply(failure('no', { retryable: false }));
    expect(life.process().status).toBe('parked');
  });

  it('two processes that name each other do not go on for ever', () => {
    const life = new Life([handler('demo', 'machine.bend,machine.loop')], 'running');
    life.start('bend');
    for (let i = 0; i < 10 && life.process().status !== 'parked'; i++) life.reply(failure('no', { retryable: false }));
    expect(life.process().status).toBe('parked');
    expect(life.sent.map((one) => one.process)).toEqual(['machine.bend', 'machine.loop']);
  });

  it('hands data and waiters on: who waits hears one end, the last', () => {
    const life = new Life(repairs, 'running');
    life.start('repair', { how: 'gently' }, 'drover.notify.a.b');
    life.reply(failure('worn out', { retryable: false }));
    expect(life.process()).toMatchObject({ data: { how: 'gently' }, notify: 'drover.notify.a.b' });
    life.reply(ok());
    expect(life.ended).toMatchObject([{ processId: 2, notify: 'drover.notify.a.b', exitReason: 'DONE' }]);
  });
});

describe('delayMillis', () => {
  it('calls again later with a new id and the same key, and spends no attempt', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    for (let i = 0; i < 5; i++) {
      life.reply(reply({ delayMillis: 700 }));
      expect(life.process().status).toBe('delayed');
      expect(life.wakeIn()).toBe(700);
      life.pass(700);
    }
    expect(life.sent.at(-1)).toMatchObject({ id: '1pi1.6', key: '1pi1.handle.demo', attempt: 1 });
    expect(life.progress.executions[0]).toMatchObject({ exitReason: 'DELAY' });
  });

  it('is bounded by waitMillis, all delays of a step together', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    for (let i = 0; i < 100 && life.process().status !== 'parked'; i++) {
      life.reply(reply({ delayMillis: 10_000 }));
      life.pass(10_000);
    }
    expect(life.process()).toMatchObject({ status: 'parked', errorCode: 'DelayTooLong' });
    expect(life.sent).toHaveLength(7);
  });

  it('the delays of one step leave the next its whole waiting time', () => {
    const life = new Life([handler('a', 'machine.start'), handler('b', 'machine.start')]);
    life.start('start');
    life.reply(reply({ delayMillis: 50_000 }));
    life.pass(50_000);
    life.reply(ok());
    life.reply(reply({ delayMillis: 50_000 }));
    expect(life.process().status).toBe('delayed');
  });

  it('may carry data', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.reply(reply({ delayMillis: 10, data: { cpus: 1 } }));
    expect(life.resource.data).toEqual({ cpus: 1 });
  });
});

describe('an absent handler', () => {
  it('is shown on process and resource at once; no attempt is spent', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.noResponders();
    expect(life.process()).toMatchObject({ status: 'waitingHandler', waitingHandler: 'demo' });
    expect(life.resource).toMatchObject({ transitioning: 'yes', message: 'waiting for handler demo' });
    expect(life.wakeIn()).toBe(60_000);
    life.input({ kind: 'wake' });
    expect(life.process()).toMatchObject({ status: 'dispatched', dispatch: 1, waitingHandler: null });
    expect(life.sent.map(({ id, attempt }) => [id, attempt])).toEqual([
      ['1pi1.1', 1],
      ['1pi1.1', 1],
    ]);
  });

  it('probing it does not touch the resource: no revision a second', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.noResponders();
    const { revision } = life.resource;
    for (let i = 0; i < 10; i++) {
      life.pass(1_000);
      life.input({ kind: 'wake' });
      life.noResponders();
    }
    expect(life.resource.revision).toBe(revision);
    expect(life.wakeIn()).toBe(50_000);
  });

  it('fails for good after waitMillis', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.noResponders();
    life.pass(60_000);
    expect(life.process()).toMatchObject({ status: 'parked', errorCode: 'HandlerAbsent' });
  });

  it('an answer that comes although it counted as absent is taken', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.noResponders();
    life.reply(ok());
    expect(life.resource.state).toBe('running');
  });

  it('its message goes with the first progress', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.noResponders();
    life.input({ kind: 'wake' });
    life.reply(reply({ transitioning: 'yes', transitioningProgress: 10 }));
    expect(life.resource).toMatchObject({ message: null, progress: 10 });
  });

  it('the wait for one handler leaves the next its whole waiting time', () => {
    const life = new Life([handler('a', 'machine.start'), handler('b', 'machine.start')]);
    life.start('start');
    life.noResponders();
    life.pass(59_500);
    life.input({ kind: 'wake' });
    life.reply(ok());
    life.noResponders();
    expect(life.wakeIn()).toBe(60_000);
  });

  it('"no responders" for an old attempt is ignored', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    expect(life.input({ kind: 'noResponders', dispatch: 0 })).toMatchObject({ kind: 'ignore' });
    life.reply(failure());
    expect(life.noResponders()).toMatchObject({ kind: 'ignore' });
  });
});

describe('totalMillis', () => {
  it('ends a process however many attempts are left, tells its handler, and goes to onError', () => {
    const life = new Life([
      handler('demo', 'machine.hurry', { timeoutMillis: 2_000 }),
      handler('halt', 'machine.stop2'),
    ]);
    life.start('hurry');
    life.reply(reply({ transitioning: 'yes' }));
    life.pass(1_000);
    life.reply(reply({ transitioning: 'yes' }));
    life.pass(1_500);
    expect(life.finished).toMatchObject([{ name: 'machine.hurry', exitReason: 'FAILED', errorCode: 'TotalTimeout' }]);
    expect(life.cancelled).toMatchObject([{ handler: 'demo', id: '1pi1.1' }]);
  });

  it('onError waits for the attempt that was given up, until its deadline', () => {
    const life = new Life([
      handler('demo', 'machine.hurry', { timeoutMillis: 4_000 }),
      handler('halt', 'machine.stop2'),
    ]);
    life.start('hurry');
    life.pass(2_500);
    expect(life.process()).toMatchObject({ name: 'machine.stop2', status: 'waitingPredecessor', predecessorId: 1 });
    expect(life.wakeIn()).toBe(1_500);
    life.pass(1_500);
    expect(life.process().status).toBe('dispatched');
  });

  it('bounds delays, waits and pauses', () => {
    for (const act of [
      (life: Life) => life.reply(reply({ delayMillis: 50_000 })),
      (life: Life) => life.noResponders(),
      (life: Life) => life.reply(failure()),
    ]) {
      const life = new Life([handler('demo', 'machine.hurry', { timeoutMillis: 9_000 })]);
      life.start('hurry');
      life.pass(2_450);
      act(life);
      expect(life.wakeIn()).toBe(50);
      life.pass(50);
      expect(life.resource.state).toBe('stopped');
    }
  });

  it('once it is over an operator can cancel or force, not repeat', () => {
    const yaml = `{apiVersion: drover/v1, kind: ResourceType, name: brief, processes: {activate: {start: [inactive], transitioning: activating, done: active, totalMillis: 500}}}`;
    const life = new Life([handler('demo', 'brief.activate')], 'inactive', yaml);
    life.start('activate');
    life.pass(500);
    expect(life.process().status).toBe('parked');
    for (const action of ['retry', 'skip', 'replay'] as const)
      expect(life.operate(action)).toMatchObject({ kind: 'refuse', error: { code: 'ActionNotAvailable' } });
    life.operate('cancel');
    expect(life.resource.state).toBe('inactive');
  });
});

describe('a take-over', () => {
  it('sends what is out again with the same id, without moving the deadline or spending an attempt', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.pass(300);
    life.takeOver();
    expect(life.sent.map((one) => one.id)).toEqual(['1pi1.1', '1pi1.1']);
    expect(life.process()).toMatchObject({ dispatch: 1, resend: false, slot: 1 });
    expect(life.wakeIn()).toBe(700);
  });

  it('runs an in-process step again', () => {
    const life = new Life([builtin('local', 'machine.start')]);
    life.start('start');
    life.takeOver();
    expect(life.sent).toHaveLength(2);
    expect(life.process().status).toBe('running');
  });

  it('after the deadline is a time-out like any other', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.now += 1_000;
    life.takeOver();
    expect(life.process().status).toBe('backoff');
  });

  it('a wake-up before a deadline that progress has moved only re-arms', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.pass(500);
    const { revision } = life.resource;
    life.input({ kind: 'wake' });
    expect(life.wakeIn()).toBe(500);
    expect(life.resource.revision).toBe(revision);
    expect(life.sent).toHaveLength(1);
  });
});

describe('records', () => {
  it('are bounded, and say how many were dropped', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    for (let i = 0; i < 200; i++) life.reply(reply({ [`bad${i}`]: 1 }));
    expect(life.progress.steps).toHaveLength(MAX_RECORDS);
    expect(life.progress.dropped).toBe(200 - MAX_RECORDS);
    expect(life.progress.steps.at(-1)!.error!.message).toContain('bad199');
  });

  it('a progress document stays small: it is in every commit', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    expect(JSON.stringify(life.process().progress).length).toBeLessThan(80);
    for (let i = 0; i < 200; i++) {
      life.reply(reply({ ['k'.repeat(5_000)]: 1 }));
      life.reply(failure('m'.repeat(100_000), { code: 'C'.repeat(10_000), retryable: true }));
      life.pass(400);
      if (life.process().status === 'parked') life.operate('retry');
    }
    expect(JSON.stringify(life.process().progress).length).toBeLessThan(40_000);
    expect(life.process().errorCode!.length).toBeLessThanOrEqual(100);
    expect(life.resource.message!.length).toBeLessThanOrEqual(1_000);
  });
});
