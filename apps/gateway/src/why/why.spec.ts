import type { ProcessRow, ProcessView, ResourceRow } from '@drover/contracts';
import type { JsonObject } from '@drover/kernel';
import { compileType } from '@drover/process-model';
import { describe, expect, it } from 'vitest';
import { whyJson } from './why.js';

const type = compileType(
  {
    apiVersion: 'drover/v1',
    kind: 'ResourceType',
    name: 'instance',
    stateFields: { diskState: { initial: 'detached' } },
  },
  { version: 1, system: false },
);

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

const live = (status: ProcessRow['status'], rest: Partial<ProcessRow> = {}): ProcessRow =>
  ({
    id: 9,
    stateField: 'state',
    name: 'instance.activate',
    status,
    waitingHandler: null,
    progress: { step: 'handle.demo', attempt: 1 },
    errorCode: null,
    errorMessage: null,
    deadlineInMillis: null,
    waitDeadlineInMillis: null,
    ...rest,
  }) as ProcessRow;

const working = row({ state: 'activating', transitioning: 'yes' });
const sentence = (process: ProcessRow, resource = working) => whyJson(resource, type, [process], [])['sentence'];
const failure = { errorCode: 'HandlerFailed', errorMessage: 'no disk' };

describe('the sentence', () => {
  it.each<[ProcessRow['status'], Partial<ProcessRow>, string]>([
    ['ready', {}, 'instance.activate goes on in a moment'],
    ['running', {}, 'instance.activate runs the built-in handler demo (attempt 1)'],
    [
      'dispatched',
      { deadlineInMillis: 43_210 },
      'instance.activate waits for the answer of handler demo (attempt 1), for at most 44 s more',
    ],
    [
      'dispatched',
      { deadlineInMillis: -1, errorCode: 'ReplyRejected', errorMessage: 'The reply is not JSON' },
      'instance.activate waits for the answer of handler demo (attempt 1), whose time is up; so far: The reply is not JSON',
    ],
    ['backoff', failure, 'instance.activate soon tries handler demo again; attempt 1 failed: no disk'],
    ['delayed', {}, 'instance.activate waits, as handler demo asked to be called later'],
    [
      'waitingHandler',
      { waitingHandler: 'demo' },
      'instance.activate waits for handler demo (attempt 1), which has no subscriber',
    ],
    [
      'waitingPredecessor',
      { progress: { step: 'handle.demo', attempt: 1, predecessor: { handler: 'other' } } },
      'instance.activate waits until handler other answers or gives up the attempt that was cancelled',
    ],
    [
      'parked',
      { ...failure, progress: { step: 'handle.demo', attempt: 5 } },
      'instance.activate is parked after 5 attempts: no disk; retry, skip, cancel or force it',
    ],
    [
      'parked',
      { ...failure, progress: { step: 'handle.demo', attempt: 1 } },
      'instance.activate is parked after 1 attempt: no disk; retry, skip, cancel or force it',
    ],
  ])('%s', (status, rest, clause) => {
    expect(sentence(live(status, rest))).toBe(`instance 1i5 is activating: ${clause}`);
  });

  it('of a resource at rest', () => {
    expect(whyJson(row(), type, [], [])).toMatchObject({
      sentence: 'instance 1i5 rests in inactive; nothing is going on',
      processes: [],
      lastFinished: null,
      actions: expect.arrayContaining(['activate', 'remove']) as unknown,
    });
  });

  it('of a resource that rests after a failure', () => {
    const failed = row({ state: 'erroneous', transitioning: 'error', message: 'no disk' });
    expect(whyJson(failed, type, [], [])['sentence']).toBe(
      'instance 1i5 rests in erroneous after a failure: no disk; nothing is going on',
    );
  });

  it('names a region besides the state', () => {
    const regions = { diskState: { state: 'attaching', transitioning: 'yes' as const, message: null, progress: null } };
    const process = live('ready', { stateField: 'diskState', name: 'instance.attach' });
    expect(sentence(process, row({ regions }))).toBe(
      'instance 1i5 has diskState attaching: instance.attach goes on in a moment',
    );
  });
});

describe('the facts', () => {
  it('of what goes on', () => {
    const process = live('waitingHandler', { waitingHandler: 'demo', waitDeadlineInMillis: 7_000 });
    expect(whyJson(working, type, [process], [])['processes']).toEqual([
      {
        id: '1pi9',
        processName: 'instance.activate',
        stateField: 'state',
        status: 'waitingHandler',
        phase: 'handle',
        handler: 'demo',
        attempt: 1,
        error: null,
        waitingForHandler: 'demo',
        deadlineInMillis: 7_000,
        actions: ['retry', 'skip', 'cancel', 'force', 'replay'],
      },
    ]);
  });

  it('of the last process that ended, not of one that was live a moment ago', () => {
    const finished = (id: number, endTime: number, rest: object = {}): ProcessView =>
      ({ ...live('ready'), live: false, id, exitReason: 'DONE', endTime, ...rest }) as unknown as ProcessView;
    const history = [finished(9, 9_000), finished(8, 2_000), finished(7, 3_000, { exitReason: 'FAILED', ...failure })];
    const why = whyJson(working, type, [live('ready')], history) as { lastFinished: JsonObject };
    expect(why.lastFinished).toEqual({
      id: '1pi7',
      processName: 'instance.activate',
      exitReason: 'FAILED',
      error: { code: 'HandlerFailed', message: 'no disk' },
      endTime: '1970-01-01T00:00:03.000Z',
      endTimeTS: 3_000,
    });
  });
});
