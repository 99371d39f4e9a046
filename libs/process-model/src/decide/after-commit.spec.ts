import { describe, expect, it } from 'vitest';
import { afterStep } from './after-commit.js';
import { decide } from './decide.js';
import { failure, handler, Life } from './life.fixture.js';

describe("the commit of an operator's act", () => {
  const life = new Life([handler('demo', 'machine.start')]);
  life.start('start');
  life.reply(failure('no', { retryable: false }));
  const [process, resource] = [life.process(), life.resource];
  const decision = decide(process, resource, life.around, {
    kind: 'operate',
    action: 'retry',
    state: null,
    operator: 'ann',
    commandId: 'c',
    commandHash: 'h',
  });
  if (decision.kind !== 'commit') throw new Error(decision.kind);
  const { transition } = decision;
  const repeat = { outcome: 'repeat', resourceId: resource.id, processId: process.id, resource: null } as const;

  it('carries its command', () => {
    expect(transition).toMatchObject({ commandId: 'c', commandHash: 'h' });
  });

  it('whose answer was lost happened once, and its effects are still to be carried out', () => {
    expect(afterStep(transition, { process, resource }, { outcome: repeat, repeated: true })).toEqual({
      kind: 'settled',
      ours: true,
    });
    expect(afterStep(transition, { process, resource }, { outcome: repeat, repeated: false })).toEqual({
      kind: 'settled',
      ours: false,
    });
  });
});
