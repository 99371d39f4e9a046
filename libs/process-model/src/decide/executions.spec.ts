import type { FinishedProcessRow, ProcessView } from '@drover/contracts';
import { describe, expect, it } from 'vitest';
import { executionsOf } from './executions.js';
import { EXIT_REASONS } from './exit-reasons.js';
import { failure, handler, Life, ok } from './life.fixture.js';
import { packProgress } from './progress.js';

const live = (life: Life): ProcessView => ({ live: true, ...life.process() });

function finished(life: Life, startTime: number): ProcessView {
  const { id, name, exitReason, progress } = life.finished.at(-1)!;
  const row: FinishedProcessRow = {
    id,
    resourceId: 7,
    resourceType: 'machine',
    stateField: 'state',
    name,
    definitionVersion: 1,
    exitReason,
    executionCount: progress.executions.length,
    progress: packProgress(progress),
    data: {},
    parentId: null,
    parentDispatch: null,
    priority: 0,
    accountId: null,
    startTime,
    endTime: life.now,
    errorCode: null,
    errorMessage: null,
  };
  return { live: false, ...row };
}

describe('executionsOf', () => {
  it('a live process shows the execution under way, with no end', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    const began = life.now;
    life.start('start');
    expect(executionsOf(live(life))).toEqual([
      {
        id: '1pe1.1',
        processInstanceId: '1pi1',
        processName: 'machine.start',
        executionCount: 1,
        startTime: began,
        stopTime: null,
        exitReason: null,
        steps: [],
        transitions: [],
      },
    ]);
  });

  it('each attempt is an execution with its steps; the last one has the transitions', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    const began = life.now;
    life.start('start');
    life.pass(300);
    life.reply(failure('no luck'));
    life.pass(150);
    life.reply(ok());
    const [first, second] = executionsOf(finished(life, began));
    expect(first).toMatchObject({
      id: '1pe1.1',
      startTime: began,
      stopTime: began + 300,
      exitReason: 'UNKNOWN_EXCEPTION',
      transitions: [],
      steps: [
        {
          execution: 1,
          process: 'machine.start',
          phase: 'handle',
          handler: 'demo',
          attempt: 1,
          start: began,
          stop: began + 300,
          outcome: 'failed',
          error: { code: 'HandlerFailed', message: 'no luck' },
        },
      ],
    });
    expect(second).toMatchObject({
      id: '1pe1.2',
      startTime: began + 300,
      stopTime: began + 450,
      exitReason: 'DONE',
      steps: [{ attempt: 2, start: began + 400, stop: began + 450, outcome: 'done' }],
      transitions: [
        { from: 'stopped', to: 'starting', kind: 'transitioning' },
        { from: 'starting', to: 'running', kind: 'done' },
      ],
    });
  });

  it('a parked process has said how it got where it is', () => {
    const life = new Life([handler('demo', 'machine.start')]);
    life.start('start');
    life.reply(failure('no', { retryable: false }));
    const executions = executionsOf(live(life));
    expect(executions.map((one) => one.exitReason)).toEqual(['UNKNOWN_EXCEPTION', null]);
    expect(executions.at(-1)!.transitions).toEqual([{ from: 'stopped', to: 'starting', kind: 'transitioning' }]);
  });

  it('a process without handlers has one execution without steps', () => {
    const life = new Life();
    const began = life.now;
    life.start('start');
    expect(executionsOf(finished(life, began))).toMatchObject([{ exitReason: 'DONE', steps: [], startTime: began }]);
  });
});

describe('the exit reasons', () => {
  it('that are terminal have a result and no retry; the others none', () => {
    for (const [name, { terminal, result, retry }] of Object.entries(EXIT_REASONS)) {
      expect(result !== null, name).toBe(terminal);
      if (terminal) expect(retry, name).toBe(false);
    }
  });
});

it('nothing ends before it began, whatever the engine thinks of the clock', () => {
  const life = new Life([handler('demo', 'machine.start'), handler('next', 'machine.start')]);
  life.start('start');
  life.now -= 5;
  life.reply(ok());
  life.now -= 5;
  life.reply(ok());
  const [execution] = executionsOf(finished(life, 1_000_000));
  for (const step of execution!.steps) expect(step.stop).toBeGreaterThanOrEqual(step.start);
  expect(execution!.stopTime).toBeGreaterThanOrEqual(execution!.startTime);
});
