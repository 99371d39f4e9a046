import { describe, expect, it } from 'vitest';
import { decide } from './decide.js';
import { handler, Life, reply } from './life.fixture.js';
import { processAfter } from './rows-after.js';

describe('processAfter', () => {
  it('clocks that are kept are counted from the commit, not from when the row was read', () => {
    const life = new Life([handler('demo', 'machine.hurry')]);
    life.start('hurry');
    const before = life.process();
    const decision = decide(before, life.resource, life.around, {
      kind: 'reply',
      dispatch: 1,
      reply: reply({ bad: 1 }),
    });
    if (decision.kind !== 'commit') throw new Error(decision.kind);
    life.now += 300;
    const applied = life.commit(decision.transition);
    if (applied.outcome !== 'applied') throw new Error(applied.outcome);
    expect(processAfter(before, decision.transition, applied)).toEqual(life.process());
    expect(life.process()).toMatchObject({ deadlineInMillis: 700, totalDeadlineInMillis: 2_200 });
  });
});
