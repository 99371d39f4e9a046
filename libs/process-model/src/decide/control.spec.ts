import type { StepRecord } from '@drover/contracts';
import { describe, expect, it } from 'vitest';
import { awaitedProcesses, passOn } from './after-commit.js';
import { builtin, failure, handler, Life, MACHINE, ok, reply } from './life.fixture.js';
import { operatorActions } from './operate.js';

describe('delegate', () => {
  it('when a result asks for it, the instance goes on in the delegate without resting in done', () => {
    const life = new Life([handler('demo', 'machine.*')], 'requested');
    life.start('create');
    life.reply(reply({ delegate: true, data: { cpus: 1 } }));
    expect(life.process()).toMatchObject({ id: 1, name: 'machine.start', status: 'dispatched' });
    life.reply(ok());
    expect(life.path).toEqual(['creating', 'starting', 'running']);
    expect(life.finished).toMatchObject([{ id: 1, name: 'machine.start', exitReason: 'DONE' }]);
    expect(life.finished[0]!.progress.executions).toMatchObject([
      { process: 'machine.create', exitReason: 'DELEGATE' },
      { process: 'machine.start', exitReason: 'DONE' },
    ]);
  });

  it('is not taken unless asked for', () => {
    const life = new Life([handler('demo', 'machine.*')], 'requested');
    life.start('create');
    life.reply(ok());
    expect(life.path).toEqual(['creating', 'stopped']);
  });

  it('marked always needs no result, not even a handler', () => {
    const life = new Life();
    life.start('boot');
    expect(life.path).toEqual(['booting', 'warming', 'running']);
    expect(life.finished).toHaveLength(1);
  });

  it('keys and ids differ from hop to hop, though the handler is the same', () => {
    const life = new Life([handler('demo', 'machine.*')]);
    life.start('boot');
    life.reply(ok());
    life.reply(ok());
    expect(life.sent.map(({ id, key }) => [id, key])).toEqual([
      ['1pi1.1', '1pi1.handle.demo'],
      ['1pi1.2', '1pi1.warm.handle.demo'],
    ]);
  });

  it('a late answer to the first hop changes nothing in the second', () => {
    const life = new Life([handler('demo', 'machine.*')]);
    life.start('boot');
    life.reply(ok());
    expect(life.reply(ok(), 1)).toMatchObject({ kind: 'ignore' });
    expect(life.resource.state).toBe('warming');
  });

  it.each([
    ['has none', 'start', MACHINE, 'DONE', ['machine.start has no delegate; it ends as without this request']],
    [
      'has one that cannot start there',
      'create',
      MACHINE.replace('delegate: start', 'delegate: warm'),
      'DONE',
      ['machine.create cannot go on in machine.warm here; it ends as without this request'],
    ],
    ['has one that is done there', 'create', MACHINE.replace('delegate: start', 'delegate: stop'), 'ALREADY_DONE', []],
  ])(
    'asked for where the definition %s, the process ends, and its record says so',
    (_, verb, yaml, exitReason, said) => {
      const life = new Life([handler('demo', `machine.${verb}`)], verb === 'create' ? 'requested' : 'stopped', yaml);
      life.start(verb);
      life.reply(reply({ delegate: true }));
      expect(life.path).toEqual(verb === 'create' ? ['creating', 'stopped'] : ['starting', 'running']);
      expect(life.finished).toMatchObject([{ exitReason }]);
      const { steps } = life.finished[0]!.progress as { steps: StepRecord[] };
      expect(steps.flatMap(({ error }) => (error?.code === 'NoDelegate' ? [error.message] : []))).toEqual(said);
    },
  );
});

describe('chainProcess', () => {
  it('ends by starting another process of the same resource, in one commit', () => {
    const life = new Life([handler('demo', 'machine.*')]);
    life.start('start', { a: 1 }, 'drover.notify.a.b');
    life.reply(reply({ chainProcess: 'machine.stop' }));
    expect(life.finished).toMatchObject([{ id: 1, exitReason: 'CHAIN' }]);
    expect(life.process()).toMatchObject({ id: 2, name: 'machine.stop', data: { a: 1 }, notify: 'drover.notify.a.b' });
    expect(life.path).toEqual(['starting', 'stopping']);
    expect(life.resource).toMatchObject({ state: 'stopping', transitioning: 'yes' });
    life.reply(ok());
    expect(life.resource.state).toBe('stopped');
  });

  it('waits for the handlers that are left', () => {
    const life = new Life([handler('a', 'machine.start'), handler('b', 'machine.start')]);
    life.start('start');
    life.reply(reply({ chainProcess: 'Machine.Stop' }));
    expect(life.resource.state).toBe('starting');
    life.reply(ok());
    expect(life.path).toEqual(['starting', 'stopping', 'stopped']);
  });

  it.each([
    ['unknown', 'machine.fly', /is no process of machine/],
    ['of another type', 'disk.stop', /is no process of machine/],
    [
      'impossible from here',
      'machine.remove',
      /starts on state from requested, stopped, failed, not from starting or running/,
    ],
    ['of another state field', 'machine.attach', /starts on disk/],
    ['longer than any name', `machine.${'x'.repeat(100_000)}`, /chainProcess "machine\.xxx/],
  ])('%s is a failure at once that says why and writes nothing', (_, chainProcess, message) => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.reply(reply({ chainProcess, data: { cpus: 3 } }));
    expect(life.process()).toMatchObject({ status: 'parked', errorCode: 'HandlerDataRefused' });
    expect(life.process().errorMessage).toMatch(message);
    expect(life.process().errorMessage!.length).toBeLessThanOrEqual(1_000);
    expect(life.resource.data).toEqual({});
  });

  it('asked for twice: the last one wins, and its record says instead of what', () => {
    const life = new Life([
      handler('a', 'machine.start'),
      handler('b', 'machine.start'),
      handler('c', 'machine.start'),
    ]);
    life.start('start');
    life.reply(reply({ chainProcess: 'machine.stop' }));
    life.reply(reply({ chainProcess: 'Machine.Stop' }));
    life.reply(reply({ chainProcess: 'machine.kill' }));
    expect(life.path).toEqual(['starting', 'killing', 'stopped']);
    const { steps } = life.finished[0]!.progress as { steps: StepRecord[] };
    expect(steps.map(({ error }) => error)).toEqual([
      undefined,
      undefined,
      { code: 'ChainReplaced', message: 'machine.kill instead of machine.stop, asked for before' },
    ]);
  });

  it.each([
    ['itself', 'start', 'machine.start', ['starting', 'running']],
    ['a process that ends where this one ends', 'stop', 'Machine.Kill', ['stopping', 'killing', 'stopped']],
    ['a process that ended there before', 'stop', 'machine.create', ['stopping', 'stopped']],
  ])('to %s: ends as a success, with nothing to do for it', (_, verb, chainProcess, path) => {
    const life = new Life([handler('demo', `machine.${verb}`)], verb === 'start' ? 'stopped' : 'running');
    life.start(verb, {}, 'drover.notify.a.b');
    life.reply(reply({ chainProcess, data: { cpus: 3 } }));
    expect(life.path).toEqual(path);
    expect(life.finished[0]).toMatchObject({ exitReason: path.length === 2 ? 'ALREADY_DONE' : 'CHAIN' });
    expect(life.resource).toMatchObject({ state: path.at(-1), transitioning: 'no', data: { cpus: 3 } });
  });

  it('to what is done already, and a delegate: rests where the chain would have led', () => {
    const life = new Life([handler('demo', 'machine.create')], 'requested');
    life.start('create');
    life.reply(reply({ chainProcess: 'machine.create', delegate: true }));
    expect(life.path).toEqual(['creating', 'stopped']);
    expect(life.finished).toMatchObject([{ exitReason: 'ALREADY_DONE' }]);
  });

  it('wins over a delegate', () => {
    const life = new Life([handler('demo', 'machine.create')], 'requested');
    life.start('create');
    life.reply(reply({ chainProcess: 'machine.remove', delegate: true }));
    expect(life.path).toEqual(['creating', 'removing', 'removed']);
  });
});

/** Three processes, each of which pre-empts the one before it. */
const BOX = `
apiVersion: drover/v1
kind: ResourceType
name: box
defaultProcesses: false
final: [c]
processes:
  one: { start: [requested], transitioning: ones, done: a, timeoutMillis: 9000 }
  two: { start: [ones], transitioning: twos, done: b, timeoutMillis: 1000 }
  three: { start: [twos], transitioning: threes, done: c, timeoutMillis: 1000 }
`;

describe('pre-emption', () => {
  function starting(...more: Parameters<typeof handler>[]): Life {
    const life = new Life([handler('demo', 'machine.start'), ...more.map((one) => handler(...one))]);
    life.start('start', {}, 'drover.notify.a.b');
    return life;
  }

  it('the new process holds the state at once; the running one is cancelled in the same commit, its handler told', () => {
    const life = starting(['halt', 'machine.stop']);
    life.pass(400);
    life.start('stop');
    expect(life.resource.state).toBe('stopping');
    expect(life.finished).toMatchObject([{ name: 'machine.start', exitReason: 'CANCELED' }]);
    expect(life.ended).toMatchObject([{ processId: 1, notify: 'drover.notify.a.b', exitReason: 'CANCELED' }]);
    expect(life.cancelled).toMatchObject([
      { handler: 'demo', id: '1pi1.1', key: '1pi1.handle.demo', reason: 'pre-empted by machine.stop' },
    ]);
  });

  it('its first external step waits for the cancelled attempt', () => {
    const life = starting(['halt', 'machine.stop']);
    life.pass(400);
    life.start('stop');
    expect(life.process()).toMatchObject({ status: 'waitingPredecessor', predecessorId: 1, dispatch: 0 });
    expect(life.wakeIn()).toBe(600);
    expect(life.sent).toHaveLength(1);
    life.input({ kind: 'predecessorAnswered', predecessorId: 1, data: { address: 'made late' } });
    expect(life.process()).toMatchObject({ status: 'dispatched', dispatch: 1, predecessorId: null });
    expect(life.resource).toMatchObject({ state: 'stopping', data: { address: 'made late' } });
    life.reply(ok());
    expect(life.resource.state).toBe('stopped');
  });

  it('until its deadline, not longer', () => {
    const life = starting(['halt', 'machine.stop']);
    life.start('stop');
    life.pass(999);
    expect(life.process().status).toBe('waitingPredecessor');
    life.pass(1);
    expect(life.process().status).toBe('dispatched');
    expect(life.input({ kind: 'predecessorAnswered', predecessorId: 1, data: { cpus: 1 } })).toMatchObject({
      kind: 'ignore',
    });
  });

  it('an answer whose data is refused starts the next one all the same', () => {
    const life = starting(['halt', 'machine.stop']);
    life.start('stop');
    life.input({ kind: 'predecessorAnswered', predecessorId: 1, data: { colour: 'red' } });
    expect(life.process()).toMatchObject({ status: 'dispatched', errorCode: 'HandlerDataRefused' });
    expect(life.resource.data).toEqual({});
  });

  it('another process that answers is nobody to wait for', () => {
    const life = starting(['halt', 'machine.stop']);
    life.start('stop');
    expect(life.input({ kind: 'predecessorAnswered', predecessorId: 9, data: {} })).toMatchObject({ kind: 'ignore' });
  });

  it('preempt: immediate does not wait', () => {
    const life = starting(['killer', 'machine.kill']);
    life.start('kill');
    expect(life.process()).toMatchObject({ name: 'machine.kill', status: 'dispatched', predecessorId: null });
  });

  it('immediate does not inherit the wait of the one it pre-empts either', () => {
    const life = starting(['halt', 'machine.stop'], ['killer', 'machine.kill']);
    life.start('stop');
    life.start('kill');
    expect(life.process()).toMatchObject({ name: 'machine.kill', status: 'dispatched', predecessorId: null });
  });

  it('nothing to wait for while the cancelled one pauses, waits for its handler, or is parked', () => {
    for (const act of [
      (life: Life) => life.reply(failure()),
      (life: Life) => life.noResponders(),
      (life: Life) => life.reply(reply({ delayMillis: 10 })),
    ]) {
      const life = starting(['halt', 'machine.stop']);
      act(life);
      life.start('stop');
      expect(life.process()).toMatchObject({ name: 'machine.stop', status: 'dispatched' });
      expect(life.cancelled).toEqual([]);
    }
  });

  it('without handlers of its own the new process is done at once', () => {
    const life = starting();
    life.start('stop');
    expect(life.path).toEqual(['starting', 'stopping', 'stopped']);
  });

  it('cancelled by an operator afterwards, it returns to where the first run began', () => {
    const life = starting(['halt', 'machine.stop'], ['killer', 'machine.kill']);
    life.start('kill');
    life.operate('cancel');
    life.reply(ok());
    expect(life.resource.state).toBe('stopped');
  });

  it('the records say what really moved', () => {
    const life = starting();
    life.start('stop');
    expect(life.finished.map((row) => row.progress.transitions)).toMatchObject([
      [
        { from: 'stopped', to: 'starting', kind: 'transitioning' },
        { from: 'starting', to: 'stopping', kind: 'canceled' },
      ],
      [
        { from: 'starting', to: 'stopping', kind: 'transitioning' },
        { from: 'stopping', to: 'stopped', kind: 'done' },
      ],
    ]);
  });

  describe('with an in-process first step', () => {
    function stopping(timeoutMillis = 10_000, options = {}): Life {
      const life = new Life([
        handler('demo', 'machine.start', { timeoutMillis }),
        builtin('local', 'machine.stop', { priority: 1, ...options }),
        handler('halt', 'machine.stop'),
      ]);
      life.start('start');
      life.start('stop');
      return life;
    }

    it('that one runs at once; the external one waits', () => {
      const life = stopping();
      expect(life.process().status).toBe('running');
      life.pass(100);
      life.reply(ok());
      expect(life.process().status).toBe('waitingPredecessor');
      expect(life.wakeIn()).toBe(9_900);
      life.input({ kind: 'predecessorAnswered', predecessorId: 1, data: {} });
      expect(life.process().status).toBe('dispatched');
    });

    it('an answer that comes meanwhile leaves it running', () => {
      const life = stopping();
      life.pass(100);
      life.input({ kind: 'predecessorAnswered', predecessorId: 1, data: { cpus: 1 } });
      expect(life.process()).toMatchObject({ status: 'running', predecessorId: null });
      expect(life.wakeIn()).toBe(900);
      life.reply(ok());
      expect(life.process().status).toBe('dispatched');
      expect(life.resource.data).toEqual({ cpus: 1 });
    });

    it('an answer during a pause between its attempts does not leave it asleep', () => {
      const life = stopping();
      life.reply(failure());
      const wakeAt = life.wakeAt();
      life.pass(10);
      life.input({ kind: 'predecessorAnswered', predecessorId: 1, data: {} });
      expect(life.violations()).toEqual([]);
      expect([life.process().status, life.wakeAt()]).toEqual(['backoff', wakeAt]);
      life.pass(400);
      expect(life.process()).toMatchObject({ status: 'running', dispatch: 2 });
    });

    it('the wait outlives a skip by an operator', () => {
      const life = stopping();
      life.reply(failure('no', { retryable: false }));
      life.operate('skip');
      expect(life.process().status).toBe('waitingPredecessor');
      expect(life.violations()).toEqual([]);
      life.pass(10_000);
      expect(life.process().status).toBe('dispatched');
    });

    it('the wait outlives a chain', () => {
      const life = stopping();
      life.deactivate('halt');
      life.register(handler('eraser', 'machine.remove'));
      life.reply(reply({ chainProcess: 'machine.remove' }));
      // `halt` was planned and is gone, so stop ends here and remove begins.
      expect(life.process()).toMatchObject({ name: 'machine.remove', status: 'waitingPredecessor', predecessorId: 1 });
    });
  });

  it('a chain of pre-emptions waits for the one attempt that is out', () => {
    const life = new Life([handler('h', 'box.*')], 'requested', BOX);
    life.start('one');
    life.pass(1_000);
    life.start('two');
    life.pass(1_000);
    life.start('three');
    expect(life.process()).toMatchObject({ name: 'box.three', status: 'waitingPredecessor', predecessorId: 1 });
    expect(life.wakeIn()).toBe(7_000);
    expect(life.finished.map((row) => row.exitReason)).toEqual(['CANCELED', 'CANCELED']);
  });

  it('a cancelled in-process attempt and the external one before it are waited for, one after the other', () => {
    const both = new Life([handler('h', 'box.one,box.three'), builtin('local', 'box.two')], 'requested', BOX);
    both.start('one');
    both.start('two');
    both.start('three');
    expect(both.process()).toMatchObject({ status: 'waitingPredecessor', predecessorId: 2 });
    both.input({ kind: 'predecessorAnswered', predecessorId: 2, data: {} });
    expect(both.process()).toMatchObject({ status: 'waitingPredecessor', predecessorId: 1 });
    expect(both.wakeIn()).toBe(9_000);
    both.input({ kind: 'predecessorAnswered', predecessorId: 1, data: {} });
    expect(both.process()).toMatchObject({ status: 'dispatched', predecessorId: null });
  });

  it('the farther one may answer first: what it made is merged, and the nearer one is waited for still', () => {
    const both = new Life([handler('h', 'box.one,box.three'), builtin('local', 'box.two')], 'requested', BOX);
    both.start('one');
    both.start('two');
    both.start('three');
    const token = both.progress.predecessor!.next!.token;
    const answer = { kind: 'reply', dispatch: 1, reply: reply({ data: { name: 'made' } }) } as const;
    expect(awaitedProcesses(both.process())).toEqual([2, 1]);
    expect(passOn(both.process(), 1, answer, 'another')).toBeNull();
    const passed = passOn(both.process(), 1, answer, token)!;
    expect(passed).toMatchObject({ kind: 'predecessorAnswered', predecessorId: 1 });
    const wakeAt = both.wakeAt();
    both.input(passed);
    expect(both.process()).toMatchObject({ status: 'waitingPredecessor', predecessorId: 2 });
    expect([both.resource.name, both.wakeAt()]).toEqual(['made', wakeAt]);
    both.input({ kind: 'predecessorAnswered', predecessorId: 2, data: {} });
    expect(both.process()).toMatchObject({ status: 'dispatched', predecessorId: null });
  });
});

describe('an operator', () => {
  function parked(...more: Parameters<typeof handler>[]): Life {
    const life = new Life([handler('demo', 'machine.*'), ...more.map((one) => handler(...one))]);
    life.start('start');
    life.reply(failure('broken', { retryable: false }));
    expect(life.process().status).toBe('parked');
    return life;
  }

  it('retries: a new id, the same key, a fresh budget; who did it is on record', () => {
    const life = parked();
    life.operate('retry');
    expect(life.process()).toMatchObject({ status: 'dispatched', errorCode: null });
    expect(life.resource).toMatchObject({ transitioning: 'yes', message: null });
    expect(life.sent.at(-1)).toMatchObject({ id: '1pi1.2', key: '1pi1.handle.demo', attempt: 1 });
    expect(life.progress.steps.at(-1)).toMatchObject({ error: { code: 'Operator.retry', message: 'by ann' } });
  });

  it('retries at once a step that pauses or waits for its handler', () => {
    for (const act of [(life: Life) => life.reply(failure()), (life: Life) => life.noResponders()]) {
      const life = new Life([handler('demo', 'machine.start')]);
      life.start('start');
      act(life);
      life.operate('retry');
      expect(life.process()).toMatchObject({ status: 'dispatched', dispatch: 2, waitingHandler: null });
    }
  });

  it('skips the step: the others follow', () => {
    const life = parked(['then', 'machine.start', { priority: 2_000 }]);
    life.operate('skip');
    expect(life.sent.at(-1)!.step).toBe('handle.then');
    life.reply(ok());
    expect(life.resource).toMatchObject({ state: 'running', transitioning: 'no' });
    expect(life.finished[0]!.progress.steps.map((step) => step.outcome)).toEqual(['failed', 'skipped', 'done']);
  });

  it('skips the last step: the process is done', () => {
    const life = parked();
    life.operate('skip');
    expect(life.resource).toMatchObject({ state: 'running', transitioning: 'no' });
  });

  it('replays all steps from the first', () => {
    const life = new Life([handler('a', 'machine.start'), handler('b', 'machine.start')]);
    life.start('start');
    life.reply(reply({ chainProcess: 'machine.stop' }));
    life.reply(failure('no', { retryable: false }));
    life.operate('replay');
    expect(life.sent.at(-1)).toMatchObject({ step: 'handle.a', key: '1pi1.handle.a' });
    life.reply(ok());
    life.reply(ok());
    expect(life.resource.state).toBe('running');
  });

  it('cancels to the state the run began in', () => {
    const life = parked();
    life.operate('cancel');
    expect(life.resource).toMatchObject({ state: 'stopped', transitioning: 'no', message: null });
    expect(life.finished).toMatchObject([{ exitReason: 'CANCELED' }]);
    expect(life.feed.at(-1)!.kind).toBe('canceled');
  });

  it("cancels to the definition's onCancel", () => {
    const life = new Life([handler('demo', 'machine.stop')], 'running');
    life.start('stop');
    life.reply(failure());
    life.operate('cancel');
    expect(life.resource.state).toBe('running');
  });

  it('forces while a handler works, and tells it', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.operate('force', 'stopped');
    expect(life.cancelled).toMatchObject([{ handler: 'demo', id: '1pi1.1', reason: 'by ann' }]);
    expect(life.inputTo(1, { kind: 'reply', dispatch: 1, reply: ok() })).toMatchObject({ kind: 'ignore' });
  });

  it('forces a state to rest in, on record as forced', () => {
    const life = parked();
    life.operate('force', 'failed');
    expect(life.resource).toMatchObject({ state: 'failed', transitioning: 'no' });
    expect(life.finished[0]!.progress.transitions.at(-1)).toEqual({ from: 'starting', to: 'failed', kind: 'forced' });
    expect(life.finished[0]!.progress.steps.at(-1)!.error).toMatchObject({ code: 'Operator.force', message: 'by ann' });
  });

  it('cannot force what is removed back to life', () => {
    const life = new Life([handler('demo', 'machine.purge')], 'removed');
    life.start('purge');
    const error = { code: 'InvalidOption', message: 'force needs a state to rest in: removed, purged' };
    expect(life.operate('force', 'stopped')).toMatchObject({ kind: 'refuse', error });
    life.operate('force', 'purged');
    expect(life.resource).toMatchObject({ state: 'purged', transitioning: 'no' });
  });

  it.each([null, 'starting', 'nowhere', '__proto__', 'attached'])(
    'cannot force %s, and hears what is possible',
    (state) => {
      const decision = parked().operate('force', state);
      expect(decision).toMatchObject({ kind: 'refuse', error: { code: 'InvalidOption' } });
      expect((decision as { error: Error }).error.message).toContain('stopped');
    },
  );

  it.each(['retry', 'skip', 'replay'] as const)('cannot %s while a handler works', (action) => {
    const life = new Life([handler('demo', 'machine.start'), handler('halt', 'machine.stop')]);
    life.start('start');
    expect(life.operate(action)).toMatchObject({ kind: 'refuse', error: { code: 'ActionNotAvailable' } });
    life.start('stop');
    expect(life.process().status).toBe('waitingPredecessor');
    expect(life.operate(action)).toMatchObject({ kind: 'refuse' });
    expect(operatorActions('waitingPredecessor')).toEqual(['cancel', 'force']);
  });

  it('cannot skip where there is no step', () => {
    const life = new Life();
    const { onCommit } = life;
    let refused: unknown;
    life.onCommit = (transition, before) => {
      onCommit(transition, before);
      if (refused === undefined && transition.start !== null) {
        refused = null;
        refused = life.operate('skip');
      }
    };
    life.start('start');
    expect(refused).toMatchObject({ kind: 'refuse', error: { message: 'There is no step to skip' } });
  });

  it('a very long name is cut', () => {
    const life = parked();
    life.input({ kind: 'operate', action: 'cancel', state: null, operator: `${'x'.repeat(10_000)}` });
    expect(life.finished[0]!.progress.steps.at(-1)!.error!.message.length).toBeLessThanOrEqual(200);
  });
});
