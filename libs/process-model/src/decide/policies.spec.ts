import { describe, expect, it } from 'vitest';
import { builtin, failure, handler, Life, MACHINE, ok, reply } from './life.fixture.js';
import { progressPeriodMillis } from './policies.js';

const progress = (): ReturnType<typeof reply> => reply({ transitioning: 'yes' });

/** A machine whose processes have a heartbeat of 300 ms; attempts take 1,000 ms. */
const BEATING = MACHINE.replaceAll('timeoutMillis: 1000', 'timeoutMillis: 1000, heartbeatMillis: 300').replaceAll(
  'timeoutMillis: 1000, heartbeatMillis: 300\n',
  'timeoutMillis: 1000\n',
);

describe('nonRetryable', () => {
  const yaml = MACHINE.replaceAll('jitter: 0 }', 'jitter: 0, nonRetryable: [NoSuchImage] }');

  it('codes of the process and of the handler spend the budget at once; others are retried', () => {
    for (const [code, status] of [
      ['NoSuchImage', 'parked'],
      ['Denied', 'parked'],
      ['Busy', 'backoff'],
    ] as const) {
      const life = new Life(
        [handler('demo', 'machine.start', { retry: { nonRetryable: ['Denied'] } })],
        'stopped',
        yaml,
      );
      life.start('start');
      life.reply(failure('no', { code }));
      expect(life.process().status).toBe(status);
    }
  });

  it('a time-out has a code too', () => {
    const life = new Life([handler('demo', 'machine.start', { retry: { nonRetryable: ['TIMEOUT'] } })]);
    life.start('start');
    life.pass(1_000);
    expect(life.process()).toMatchObject({ status: 'parked', errorCode: 'TIMEOUT' });
  });
});

describe("a handler's retry policy", () => {
  it('overrides the process key by key; retries comes before maxAttempts', () => {
    const life = new Life([
      handler('demo', 'machine.start', { retries: 2, retry: { maxAttempts: 9, initialMillis: 30 } }),
    ]);
    life.start('start');
    life.reply(failure());
    expect(life.wakeIn()).toBe(30);
    life.pass(30);
    life.reply(failure());
    expect(life.process().status).toBe('parked');
  });

  it('maxAttempts and maxMillis bound attempts and pauses', () => {
    const retry = { maxAttempts: 5, initialMillis: 50, maxMillis: 60, jitter: 0 };
    const life = new Life([builtin('local', 'machine.start', { retry })]);
    life.start('start');
    for (let i = 0; life.process().status !== 'parked'; i++) {
      life.reply(failure());
      if (i < 4) expect(life.wakeIn()).toBe(i === 0 ? 50 : 60);
      if (i < 4) life.pass(60);
    }
    expect(life.sent).toHaveLength(5);
  });
});

describe('totalMillis of a handler', () => {
  const slow = { totalMillis: 1_500, retry: { maxAttempts: 100, initialMillis: 100, maxMillis: 100, jitter: 0 } };

  it('bounds all attempts of a step with the pauses between them, from the first attempt on', () => {
    const life = new Life([builtin('first', 'machine.start', { priority: 1 }), handler('demo', 'machine.start', slow)]);
    life.start('start');
    life.pass(700);
    life.reply(ok());
    life.pass(1_000);
    expect(life.process().status).toBe('backoff');
    life.pass(100);
    expect(life.wakeIn()).toBe(400);
    life.pass(400);
    expect(life.process()).toMatchObject({ status: 'parked', errorCode: 'HandlerTotalTimeout' });
    expect(life.sent.map(({ step }) => step)).toEqual(['handle.first', 'handle.demo', 'handle.demo']);
  });

  it('no pause is begun that it would cut short', () => {
    const life = new Life([handler('demo', 'machine.start', { ...slow, totalMillis: 950 })]);
    life.start('start');
    expect(life.wakeIn()).toBe(950);
    life.pass(900);
    life.input({ kind: 'wake' });
    life.reply(failure('no luck'));
    expect(life.process()).toMatchObject({ status: 'parked', errorCode: 'HandlerFailed' });
  });

  it('is not moved by progress', () => {
    const life = new Life([handler('demo', 'machine.start', slow)]);
    life.start('start');
    for (let i = 0; i < 7; i++) {
      life.pass(200);
      life.reply(progress());
    }
    expect(life.wakeIn()).toBe(100);
    life.pass(100);
    expect(life.process()).toMatchObject({ status: 'parked', errorCode: 'HandlerTotalTimeout' });
  });

  it('does not run while the handler is absent before its first attempt', () => {
    const life = new Life([handler('demo', 'machine.start', slow)]);
    life.start('start');
    life.noResponders();
    life.pass(10_000);
    life.input({ kind: 'wake' });
    expect(life.wakeIn()).toBe(1_000);
  });

  it("an operator's retry begins it anew", () => {
    const life = new Life([handler('demo', 'machine.start', { ...slow, totalMillis: 900 })]);
    life.start('start');
    life.pass(900);
    expect(life.process().status).toBe('parked');
    life.operate('retry');
    expect(life.wakeIn()).toBe(900);
  });
});

describe('progressPeriodMillis', () => {
  it.each([
    [null, 1_000],
    [100_000, 1_000],
    [4_000, 1_000],
    [3_999, 999],
    [1_000, 250],
    [400, 100],
    [43, 10],
    [40, 10],
    [39, 10],
    [1, 10],
    [0, 10],
    [-500, 10],
  ])('of a clock with %s ms left progress is kept back for at most %s ms', (clock, period) => {
    expect(progressPeriodMillis(clock)).toBe(period);
  });

  it('a handler that reports twice in its clock never runs out of it, however its reports are folded', () => {
    for (const clock of [20, 40, 100, 399, 1_000, 4_001, 60_000]) {
      // The longest silence between two writes: one just before a report, the next when the one after it was kept for a whole period.
      expect(clock / 2 + progressPeriodMillis(clock)).toBeLessThanOrEqual(clock);
    }
  });
});

describe('heartbeatMillis', () => {
  it('silence that is longer than it is a time-out which says so', () => {
    const life = new Life([handler('demo', 'machine.start')], 'stopped', BEATING);
    life.start('start');
    expect(life.wakeIn()).toBe(300);
    life.pass(300);
    expect(life.process()).toMatchObject({ status: 'backoff', errorCode: 'TIMEOUT' });
    expect(life.process().errorMessage).toMatch(/heartbeat of 300 ms/);
    expect(life.cancelled).toMatchObject([{ handler: 'demo', id: '1pi1.1', reason: expect.stringMatching(/silent/) }]);
  });

  it('who times out is told: outside always, inside the engine when it was silent', () => {
    const told = (bound: ReturnType<typeof handler>, yaml: string, millis: number) => {
      const life = new Life([bound], 'stopped', yaml);
      life.start('start');
      life.pass(millis);
      expect(life.process().status).toBe('backoff');
      return life.cancelled.map(({ handler: name }) => name);
    };
    expect(told(handler('demo', 'machine.start'), MACHINE, 1_000)).toEqual(['demo']);
    expect(told(builtin('local', 'machine.start'), BEATING, 300)).toEqual(['local']);
    expect(told(builtin('local', 'machine.start'), MACHINE, 1_000)).toEqual([]);
  });

  it('progress moves it; timeoutMillis bounds the attempt, progress or not', () => {
    const life = new Life([handler('demo', 'machine.start')], 'stopped', BEATING);
    life.start('start');
    for (let i = 0; i < 4; i++) {
      life.pass(200);
      life.reply(progress());
      expect(life.wakeIn()).toBe(i < 3 ? 300 : 200);
    }
    life.pass(200);
    expect(life.process()).toMatchObject({ status: 'backoff', errorCode: 'TIMEOUT' });
    expect(life.process().errorMessage).toMatch(/did not answer within 1000 ms/);
  });

  it("each attempt has its own; a handler's overrides the process's, in-process too", () => {
    const life = new Life([builtin('local', 'machine.start', { heartbeatMillis: 400 })], 'stopped', BEATING);
    life.start('start');
    life.pass(300);
    life.reply(progress());
    expect(life.wakeIn()).toBe(400);
    life.pass(400);
    life.pass(100);
    expect(life.process()).toMatchObject({ status: 'running', dispatch: 2 });
    expect(life.wakeIn()).toBe(400);
    for (let i = 0; i < 3; i++) {
      life.pass(300);
      life.reply(progress());
    }
    expect(life.wakeIn()).toBe(100);
  });

  it('without it progress gives a whole attempt anew', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    for (let i = 0; i < 5; i++) {
      life.pass(900);
      life.reply(progress());
      expect(life.wakeIn()).toBe(1_000);
    }
  });

  it('a take-over moves nothing', () => {
    const life = new Life([handler('demo', 'machine.start')], 'stopped', BEATING);
    life.start('start');
    life.pass(200);
    life.takeOver();
    expect(life.wakeIn()).toBe(100);
    life.reply(progress());
    expect(life.wakeIn()).toBe(300);
    life.pass(250);
    life.reply(progress());
    life.pass(250);
    life.reply(progress());
    life.pass(250);
    life.reply(progress());
    expect(life.wakeIn()).toBe(50);
  });
});
