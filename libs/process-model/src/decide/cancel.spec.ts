import { describe, expect, it } from 'vitest';
import { builtin, failure, handler, Life, ok, reply } from './life.fixture.js';
import { operatorActions } from './operate.js';

/** A machine whose start is being worked on, and was cancelled 300 ms later. */
function canceling(onCancel = 'start', more: Parameters<typeof handler>[] = []): Life {
  const yaml = `
apiVersion: drover/v1
kind: ResourceType
name: machine
fields: { address: { type: string } }
defaultProcesses: false
final: [broken]
processes:
  create: { start: [requested], transitioning: creating, done: stopped }
  start: { start: [stopped], transitioning: starting, done: running, timeoutMillis: 1000, totalMillis: 5000, onCancel: ${onCancel} }
  stop: { start: [running, starting], transitioning: stopping, done: stopped, timeoutMillis: 1000 }
  break: { start: [running, stopped], transitioning: breaking, done: broken }
`;
  const life = new Life([handler('demo', 'machine.start'), ...more.map((one) => handler(...one))], 'stopped', yaml);
  life.start('start', {}, 'drover.notify.a.b');
  life.pass(300);
  life.operate('cancel');
  return life;
}

describe('a cancel while an attempt is under way', () => {
  it('tells the handler and waits for its answer, at most until its deadline', () => {
    const life = canceling();
    expect(life.process()).toMatchObject({ status: 'canceling', dispatch: 1 });
    expect(life.resource).toMatchObject({ state: 'starting', transitioning: 'yes', message: 'canceling by ann' });
    expect(life.cancelled).toMatchObject([{ handler: 'demo', id: '1pi1.1', reason: 'by ann' }]);
    expect(life.wakeIn()).toBe(700);
    life.pass(699);
    expect(life.isLive()).toBe(true);
    life.pass(1);
    expect(life.resource).toMatchObject({ state: 'stopped', transitioning: 'no', message: null });
    expect(life.finished).toMatchObject([{ exitReason: 'CANCELED' }]);
    expect(life.ended).toMatchObject([{ exitReason: 'CANCELED', notify: 'drover.notify.a.b' }]);
    expect(life.feed.at(-1)!.kind).toBe('canceled');
  });

  it('merges what the answer says was made, and leaves: success or failure make no difference', () => {
    for (const [answer, data] of [
      [ok({ address: 'made' }), { address: 'made' }],
      [reply({ delayMillis: 100, data: { address: 'begun' } }), { address: 'begun' }],
      [reply({ chainProcess: 'machine.break' }), {}],
      [reply({ data: { colour: 'red' } }), {}],
      [failure('aborted'), {}],
    ] as const) {
      const life = canceling();
      life.reply(answer);
      expect(life.resource).toMatchObject({ state: 'stopped', transitioning: 'no', data });
      expect(life.finished).toMatchObject([{ exitReason: 'CANCELED' }]);
      expect(life.sent).toHaveLength(1);
    }
  });

  it('progress is shown and moves no clock; a rejected reply is recorded', () => {
    const life = canceling();
    life.reply(reply({ transitioning: 'yes', transitioningMessage: 'undoing', transitioningProgress: 50 }));
    expect(life.resource).toMatchObject({ message: 'undoing', progress: 50 });
    life.reply(reply({ nonsense: true }));
    expect(life.progress.steps.at(-1)).toMatchObject({ outcome: 'rejected' });
    expect(life.wakeIn()).toBe(700);
  });

  it('an answer to another attempt ends no wait', () => {
    expect(canceling().reply(ok(), 0)).toMatchObject({ kind: 'ignore' });
  });

  it('a handler that turns out to be absent is not waited for', () => {
    const life = canceling();
    life.noResponders();
    expect(life.resource.state).toBe('stopped');
  });

  it('who cancelled, when, and what became of the attempt is on record', () => {
    const life = canceling();
    life.pass(700);
    expect(life.finished[0]!.progress.steps).toMatchObject([
      { outcome: 'canceled', error: { code: 'Operator.cancel', message: 'by ann' } },
      { outcome: 'timeout', error: { code: 'TIMEOUT' } },
    ]);
  });

  it('a second one changes nothing and is no error; force leaves at once', () => {
    const life = canceling();
    expect(life.operate('cancel')).toMatchObject({ kind: 'ignore' });
    for (const action of ['retry', 'skip', 'replay'] as const)
      expect(life.operate(action)).toMatchObject({ kind: 'refuse', error: { code: 'ActionNotAvailable' } });
    expect(operatorActions('canceling')).toEqual(['force']);
    life.operate('force', 'broken');
    expect(life.resource.state).toBe('broken');
  });

  it('whatever engine is left: the wake-up of the status is its deadline', () => {
    const life = canceling();
    life.takeOver();
    expect([life.process().status, life.wakeIn(), life.sent.length]).toEqual(['canceling', 700, 1]);
    life.now += 5_000;
    life.input({ kind: 'wake' });
    expect(life.resource.state).toBe('stopped');
  });

  it('pre-empted meanwhile, the next process waits for the same attempt', () => {
    const life = canceling('start', [['halt', 'machine.stop']]);
    life.start('stop');
    expect(life.process()).toMatchObject({ name: 'machine.stop', status: 'waitingPredecessor', predecessorId: 1 });
    expect(life.wakeIn()).toBe(700);
    life.input({ kind: 'predecessorAnswered', predecessorId: 1, data: { address: 'made' } });
    expect(life.process()).toMatchObject({ status: 'dispatched' });
    expect(life.resource.data).toEqual({ address: 'made' });
  });

  it('the total clock does not let it leave while the handler may be at work', () => {
    const life = canceling();
    const row = life.live.get(1)!;
    row.totalDeadline = life.now + 100;
    life.now += 200;
    life.input({ kind: 'wake' });
    expect(life.process().status).toBe('canceling');
    life.pass(500);
    expect(life.finished).toMatchObject([{ exitReason: 'CANCELED' }]);
  });
});

describe('a cancel while the attempt of a process before it is awaited', () => {
  it('waits for that one too', () => {
    const life = new Life([handler('demo', 'machine.start'), handler('halt', 'machine.stop')]);
    life.start('start');
    life.start('stop');
    life.operate('cancel');
    expect(life.process()).toMatchObject({ name: 'machine.stop', status: 'canceling' });
    expect(life.wakeIn()).toBe(1_000);
    life.input({ kind: 'predecessorAnswered', predecessorId: 1, data: { address: 'made' } });
    expect(life.resource).toMatchObject({ state: 'running', data: { address: 'made' } });
  });

  it('and for its own first, when both are out', () => {
    const life = new Life([
      handler('demo', 'machine.start', { timeoutMillis: 9_000 }),
      builtin('local', 'machine.stop'),
    ]);
    life.start('start');
    life.start('stop');
    life.operate('cancel');
    expect(life.wakeIn()).toBe(1_000);
    life.pass(1_000);
    expect(life.process().status).toBe('canceling');
    expect(life.wakeIn()).toBe(8_000);
    life.pass(8_000);
    expect(life.resource.state).toBe('running');
    expect(life.violations()).toEqual([]);
  });
});

describe('onCancel', () => {
  it('start, the default, leads to the state the run began in; a named state there', () => {
    const toStart = canceling();
    toStart.reply(ok());
    expect(toStart.resource.state).toBe('stopped');
    const named = canceling('running');
    named.reply(ok());
    expect(named.resource.state).toBe('running');
  });

  it('parked stays where it is, for an operator, who may go on', () => {
    const life = canceling('parked');
    life.reply(failure('aborted'));
    expect(life.process()).toMatchObject({ status: 'parked', errorCode: 'Canceled' });
    expect(life.resource).toMatchObject({ state: 'starting', transitioning: 'error', message: 'canceled by ann' });
    expect(life.progress.executions).toMatchObject([{ exitReason: 'CANCELED' }]);
    expect(life.operate('cancel')).toMatchObject({ kind: 'refuse', error: { code: 'ActionNotAvailable' } });
    life.operate('retry');
    life.reply(ok());
    expect(life.resource.state).toBe('running');
  });

  it('parked: with nobody at work, at once', () => {
    const life = canceling('parked');
    life.reply(failure());
    life.operate('retry');
    life.noResponders();
    life.operate('cancel');
    expect(life.process().status).toBe('parked');
  });
});
