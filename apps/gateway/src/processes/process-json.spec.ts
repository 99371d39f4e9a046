import type { ProcessView } from '@drover/contracts';
import { compileType, TypeRegistry } from '@drover/process-model';
import { describe, expect, it } from 'vitest';
import { executionNumbers, processJson, processNumber } from './process-json.js';

const types = new TypeRegistry([
  compileType({ apiVersion: 'drover/v1', kind: 'ResourceType', name: 'instance' }, { version: 1, system: false }),
]);
const snapshot = { revision: 1, definitions: new Map(), types, handlers: [], pauses: [], limits: [] };
const common = {
  id: 9,
  resourceId: 5,
  resourceType: 'instance',
  stateField: 'state',
  name: 'instance.activate',
  definitionVersion: 1,
  executionCount: 2,
  progress: { step: 'handle.demo' },
  data: { force: true },
  parentId: null,
  parentDispatch: null,
  parentEnd: null,
  priority: 0,
  accountId: null,
  startTime: 1_000,
  errorCode: null,
  errorMessage: null,
};
const live = (status: string, rest: object = {}): ProcessView =>
  ({ ...common, live: true, status, waitingHandler: null, ...rest }) as unknown as ProcessView;
const json = (view: ProcessView) => processJson(view, snapshot, 'http://h/v1');

describe('a process instance', () => {
  it('live', () => {
    expect(json(live('dispatched'))).toMatchObject({
      id: '1pi9',
      type: 'processInstance',
      processName: 'instance.activate',
      resourceType: 'instance',
      resourceId: '1i5',
      startTime: '1970-01-01T00:00:01.000Z',
      startTimeTS: 1_000,
      endTime: null,
      endTimeTS: null,
      exitReason: null,
      phase: 'HANDLERS',
      transitioning: 'yes',
      executionCount: 2,
      data: { force: true },
      actions: { cancel: 'http://h/v1/processinstances/1pi9?action=cancel' },
      links: {
        resource: 'http://h/v1/instances/1i5',
        processExecutions: 'http://h/v1/processinstances/1pi9/processexecutions',
      },
    });
  });

  it('waiting says for whom', () => {
    expect(json(live('waitingHandler', { waitingHandler: 'demo' }))).toMatchObject({
      transitioningMessage: 'waiting for handler demo',
    });
  });

  it('parked shows the error and what an operator may do', () => {
    const parked = json(live('parked', { errorCode: 'HandlerFailed', errorMessage: 'no disk' }));
    expect(parked).toMatchObject({
      transitioning: 'error',
      transitioningMessage: 'no disk',
      error: { code: 'HandlerFailed', message: 'no disk' },
    });
    expect(Object.keys(parked['actions'] as object)).toEqual(
      expect.arrayContaining(['retry', 'skip', 'cancel', 'force', 'replay']),
    );
  });

  it('live shows no end of an earlier attempt', () => {
    const executions = [{ n: 1, process: 'instance.activate', start: 1_000, stop: 2_000, exitReason: 'TIMEOUT' }];
    expect(json(live('parked', { progress: { step: 'handle.demo', executions } }))).toMatchObject({ exitReason: null });
  });

  it('finished has an end, a result and no actions', () => {
    const finished = json({ ...common, live: false, exitReason: 'DONE', endTime: 2_000 } as ProcessView);
    expect(finished).toMatchObject({
      endTimeTS: 2_000,
      exitReason: 'DONE',
      result: 'SUCCESS',
      phase: 'DONE',
      transitioning: 'no',
      actions: {},
    });
  });
});

describe('ids', () => {
  it('of processes and executions', () => {
    expect(processNumber('1PI9')).toBe(9);
    expect(executionNumbers('1pe9.2')).toEqual({ process: 9, execution: 2 });
  });

  it.each(['9', '1i9', '1pi0', '1pi', '1pi9.1'])('%s is no process', (id) => {
    expect(() => processNumber(id)).toThrow(expect.objectContaining({ code: 'NotFound' }));
  });

  it.each(['1pe9', '1pe9.0', '1pi9.1', '1pe9.1.1'])('%s is no execution', (id) => {
    expect(() => executionNumbers(id)).toThrow(expect.objectContaining({ code: 'NotFound' }));
  });
});
