import { describe, expect, it } from 'vitest';
import { afterStep } from './after-commit.js';
import { decide } from './decide.js';
import { failure, handler, Life } from './life.fixture.js';

describe("the commit of an operator's act", () => {
  const life = new Life([handler('demo', 'machine.start')]);
  life.start('start');
  life.reply(failure('no', { retryable: false }));
  const [process, resource] = [life.process(), life.resource];
  const retry = {
    kind: 'operate',
    action: 'retry',
    state: null,
    operator: 'ann',
    commandId: 'c',
    commandHash: 'h',
  } as const;
  const decision = decide(process, resource, life.around, retry);
  if (decision.kind !== 'commit') throw new Error(decision.kind);
  const { transition } = decision;
  const repeat = { outcome: 'repeat', resourceId: resource.id, processId: process.id, resource: null } as const;

  it('carries its command', () => {
    expect(transition).toMatchObject({ commandId: 'c', commandHash: 'h' });
  });

  it('whose answer was lost happened once, and its effects are still to be carried out', () => {
    expect(afterStep(transition, { process, resource }, { outcome: repeat, repeated: true }, retry)).toEqual({
      kind: 'settled',
      ours: true,
    });
    expect(afterStep(transition, { process, resource }, { outcome: repeat, repeated: false }, retry)).toEqual({
      kind: 'settled',
      ours: false,
    });
  });
});

describe('the commit of a wake-up', () => {
  const life = new Life([handler('demo', 'machine.start')]);
  life.start('start');
  life.reply(failure('no', { retryable: true }));
  const [process, resource] = [life.process(), life.resource];
  const wake = { kind: 'wake', delivery: { event: 'acknowledged', handler: 'asks' } } as const;
  const decision = decide(process, resource, life.around, wake);
  if (decision.kind !== 'commit') throw new Error(decision.kind);
  const { transition } = decision;
  const lost = (present: typeof process) =>
    afterStep(
      transition,
      { process, resource },
      { outcome: { outcome: 'conflict', resource, process: present }, repeated: false },
      wake,
    );

  it('that lost against another one is over: what was asked for it says nothing about the attempt that is out now', () => {
    expect(lost({ ...process, version: process.version + 1, dispatch: process.dispatch + 1 })).toEqual({
      kind: 'overtaken',
    });
  });

  it('whose process is held by now is decided again: the gate may be open', () => {
    const held = { ...process, version: process.version + 1, status: 'held' as const, heldBy: 'cluster' };
    expect(lost(held)).toEqual({ kind: 'again', process: held, resource, related: false });
  });

  it('that lost against a change of the resource alone is decided again', () => {
    expect(lost(process)).toEqual({ kind: 'again', process, resource, related: false });
  });
});
