import type { FinishedProcessRow, ResourceRow, WhyChild, WhyGate, WhyProcess, WhyRow } from '@drover/contracts';
import type { JsonObject } from '@drover/kernel';
import { type BoundStep, compileType, Limits, NO_LIMITS, ownProcess, TypeRegistry } from '@drover/process-model';
import { describe, expect, it } from 'vitest';
import type { DurableHandler } from './durable-handlers.js';
import type { Listening } from './listeners.js';
import { whyJson } from './why.js';
import { type Around, workOf } from './work.js';
import { whyPage } from './why-page.js';

const compiled = (name: string) =>
  compileType(
    { apiVersion: 'drover/v1', kind: 'ResourceType', name, stateFields: { diskState: { initial: 'detached' } } },
    { version: 1, system: false },
  );
const type = compiled('instance');
const snapshot = {
  revision: 1,
  definitions: new Map(),
  types: new TypeRegistry([type, compiled('volume')]),
  handlers: [],
  pauses: [],
  limits: [],
};

const row = (rest: Partial<ResourceRow> = {}): ResourceRow =>
  ({
    id: 5,
    type: 'instance',
    state: 'inactive',
    transitioning: 'no',
    message: null,
    regions: {},
    ...rest,
  }) as ResourceRow;

const live = (status: WhyProcess['status'], rest: Partial<WhyProcess> = {}): WhyProcess =>
  ({
    id: 9,
    stateField: 'state',
    name: 'instance.activate',
    status,
    waitingHandler: null,
    heldBy: null,
    progress: { step: 'handle.demo', attempt: 1 },
    errorCode: null,
    errorMessage: null,
    deadlineInMillis: null,
    waitDeadlineInMillis: null,
    totalDeadlineInMillis: null,
    wakeInMillis: 2_000,
    gate: null,
    children: [],
    childCount: 0,
    ...rest,
  }) as WhyProcess;

const step = {
  key: 'handle.demo',
  phase: 'handle',
  onError: null,
  handler: { name: 'demo', kind: 'external', retries: null, delivery: 'core' },
} as unknown as BoundStep;

const NOW = Date.UTC(2026, 10, 22, 17);

/** The answer for one resource; `listening`: whether somebody does for each live process's handler. */
function why(rest: Partial<WhyRow>, listening: Listening = 'yes', of: Partial<Around> = {}): JsonObject {
  const whole: WhyRow = { resource: row(), processes: [], lastFinished: null, readAt: NOW, ...rest };
  const definition = ownProcess(type, 'instance.activate');
  const around = whole.processes.map(() => ({ definition, step, listening, durable: null, limits: NO_LIMITS, ...of }));
  return whyJson(whole, { type, snapshot, base: 'http://drover/v1', around });
}

const working = row({ state: 'activating', transitioning: 'yes' });
const message = (process: WhyProcess, listening?: Listening, resource = working) =>
  why({ resource, processes: [process] }, listening)['message'];
const failure = { errorCode: 'HandlerFailed', errorMessage: 'no disk' };
const gate = (rest: Partial<WhyGate>): WhyGate => ({
  heldSince: NOW,
  pause: null,
  limit: null,
  circuit: null,
  ...rest,
});
const child = (rest: Partial<WhyChild>): WhyChild => ({
  id: 11,
  name: 'volume.activate',
  status: 'dispatched',
  resourceType: 'volume',
  resourceId: 7,
  state: 'activating',
  errorMessage: null,
  ...rest,
});

describe('the message', () => {
  it.each<[WhyProcess['status'], Partial<WhyProcess>, string]>([
    ['ready', {}, 'instance.activate goes on in a moment'],
    [
      'running',
      { deadlineInMillis: 3_000 },
      'instance.activate runs the built-in handler demo (attempt 1 of 5), for at most 3 s more',
    ],
    [
      'dispatched',
      { deadlineInMillis: 43_210 },
      'instance.activate waits for the answer of handler demo (attempt 1 of 5), for at most 44 s more',
    ],
    [
      'dispatched',
      { deadlineInMillis: -1, errorCode: 'ReplyRejected', errorMessage: 'The reply is not JSON' },
      'instance.activate waits for the answer of handler demo (attempt 1 of 5), whose time is up; so far: The reply is not JSON',
    ],
    ['backoff', failure, 'instance.activate tries handler demo again in 2 s; attempt 1 of 5 failed: no disk'],
    [
      'backoff',
      { ...failure, wakeInMillis: -3 },
      'instance.activate tries handler demo again in a moment; attempt 1 of 5 failed: no disk',
    ],
    [
      'delayed',
      { wakeInMillis: 600_000 },
      'instance.activate waits 10 min more, as handler demo asked to be called later',
    ],
    [
      'waitingHandler',
      { waitingHandler: 'demo', waitDeadlineInMillis: 86_000_000 },
      'instance.activate waits for handler demo, which listens again: it goes on in a moment; no attempt is spent',
    ],
    [
      'waitingPredecessor',
      {
        progress: { step: 'handle.demo', attempt: 1, predecessor: { processId: 8, handler: 'other' } },
        deadlineInMillis: 9_000,
      },
      'instance.activate waits until handler other answers the attempt that was cancelled (process 1pi8), for at most 9 s more',
    ],
    [
      'held',
      { heldBy: 'cluster', gate: gate({ pause: { since: NOW - 180_000, operator: 'ada', reason: 'new disks' } }) },
      'instance.activate is held by the pause of the cluster, set by ada 3 min ago: new disks; lift it, cancel or force the process',
    ],
    [
      'held',
      { heldBy: 'type/instance', gate: gate({ pause: { since: NOW - 5_000, operator: null, reason: null } }) },
      'instance.activate is held by the pause of type instance, set 5 s ago; lift it, cancel or force the process',
    ],
    [
      'held',
      { heldBy: 'resource/5', gate: gate({}) },
      'instance.activate is held by a pause of instance 1i5, which was lifted a moment ago',
    ],
    [
      'held',
      {
        heldBy: 'limit/demo',
        gate: gate({ limit: { admitted: 4, ahead: 1 }, circuit: { failures: 1, opened: false, openForMillis: null } }),
      },
      'instance.activate is held until handler demo has a free place: 4 attempts are under way, 1 process is before it',
    ],
    [
      'held',
      {
        heldBy: 'limit/demo',
        gate: gate({ limit: { admitted: 0, ahead: 0 }, circuit: { failures: 5, opened: true, openForMillis: 8_000 } }),
      },
      'instance.activate is held because handler demo failed 5 times in a row: its circuit is open for 8 s more',
    ],
    [
      'waitingChildren',
      {
        childCount: 12,
        children: [
          child({ status: 'parked', errorMessage: 'no pool' }),
          child({ resourceId: 8 }),
          child({ resourceId: 9 }),
          child({}),
        ],
      },
      'instance.activate waits for 12 processes of related resources (volume.activate of volume 1v7, activating, parked: no pool, ' +
        'volume.activate of volume 1v8, activating, volume.activate of volume 1v9, activating, …)',
    ],
    ['waitingChildren', {}, 'instance.activate waits for related resources'],
    [
      'canceling',
      { deadlineInMillis: 4_000 },
      'instance.activate was cancelled and leaves when handler demo answers, for at most 4 s more',
    ],
    [
      'canceling',
      { childCount: 1, children: [child({})] },
      'instance.activate was cancelled and leaves when 1 process of related resources (volume.activate of volume 1v7, activating) ended',
    ],
    [
      'parked',
      { ...failure, progress: { step: 'handle.demo', attempt: 5 } },
      'instance.activate is parked after 5 attempts: no disk; retry, skip, cancel or force it',
    ],
    [
      'parked',
      { ...failure, progress: { step: 'handle.demo', attempt: 1 } },
      'instance.activate is parked after 1 of 5 attempts: no disk; retry, skip, cancel or force it',
    ],
  ])('%s %j', (status, rest, clause) => {
    expect(message(live(status, rest))).toBe(`instance 1i5 is activating: ${clause}`);
  });

  it('says when nobody listens, and says nothing about what the broker does not tell', () => {
    const absent = live('waitingHandler', { waitingHandler: 'demo', waitDeadlineInMillis: 86_000_000 });
    const waits =
      'instance.activate waits for handler demo, which has no subscriber, for at most 24 h more; no attempt is spent';
    expect(message(absent, 'no')).toBe(`instance 1i5 is activating: ${waits}`);
    expect(message(absent, 'unknown')).toBe(`instance 1i5 is activating: ${waits}`);
    const asked = live('dispatched', { deadlineInMillis: 5_000 });
    expect(message(asked, 'no')).toMatch(/for at most 5 s more, but nobody listens for it now$/);
    expect(message(asked, 'unknown')).toMatch(/for at most 5 s more$/);
  });

  it('of a durable handler says whether it is connected, and what waits for it', () => {
    const durableStep = { ...step, handler: { ...step.handler, delivery: 'durable' } } as BoundStep;
    const told = (process: WhyProcess, listening: Listening, durable: Partial<DurableHandler> | null) => {
      const counts = { waitingPulls: 0, pending: 0, unacknowledged: 0, lastActive: null };
      const around = { step: durableStep, durable: durable && { listening, ...counts, ...durable } };
      return why({ resource: working, processes: [process] }, listening, around)['message'];
    };
    const absent = live('waitingHandler', { waitingHandler: 'demo', waitDeadlineInMillis: 86_000_000 });
    const waits = 'instance 1i5 is activating: instance.activate waits for handler demo, which';
    expect(told(absent, 'no', { pending: 11, unacknowledged: 1 })).toBe(
      `${waits} is not connected; 12 events wait for it, for at most 24 h more; no attempt is spent`,
    );
    expect(told(absent, 'yes', { waitingPulls: 1, pending: 1 })).toBe(
      `${waits} takes events again; 1 event waits for it; no attempt is spent`,
    );
    expect(told(absent, 'unknown', null)).toBe(`${waits} was away, for at most 24 h more; no attempt is spent`);
    const asked = live('dispatched');
    expect(told(asked, 'no', { pending: 1 })).toMatch(
      /\(attempt 1 of 5\), but it is not connected; 1 event waits for it$/,
    );
    expect(told(asked, 'yes', { pending: 3 })).toMatch(/\(attempt 1 of 5\); 3 events wait for it$/);
    expect(told(asked, 'yes', {})).toMatch(/\(attempt 1 of 5\)$/);
    expect(told(asked, 'unknown', null)).toMatch(/\(attempt 1 of 5\)$/);
  });

  it('of a limit of concurrency names its scope, and how many are at work', () => {
    const limits = new Limits([{ scope: 'account/5', maxConcurrent: 4, weight: 1 }], snapshot.types);
    const held = (scope: string, admitted: number) => {
      const process = live('held', { heldBy: `limit/${scope}`, gate: gate({ limit: { admitted, ahead: 1 } }) });
      const answer = why({ resource: working, processes: [process] }, 'yes', { limits });
      const { handler, kind, maxInFlight } = (answer['processes'] as { gate: JsonObject }[])[0]!.gate;
      return [answer['message'], handler, kind, maxInFlight];
    };
    expect(held('account/5', 4)).toEqual([
      expect.stringContaining(
        'until account 1a5 has a free place: 4 of 4 processes are at work, 1 process is before it',
      ),
      null,
      'limit',
      4,
    ]);
    // The limit was taken away a moment ago.
    expect(held('type/instance', 1)).toEqual([
      expect.stringContaining('until type instance has a free place: 1 process is at work, 1 process is before it'),
      null,
      'limit',
      null,
    ]);
  });

  it('of a handler with limits says how many attempts there may be, and that a circuit is being tried', () => {
    const limited = (handler: object, circuit: WhyGate['circuit']) => {
      const around = { step: { ...step, handler: { ...step.handler, ...handler } } as BoundStep };
      const process = live('held', { heldBy: 'limit/demo', gate: gate({ limit: { admitted: 1, ahead: 2 }, circuit }) });
      const { message, processes } = why({ resource: working, processes: [process] }, 'yes', around);
      const { kind, maxInFlight, inFlight } = (processes as JsonObject[])[0]!['gate'] as JsonObject;
      return [String(message).split(' is held ')[1], kind, maxInFlight, inFlight];
    };
    const place = 'until handler demo has a free place: 1';
    const four = { limits: { maxInFlight: 4, circuitBreaker: null } };
    expect(limited(four, null)).toEqual([
      `${place} of 4 attempts are under way, 2 processes are before it`,
      'limit',
      4,
      1,
    ]);
    const one = { limits: { maxInFlight: 1, circuitBreaker: null } };
    expect(limited(one, null)[0]).toBe(`${place} of 1 attempt is under way, 2 processes are before it`);
    expect(limited({ ...four, name: 'other' }, null)).toMatchObject([expect.any(String), 'limit', null, 1]);
    expect(limited(four, { failures: 5, opened: true, openForMillis: null })).toEqual([
      'while one attempt at a time tries whether handler demo works again after 5 failures in a row; 2 processes are before it',
      'circuit',
      4,
      1,
    ]);
  });

  it('of a resource at rest', () => {
    expect(why({})).toMatchObject({
      message: 'instance 1i5 rests in inactive; nothing is going on; possible now: activate, remove, update',
      processes: [],
      lastFinished: null,
      actions: { activate: 'http://drover/v1/instances/1i5?action=activate' },
    });
  });

  it('of a resource that rests after a failure says what happened last', () => {
    const resource = row({ state: 'inactive', transitioning: 'error', message: 'no disk' });
    const lastFinished = finished({ exitReason: 'FAILED', ...failure });
    expect(why({ resource, lastFinished })['message']).toBe(
      'instance 1i5 rests in inactive after a failure: no disk; nothing is going on; ' +
        'instance.activate ended 3 min ago (FAILED): no disk; possible now: activate, remove, update',
    );
  });

  it('of a resource that is gone', () => {
    expect(why({ resource: row({ state: 'purged' }) })['message']).toBe(
      'instance 1i5 rests in purged; nothing is going on',
    );
  });

  it('has a clause for each region that moves', () => {
    const regions = { diskState: { state: 'attaching', transitioning: 'yes' as const, message: null, progress: null } };
    const attach = live('ready', { stateField: 'diskState', name: 'instance.attach' });
    expect(why({ resource: { ...working, regions }, processes: [live('ready'), attach] })['message']).toBe(
      'instance 1i5 is activating: instance.activate goes on in a moment; and has diskState attaching: instance.attach goes on in a moment',
    );
  });
});

function finished(rest: Partial<FinishedProcessRow> = {}): FinishedProcessRow {
  const ended = { id: 7, name: 'instance.activate', exitReason: 'DONE', endTime: NOW - 180_000 };
  return { ...ended, errorCode: null, errorMessage: null, ...rest } as FinishedProcessRow;
}

describe('the facts', () => {
  const factsOf = (process: WhyProcess) =>
    (why({ resource: working, processes: [process] })['processes'] as JsonObject[])[0]!;

  it('of what goes on', () => {
    const url = 'http://drover/v1/processinstances/1pi9';
    expect(factsOf(live('waitingHandler', { waitingHandler: 'demo', waitDeadlineInMillis: 7_000 }))).toEqual({
      id: '1pi9',
      links: { self: url },
      processName: 'instance.activate',
      stateField: 'state',
      state: 'activating',
      status: 'waitingHandler',
      phase: 'handle',
      handler: 'demo',
      handlerKind: 'external',
      handlerConnected: 'yes',
      durable: null,
      attempt: 1,
      maxAttempts: 5,
      error: null,
      nextWake: { clock: 'waiting', inMillis: 7_000, time: '2026-11-22T17:00:07.000Z', timeTS: NOW + 7_000 },
      clocks: { attempt: null, waiting: 7_000, total: null },
      gate: null,
      predecessor: null,
      children: null,
      actions: Object.fromEntries(
        ['retry', 'skip', 'cancel', 'force', 'replay'].map((verb) => [verb, `${url}?action=${verb}`]),
      ),
    });
  });

  it.each<[WhyProcess['status'], Partial<WhyProcess>, object | null]>([
    ['dispatched', { deadlineInMillis: 4_000 }, { clock: 'attempt', inMillis: 4_000 }],
    ['dispatched', { deadlineInMillis: 4_000, totalDeadlineInMillis: 1_000 }, { clock: 'total', inMillis: 1_000 }],
    ['dispatched', { deadlineInMillis: 4_000, totalDeadlineInMillis: 9_000 }, { clock: 'attempt' }],
    ['backoff', { wakeInMillis: 300 }, { clock: 'backoff', inMillis: 300 }],
    ['delayed', { wakeInMillis: -30 }, { clock: 'delay', inMillis: 0 }],
    ['waitingPredecessor', { deadlineInMillis: 50 }, { clock: 'predecessor' }],
    ['waitingChildren', { wakeInMillis: 700, totalDeadlineInMillis: 800 }, { clock: 'total' }],
    ['held', { wakeInMillis: null, totalDeadlineInMillis: 800 }, null],
    ['parked', { wakeInMillis: null }, null],
  ])('%s %j: which clock rings next', (status, rest, expected) => {
    const { nextWake } = factsOf(live(status, rest));
    if (expected === null) expect(nextWake).toBeNull();
    else expect(nextWake).toMatchObject(expected);
  });

  it('names the heartbeat clock where silence ends the attempt first', () => {
    const beating = { ...step, handler: { ...step.handler, heartbeatMillis: 500 } };
    const around = { definition: null, step: beating, listening: null, durable: null, limits: NO_LIMITS };
    const clockOf = (attemptUntil: number) => {
      const bounds = { armedMillis: 500, attemptUntil, stepUntil: null };
      const progress = { step: 'handle.demo', attempt: 1, bounds };
      return workOf(live('dispatched', { deadlineInMillis: 400, readAt: NOW, progress }), 'activating', around).clock;
    };
    expect(clockOf(NOW + 9_000)).toEqual({ clock: 'heartbeat', inMillis: 400 });
    expect(clockOf(NOW + 400)).toEqual({ clock: 'attempt', inMillis: 400 });
  });

  it('of the gate, of the predecessor and of the children', () => {
    const pause = { since: NOW - 1_000, operator: 'ada', reason: 'new disks' };
    expect(factsOf(live('held', { heldBy: 'handler/demo', gate: gate({ pause }) }))['gate']).toMatchObject({
      scope: 'handler/demo',
      kind: 'pause',
      handler: 'demo',
      sinceTS: NOW - 1_000,
      operator: 'ada',
      reason: 'new disks',
    });
    const circuit = { failures: 5, opened: true, openForMillis: 8_000 };
    expect(
      factsOf(live('held', { heldBy: 'limit/demo', gate: gate({ circuit, limit: { admitted: 2, ahead: 3 } }) }))[
        'gate'
      ],
    ).toMatchObject({ kind: 'circuit', handler: 'demo', inFlight: 2, ahead: 3, failures: 5, opensInMillis: 8_000 });
    const progress = { step: 'handle.demo', attempt: 1, predecessor: { processId: 8, handler: 'other' } };
    expect(factsOf(live('waitingPredecessor', { progress }))['predecessor']).toMatchObject({
      id: '1pi8',
      handler: 'other',
    });
    expect(
      factsOf(live('waitingChildren', { childCount: 1, children: [child({ status: 'parked' })] }))['children'],
    ).toEqual({
      count: 1,
      data: [
        {
          id: '1pi11',
          processName: 'volume.activate',
          status: 'parked',
          resourceType: 'volume',
          resourceId: '1v7',
          state: 'activating',
          message: null,
          links: {
            self: 'http://drover/v1/processinstances/1pi11',
            why: 'http://drover/v1/volumes/1v7/why',
          },
        },
      ],
    });
  });

  it('of a durable handler', () => {
    const durable = { listening: 'no', waitingPulls: 0, pending: 2, unacknowledged: 1, lastActive: NOW } as const;
    const around = { step: { ...step, handler: { ...step.handler, delivery: 'durable' } } as BoundStep, durable };
    const { processes } = why({ resource: working, processes: [live('dispatched')] }, 'no', around);
    expect(processes).toMatchObject([
      {
        handlerConnected: 'no',
        durable: { waitingPulls: 0, pending: 2, unacknowledged: 1, lastActiveTS: NOW },
      },
    ]);
  });

  it('of the last process that ended', () => {
    expect(why({ lastFinished: finished({ exitReason: 'FAILED', ...failure }) })['lastFinished']).toEqual({
      id: '1pi7',
      links: { self: 'http://drover/v1/processinstances/1pi7' },
      processName: 'instance.activate',
      exitReason: 'FAILED',
      error: { code: 'HandlerFailed', message: 'no disk' },
      endTime: '2026-11-22T16:57:00.000Z',
      endTimeTS: NOW - 180_000,
    });
  });
});

it('the page shows the message, the facts that are set, and nothing as markup that came from outside', () => {
  const process = live('waitingChildren', {
    childCount: 1,
    children: [child({ status: 'parked', errorMessage: '<script>alert(1)</script>' })],
  });
  const html = whyPage(why({ resource: working, processes: [process], lastFinished: finished() }));
  expect(html).toContain('<h1>instance 1i5</h1>');
  expect(html).toContain('waits for 1 process of related resources');
  expect(html).toContain('href="http://drover/v1/volumes/1v7/why"');
  expect(html).toContain('curl -X POST &#39;http://drover/v1/processinstances/1pi9?action=cancel&#39;');
  expect(html).not.toContain('<script>');
});

it('counts attempts as the handler itself says, also in its retry policy', () => {
  const definition = ownProcess(type, 'instance.activate');
  const own = { ...step, handler: { ...step.handler, retry: { maxAttempts: 2 } } } as unknown as BoundStep;
  const attempts = (around: { definition: typeof definition; step: BoundStep }) =>
    workOf(live('dispatched'), 'activating', { ...around, listening: null, durable: null, limits: NO_LIMITS })
      .maxAttempts;
  expect(attempts({ definition, step: own })).toBe(2);
  expect(attempts({ definition: null, step: own })).toBeNull();
});
