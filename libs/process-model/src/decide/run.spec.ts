import { describe, expect, it } from 'vitest';
import { builtin, failure, handler, Life, ok, reply } from './life.fixture.js';

describe('a run', () => {
  it('without handlers moves straight to done', () => {
    const life = new Life();
    life.start('start');
    expect(life.path).toEqual(['starting', 'running']);
    expect(life.finished).toMatchObject([{ name: 'machine.start', exitReason: 'DONE' }]);
    expect(life.resource).toMatchObject({ state: 'running', transitioning: 'no', revision: 3 });
  });

  it('with one external handler goes schedule, dispatch, reply, done', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start', { fast: true });
    expect(life.sent).toEqual([
      { id: '1pi1.1', key: '1pi1.handle.demo', process: 'machine.start', step: 'handle.demo', attempt: 1 },
    ]);
    expect(life.process()).toMatchObject({ status: 'dispatched', data: { fast: true }, beganState: 'stopped' });
    expect(life.wakeIn()).toBe(1_000);
    life.reply(ok({ address: '10.0.0.1' }));
    expect(life.resource).toMatchObject({ state: 'running', transitioning: 'no', data: { address: '10.0.0.1' } });
    expect(life.feed.map((row) => row.kind)).toEqual(['transitioning', 'done']);
    expect(life.ended).toMatchObject([{ processId: 1, exitReason: 'DONE' }]);
  });

  it('takes pre, handle, post; within a phase priority, then name; built-in and external alike; all of them', () => {
    const life = new Life([
      handler('late', 'machine.start', { priority: 2_000 }),
      handler('watcher', 'post.machine.start', { priority: 1 }),
      builtin('b-same', 'machine.start'),
      handler('a-same', 'machine.start'),
      builtin('check', 'pre.*.start', { priority: 9_000 }),
    ]);
    life.start('start');
    for (let i = 0; i < 5; i++) life.reply(ok());
    expect(life.sent.map((one) => one.step)).toEqual([
      'pre.check',
      'handle.a-same',
      'handle.b-same',
      'handle.late',
      'post.watcher',
    ]);
    expect(life.finished[0]!.exitReason).toBe('DONE');
  });

  it('one handler may have a turn in several phases', () => {
    const life = new Life([handler('demo', 'pre.machine.start,machine.start,post.machine.*')]);
    life.start('start');
    for (let i = 0; i < 3; i++) life.reply(ok());
    expect(life.sent.map((one) => one.key)).toEqual(['1pi1.pre.demo', '1pi1.handle.demo', '1pi1.post.demo']);
    expect(new Set(life.sent.map((one) => one.id)).size).toBe(3);
  });

  it('globs bind by type, by verb, and by part of a name', () => {
    const life = new Life([
      handler('all', '*.start'),
      handler('type', 'MACHINE.*'),
      handler('part', 'mach*.st*'),
      handler('no', 'mach.*'),
    ]);
    life.start('start');
    for (let i = 0; i < 3; i++) life.reply(ok());
    expect(life.sent.map((one) => one.step)).toEqual(['handle.all', 'handle.part', 'handle.type']);
  });

  it('shouldContinue false ends the handle phase; post-listeners still run', () => {
    const life = new Life([
      handler('first', 'machine.start', { priority: 1_000 }),
      handler('default', 'machine.start', { priority: 2_000 }),
      handler('post', 'post.machine.start'),
    ]);
    life.start('start');
    life.reply(reply({ shouldContinue: false, data: { cpus: 2 } }));
    expect(life.process().status).toBe('dispatched');
    life.reply(ok());
    expect(life.sent.map((one) => one.step)).toEqual(['handle.first', 'post.post']);
    expect(life.resource).toMatchObject({ state: 'running', data: { cpus: 2 } });
  });

  it('each result is merged when its step ends: x replaces, +x merges into map x', () => {
    const life = new Life([handler('a', 'machine.start'), handler('b', 'machine.start')]);
    life.start('start');
    life.reply(ok({ tags: { a: 1, b: 1 }, name: 'web', data: { free: 'form' } }));
    expect(life.resource).toMatchObject({ name: 'web', state: 'starting', data: { tags: { a: 1, b: 1 } } });
    life.reply(ok({ '+tags': { b: 2, c: 3 }, '+data': { more: true } }));
    expect(life.resource.data).toEqual({ tags: { a: 1, b: 2, c: 3 }, data: { free: 'form', more: true } });
  });

  it('a step that says nothing new leaves the revision alone', () => {
    const life = new Life([handler('a', 'machine.start'), handler('b', 'machine.start')]);
    life.resource.data['cpus'] = 2;
    life.start('start');
    const { revision } = life.resource;
    life.reply(ok({ cpus: 2 }));
    expect(life.resource.revision).toBe(revision);
    expect(life.progress.done).toEqual(['handle.a']);
  });

  it.each([
    ['an undeclared field', { colour: 'red' }, /"colour"/],
    ['an envelope field', { state: 'running' }, /"state"/],
    ['a value of the wrong type', { cpus: 'two' }, /"cpus"/],
  ])('%s is a failure at once, which names the key', (_, data, message) => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.reply(ok({ address: 'x', ...data }));
    expect(life.process()).toMatchObject({ status: 'parked', errorCode: 'HandlerDataRefused' });
    expect(life.process().errorMessage).toMatch(message);
    expect(life.resource).toMatchObject({ transitioning: 'error', data: {} });
    expect(life.sent).toHaveLength(1);
  });

  it('data over 256 KiB is a failure at once', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.reply(ok({ data: { blob: 'x'.repeat(600_000) } }));
    expect(life.process()).toMatchObject({ status: 'parked', errorCode: 'DataTooLarge' });
    expect(life.resource.data).toEqual({});
  });

  it('moves the region of its own state field and no other', () => {
    const life = new Life([handler('demo', 'machine.*')], 'running');
    life.start('attach');
    life.start('stop');
    expect(life.resource).toMatchObject({
      state: 'stopping',
      regions: { disk: { state: 'attaching', transitioning: 'yes' } },
    });
    life.reply(ok(), 1, 'disk');
    expect(life.resource).toMatchObject({
      state: 'stopping',
      transitioning: 'yes',
      regions: { disk: { state: 'attached', transitioning: 'no' } },
    });
    expect(life.violations()).toEqual([]);
    expect(life.feed.map((row) => row.stateField)).toEqual(['disk', 'state', 'disk']);
  });

  it('in the done state a start is refused with the state and the legal actions: ALREADY_DONE is not for HTTP', () => {
    const life = new Life([], 'running');
    expect(() => life.start('start')).toThrow(/cannot start in state running.*Available now: stop, kill, update/);
    expect(life.feed).toEqual([]);
  });

  it('the process that runs already is refused, not pre-empted by itself', () => {
    const life = new Life([handler('demo', 'machine.*')]);
    life.start('start');
    expect(() => life.start('start')).toThrow(/Available now: stop, kill/);
  });

  it('a state that is start and done of one process: update runs once and ends', () => {
    const life = new Life([handler('demo', 'machine.update')], 'running');
    life.start('update');
    life.reply(ok({ cpus: 4 }));
    expect(life.path).toEqual(['updating-running', 'running']);
    life.start('update');
    expect(life.sent).toHaveLength(2);
  });
});

describe('progress', () => {
  it('shows on the resource and moves the deadline', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.pass(900);
    life.reply(reply({ transitioning: 'yes', transitioningMessage: 'pulling', transitioningProgress: 40 }));
    expect(life.resource).toMatchObject({ transitioning: 'yes', message: 'pulling', progress: 40 });
    life.pass(900);
    expect(life.process()).toMatchObject({ status: 'dispatched', dispatch: 1 });
    life.reply(ok());
    expect(life.resource).toMatchObject({ state: 'running', message: null, progress: null });
  });

  it('without message or number keeps those shown', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.reply(reply({ transitioning: 'yes', transitioningMessage: 'pulling', transitioningProgress: 40 }));
    life.reply(reply({ transitioning: 'yes', transitioningProgress: 50 }));
    expect(life.resource).toMatchObject({ message: 'pulling', progress: 50 });
  });

  it('may carry data', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.reply(reply({ transitioning: 'yes', data: { address: 'early' } }));
    expect(life.resource.data).toEqual({ address: 'early' });
    expect(life.process().status).toBe('dispatched');
  });
});

describe('a rejected reply', () => {
  it('leaves the attempt open with its clock, the resource untouched, and is recorded with handler and reason', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    const before = life.resource;
    life.pass(400);
    life.reply(reply({ dat: {} }));
    expect(life.resource).toEqual(before);
    expect(life.process()).toMatchObject({ status: 'dispatched', dispatch: 1, errorCode: 'ReplyRejected' });
    expect(life.process().errorMessage).toMatch(/handle\.demo: Unknown key "dat"/);
    expect(life.progress.steps).toMatchObject([{ handler: 'demo', outcome: 'rejected' }]);
    expect(life.wakeIn()).toBe(600);
    life.reply(ok());
    expect(life.resource.state).toBe('running');
  });

  it('is named by the time-out that follows', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.reply(reply({ dat: {} }));
    life.pass(1_000);
    expect(life.process()).toMatchObject({ status: 'backoff', errorCode: 'TIMEOUT' });
    expect(life.process().errorMessage).toMatch(/did not answer within 1000 ms.*Unknown key "dat"/);
  });

  it('while the handler counts as absent leaves the process waiting for it', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.noResponders();
    life.reply(reply({ dat: {} }));
    expect(life.process()).toMatchObject({ status: 'waitingHandler', waitingHandler: 'demo' });
    expect(life.wakeIn()).toBe(60_000);
    expect(life.violations()).toEqual([]);
  });
});

describe('a late or repeated reply', () => {
  it('a second reply for the same attempt changes nothing', () => {
    const life = new Life([handler('a', 'machine.start'), handler('b', 'machine.start')]);
    life.start('start');
    life.reply(ok({ cpus: 1 }));
    expect(life.reply(ok({ cpus: 2 }), 1)).toMatchObject({ kind: 'ignore' });
    expect(life.resource.data).toEqual({ cpus: 1 });
  });

  it('after a time-out is ignored, while the process pauses and when the next attempt is out', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.pass(1_000);
    expect(life.process().status).toBe('backoff');
    expect(life.reply(ok(), 1)).toMatchObject({ kind: 'ignore' });
    life.pass(100);
    expect(life.process()).toMatchObject({ status: 'dispatched', dispatch: 2 });
    expect(life.reply(ok(), 1)).toMatchObject({ kind: 'ignore' });
    life.reply(ok(), 2);
    expect(life.resource.state).toBe('running');
  });

  it('for an attempt that never was is ignored', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    expect(life.reply(ok(), 2)).toMatchObject({ kind: 'ignore' });
    expect(life.reply(failure(), 0)).toMatchObject({ kind: 'ignore' });
  });
});

describe('a handler registered or deactivated on the way', () => {
  it('registered between two attempts is neither skipped nor shifts the one that failed', () => {
    const life = new Life([handler('a', 'machine.start'), handler('m', 'machine.start')]);
    life.start('start');
    life.reply(ok());
    life.reply(failure());
    life.register(handler('b', 'machine.start'), handler('z', 'machine.start'));
    life.pass(100);
    expect(life.sent.at(-1)).toMatchObject({ step: 'handle.m', attempt: 2 });
    life.reply(ok());
    life.reply(ok());
    life.reply(ok());
    expect(life.sent.map((one) => one.step)).toEqual(['handle.a', 'handle.m', 'handle.m', 'handle.b', 'handle.z']);
    expect(life.resource.state).toBe('running');
  });

  it('registered during an execution waits for the next one', () => {
    const life = new Life([handler('a', 'machine.start')]);
    life.start('start');
    life.register(handler('b', 'machine.start'));
    life.reply(ok());
    expect(life.resource.state).toBe('running');
  });

  it('deactivated before its turn gets no event', () => {
    const life = new Life([handler('a', 'machine.start'), handler('b', 'machine.start')]);
    life.start('start');
    life.deactivate('b');
    life.reply(ok());
    expect(life.sent).toHaveLength(1);
    expect(life.resource.state).toBe('running');
  });

  it('deactivated while it works: its answer still counts', () => {
    const life = new Life([handler('a', 'machine.start')]);
    life.start('start');
    life.deactivate('a');
    life.reply(ok({ cpus: 3 }));
    expect(life.resource).toMatchObject({ state: 'running', data: { cpus: 3 } });
  });

  it.each([
    ['while it works: its silence is skipped', (_life: Life) => undefined],
    ['between two attempts: the step is skipped', (life: Life) => life.reply(failure())],
    ['while it is absent: the step is skipped', (life: Life) => life.noResponders()],
    ['after a rejected reply: the step is skipped', (life: Life) => life.reply(reply({ dat: {} }))],
  ])('deactivated %s', (_, act) => {
    const life = new Life([handler('a', 'machine.start'), handler('b', 'machine.start')]);
    life.start('start');
    act(life);
    life.deactivate('a');
    life.pass(60_000);
    expect(life.sent.at(-1)!.step).toBe('handle.b');
    expect(life.violations()).toEqual([]);
  });
});
