import { describe, expect, it } from 'vitest';
import { blank, change, create, fields, finish, schedule, start } from '../testing/transitions.js';
import { commitBatch, encodeTransition } from '@drover/contracts';

const row = (transition: Parameters<typeof encodeTransition>[0]): Record<string, unknown> =>
  JSON.parse(encodeTransition(transition).row) as Record<string, unknown>;

describe('a batch on the wire', () => {
  it('arrives as it was sent, whatever line breaks its values hold', () => {
    const batch = [schedule(7), finish(2, 3, 1), create('creating')].map(encodeTransition);
    batch.push(
      encodeTransition(blank({ resourceId: 1, change: change(null, { message: 'a\nb\u2028c', data: { x: '\r\n' } }) })),
    );
    expect(commitBatch.decode(commitBatch.encode(batch))).toEqual(batch);
    expect(batch.map(({ head }) => head.kind)).toEqual(['starts', 'ends', 'inserts', 'starts']);
  });

  it.each(['[]\n{}', '[["starts"]]', '{}\n{}', 'null'])('is refused when heads and rows do not match: %j', (text) => {
    expect(() => commitBatch.decode(text)).toThrow(expect.objectContaining({ code: 'InvalidBodyContent' }));
  });
});

describe('a transition as a row', () => {
  it('carries only what is given', () => {
    const written = row(schedule(7, { commandId: null, commandHash: null }));
    expect(Object.keys(written)).not.toContain('cmd');
    expect(written).toMatchObject({
      res: 7,
      field: 'state',
      chg: true,
      start: true,
      c_to: 'activating',
      p_name: 'volume.activate',
    });
    expect(Object.values(written)).not.toContain(null);
  });

  it('tells a kept clock, a cleared one and one from now apart', () => {
    const clocks = (over: Parameters<typeof fields>[0]) => {
      const { p_dl, p_dlkeep, p_wake, p_wakedl } = row(
        blank({ resourceId: 1, processId: 2, processVersion: 1, update: fields(over) }),
      );
      return { p_dl, p_dlkeep, p_wake, p_wakedl };
    };
    expect(clocks({ deadlineMillis: 'keep', wakeMillis: 'deadline' })).toEqual({ p_dlkeep: true, p_wakedl: true });
    expect(clocks({ deadlineMillis: null, wakeMillis: null })).toEqual({});
    expect(clocks({ deadlineMillis: 5, wakeMillis: 0 })).toEqual({ p_dl: 5, p_wake: 0 });
  });

  it('tells a name that is cleared from one that is left', () => {
    expect(row(blank({ resourceId: 1, change: change(null, { name: null }) }))).toMatchObject({ c_setname: true });
    expect(row(blank({ resourceId: 1, change: change(null) }))).not.toHaveProperty('c_setname');
  });

  it('stores a new region in its transitioning state', () => {
    const insert = { ...create().insert!, regions: { a: 'idle', b: 'off' } };
    const stateField = 'a';
    expect(row(create('working', { insert, stateField, start: start({ stateField }) }))).toMatchObject({
      i_regions: { a: { state: 'working', transitioning: 'yes' }, b: { state: 'off', transitioning: 'no' } },
    });
  });

  it.each([
    ['neither insert nor resource', blank()],
    ['both', create('x', { resourceId: 1 })],
    ['an end without a process', { ...finish(1, 2, 3), processId: null }],
    ['a process without its version', { ...finish(1, 2, 3), processVersion: null }],
    ['a clock without a process', blank({ resourceId: 1, expectPassed: 'wait' })],
    ['a wake-up that a new process keeps', schedule(1, { start: start({ wakeMillis: 'keep' }) })],
    ['an update and an end', { ...finish(1, 2, 3), update: fields() }],
    ['a start on a region that stays held', { ...finish(1, 2, 3), end: null, start: start() }],
    ['a start in another region', schedule(1, { start: start({ stateField: 'a' }) })],
  ])('refuses %s', (_, transition) => {
    expect(() => encodeTransition(transition)).toThrow('makes no sense');
  });
});
