import {
  commitBatch,
  type CommitTransition,
  encodeTransition,
  type ProcessFields,
  type ProcessInsert,
  shapesOf,
} from '@drover/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PLAIN_COLUMNS } from '../sql/commit-plain.sql.js';
import { INSERT_COLUMNS, namesOf, TRANSITION_COLUMNS } from '../sql/columns.sql.js';
import { blank, change, create, fields, finish, schedule, start } from '../testing/transitions.js';

type Columns = Record<string, unknown>;

const parsed = (text: string): Columns => JSON.parse(text) as Columns;

/** All that a statement reads of a transition. */
const row = (transition: CommitTransition): Columns => {
  const encoded = encodeTransition(transition);
  return { ...parsed(encoded.shape), ...parsed(encoded.row) };
};

describe('a batch on the wire', () => {
  it('arrives as it was sent, whatever line breaks its values hold', () => {
    const batch = [schedule(7), finish(2, 3, 1), create('creating')].map(encodeTransition);
    batch.push(
      encodeTransition(blank({ resourceId: 1, change: change(null, { message: 'a\nb\u2028c', data: { x: '\r\n' } }) })),
    );
    expect(commitBatch.decode(commitBatch.encode(batch))).toEqual(batch);
    expect(batch.map(({ head }) => head.kind)).toEqual(['starts', 'ends', 'inserts', 'starts']);
  });

  it('carries what several transitions have in common once', () => {
    const batch = [schedule(7), schedule(8), schedule(9, { expectStates: ['error'] }), schedule(10)].map(
      encodeTransition,
    );
    const { shapes, positions } = shapesOf(batch);
    expect(positions).toEqual([0, 0, 1, 0]);
    expect(shapes).toEqual([batch[0]!.shape, batch[2]!.shape]);
    expect(commitBatch.encode(batch).split('\n')).toHaveLength(1 + 4 + 2);
  });

  it.each([
    '[]\n{}',
    '[["starts"]]',
    '{}\n{}',
    'null',
    '{"heads":[{}],"shapes":[]}\n{}',
    '{"heads":[{}],"shapes":[0]}\n{}',
    '{"heads":[{}],"shapes":[1]}\n{}\n{}',
  ])('is refused when heads, rows and shapes do not match: %j', (text) => {
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

/** A process with every field given, in one of its two ways. */
const fullFields = (odd: boolean): ProcessFields =>
  fields({
    waitingHandler: odd ? 'demo' : null,
    slot: odd ? null : 3,
    progress: { v: 1, plan: ['a "quoted" step\n', '\u2028'] },
    predecessorId: odd ? 5 : null,
    heldBy: odd ? 'account/7' : null,
    admitted: odd ? null : 'type/volume',
    errorCode: odd ? 'Late' : null,
    errorMessage: odd ? 'too\tlate' : null,
    deadlineMillis: odd ? 'keep' : 4.5,
    waitDeadlineMillis: odd ? 'keep' : 86_400_000,
    wakeMillis: odd ? 'deadline' : 0,
  });

const fullStart = (odd: boolean): ProcessInsert =>
  start({
    ...fullFields(odd),
    beganState: odd ? 'active' : null,
    data: { n: -0, nested: { text: '"' } },
    notify: odd ? 'drover.ended.x' : null,
    priority: odd ? -1 : 2,
    parentId: odd ? 9 : null,
    parentDispatch: odd ? 1 : null,
    totalMillis: odd ? 1_000 : null,
  });

/** Transitions that have, together, every column. */
const manyShapes: [string, CommitTransition][] = [false, true].flatMap((odd): [string, CommitTransition][] => {
  const whole = change(odd ? { active: 'idle' } : 'idle', {
    message: odd ? 'it\'s "moving"' : null,
    progress: odd ? 41.6 : null,
    data: odd ? { list: [1, null] } : null,
    ...(odd ? { name: null, description: 'd', refs: ['host:7'] } : { name: 'n' }),
  });
  const guarded = {
    expectType: 'volume',
    expectRevision: 4,
    expectStates: ['active', 'inactive'],
    returnResource: odd,
  };
  const end = { exitReason: 'DONE', progress: { v: 2 }, errorCode: odd ? 'E' : null, errorMessage: odd ? 'm' : null };
  const held = { resourceId: 1, processId: 2, processVersion: 3, wakeParent: odd ? 8 : null };
  const insert = { ...create().insert!, accountId: odd ? 7 : null, name: odd ? null : 'i', description: 'd' };
  const regions: Record<string, string> = odd ? { field: 'off' } : {};
  return (
    [
      ['a start', schedule(1, { ...guarded, change: whole, start: fullStart(odd) })],
      ['a write', blank({ ...guarded, resourceId: 1, change: whole })],
      ['an end', finish(1, 2, 3, 'idle', { ...guarded, ...held, returnResource: false, change: whole, end })],
      ['a chain', blank({ ...guarded, ...held, change: whole, end, start: fullStart(odd) })],
      [
        'an update',
        blank({
          ...guarded,
          ...held,
          change: odd ? null : whole,
          expectPassed: odd ? 'wait' : null,
          update: { ...fullFields(odd), notAfter: odd ? 1_795_403_921_205 : null, wakeMillis: odd ? 'keep' : null },
        }),
      ],
      [
        'an insert',
        create('x', { insert: { ...insert, regions, refs: ['a:1'] }, change: whole, start: fullStart(odd) }),
      ],
    ] as const
  ).map(([name, transition]) => [`${name}, ${odd ? 'odd' : 'even'}`, transition]);
});

describe('the text of a transition', () => {
  it.each(manyShapes)('of %s holds its columns, and nothing else', (_, transition) => {
    expect(row(transition)).toEqual(JSON.parse(JSON.stringify(columnsOf(transition))));
  });

  it.each(manyShapes)('of %s is wholly read by its statement', (_, transition) => {
    const encoded = encodeTransition(transition);
    const { kind } = encoded.head;
    const columns = kind === 'inserts' ? INSERT_COLUMNS : TRANSITION_COLUMNS[kind];
    // A new resource has its name already.
    const unread = kind === 'inserts' ? ['c_setname', 'c_name', 'c_setdesc', 'c_desc'] : [];
    const keys = (text: string): string[] => Object.keys(parsed(text)).filter((key) => !unread.includes(key));
    expect(namesOf(columns.row)).toEqual(expect.arrayContaining(keys(encoded.row)));
    expect(namesOf(columns.shape)).toEqual(expect.arrayContaining(keys(encoded.shape)));
  });

  it('is plain only where its plain statement reads all of it', () => {
    // What the plain statements write without being told.
    const implied = { field: 'state', chg: true, start: true, fin: true, upd: true };
    const found = { starts: 0, steps: 0, ends: 0 };
    const seen = new Set<string>();
    fc.assert(
      fc.property(anyTransition, (transition) => {
        const { head, row: own, shape } = encodeTransition(transition);
        for (const text of [own, shape]) Object.keys(parsed(text)).forEach((key) => seen.add(key));
        if (head.plain === undefined) return;
        const kind = head.kind as keyof typeof PLAIN_COLUMNS;
        found[kind]++;
        const columns = PLAIN_COLUMNS[kind];
        expect(namesOf(columns.row)).toEqual(expect.arrayContaining(Object.keys(parsed(own))));
        const told = Object.entries(parsed(shape)).filter(([key, value]) => implied[key as 'chg'] !== value);
        expect(namesOf(columns.shape)).toEqual(expect.arrayContaining(told.map(([key]) => key)));
        const toState = transition.change?.toState ?? [];
        expect(typeof toState === 'string' ? [toState] : Object.values(toState)).not.toContain('removed');
        expect(transition.expectType).toBe('volume');
      }),
      { seed: 1, numRuns: 20_000 },
    );
    expect(Math.min(...Object.values(found))).toBeGreaterThan(50);
    // A column that none of them has was added without a look at what is plain.
    const { starts, ends, steps } = TRANSITION_COLUMNS;
    expect([...seen]).toEqual(
      expect.arrayContaining([starts, ends, steps].flatMap((of) => [...namesOf(of.row), ...namesOf(of.shape)])),
    );
  });

  it('has, in all of these, every column of every statement', () => {
    const columns = [INSERT_COLUMNS, ...Object.values(TRANSITION_COLUMNS)];
    const written = new Set(manyShapes.flatMap(([, transition]) => Object.keys(row(transition))));
    expect([...new Set(columns.flatMap((of) => [...namesOf(of.row), ...namesOf(of.shape)]))].sort()).toEqual(
      [...written].sort(),
    );
  });
});

/** Starts and ends with everything that may be about them, each now and then. */
const anyTransition = (() => {
  const seldom = <T>(value: T, otherwise: T): fc.Arbitrary<T> =>
    fc.oneof({ weight: 24, arbitrary: fc.constant(otherwise) }, { weight: 1, arbitrary: fc.constant(value) });
  const sometimes = <T>(value: T, otherwise: T): fc.Arbitrary<T> => fc.constantFrom(value, otherwise);
  const changes = fc.record({
    toState: fc.constantFrom('activating', 'inactive', { requested: 'x', inactive: 'y' }, null, 'removed', {
      active: 'removed',
    }),
    message: seldom<string | null>('m', null),
    progress: seldom<number | null>(3, null),
    data: sometimes<{ a: number } | null>({ a: 1 }, null),
    name: seldom<string | undefined>('n', undefined),
    description: seldom<string | undefined>('d', undefined),
    refs: seldom<string[] | undefined>([], undefined),
  });
  const starts = fc.record({
    waitingHandler: seldom<string | null>('h', null),
    predecessorId: seldom<number | null>(4, null),
    heldBy: seldom<string | null>('pause', null),
    admitted: seldom<string | null>('h', null),
    errorCode: seldom<string | null>('E', null),
    errorMessage: seldom<string | null>('e', null),
    deadlineMillis: fc.constantFrom(null, 1_000, 'keep' as const),
    waitDeadlineMillis: fc.constantFrom<(number | 'keep' | null)[]>(
      'keep',
      500,
      ...Array.from({ length: 30 }, () => null),
    ),
    wakeMillis: fc.constantFrom(null, 1_000, 'deadline' as const),
    beganState: seldom<string | null>('b', null),
    parentId: seldom<number | null>(9, null),
    parentDispatch: seldom<number | null>(1, null),
    totalMillis: seldom<number | null>(9, null),
    slot: sometimes<number | null>(1, null),
    notify: sometimes<string | null>('drover.notify.x', null),
  });
  const guarded = fc.record({
    expectType: fc.constantFrom('volume', 'volume', null, 'externalHandler'),
    expectRevision: sometimes<number | null>(2, null),
    expectStates: sometimes<string[] | null>(['active'], null),
    expectPassed: seldom<'wait' | null>('wait', null),
    wakeParent: seldom<number | null>(8, null),
    returnResource: sometimes(true, false),
  });
  const ends = fc.record({
    exitReason: fc.constantFrom('DONE', 'CANCELED'),
    errorCode: seldom<string | null>('E', null),
    errorMessage: seldom<string | null>('e', null),
  });
  return fc
    .tuple(
      fc.constantFrom('start', 'end', 'step'),
      seldom('other', 'state'),
      guarded,
      fc.constantFrom(true, false, false),
      changes,
      starts,
      ends,
      fc.record({ wakeMillis: seldom<'keep' | null>('keep', null), notAfter: seldom<number | null>(9, null) }),
    )
    .map(([kind, stateField, guards, still, changed, started, ended, stepped]): CommitTransition => {
      const moved = still ? null : change(changed.toState, changed);
      if (kind === 'end')
        return finish(1, 2, 3, 'x', { ...guards, stateField, change: moved, end: { ...ended, progress: { v: 1 } } });
      if (kind === 'step') {
        const { beganState: _, parentId: __, parentDispatch: ___, totalMillis: ____, notify: _____, ...own } = started;
        const update = fields({ ...own, ...(stepped.wakeMillis === null ? {} : stepped), notAfter: stepped.notAfter });
        return finish(1, 2, 3, 'x', { ...guards, stateField, change: moved, end: null, update });
      }
      const own = { ...guards, expectPassed: null, wakeParent: null };
      return schedule(1, { ...own, stateField, change: moved, start: start({ ...started, stateField }) });
    });
})();

/** The same columns, written down plainly. */
function columnsOf(t: CommitTransition): Columns {
  const { insert, change: moves, update, end, start: starts } = t;
  const process = starts ?? update;
  const clock = (key: string, millis: number | 'keep' | null): Columns =>
    millis === 'keep' ? { [`${key}keep`]: true } : { [key]: millis };
  const wake = process?.wakeMillis;
  const columns: Columns = {
    reg: t.registryRevision,
    field: t.stateField,
    chg: moves !== null || null,
    upd: update !== null || null,
    fin: end !== null || null,
    start: starts !== null || null,
    ret: t.returnResource || null,
    cmd: t.commandId,
    hash: t.commandHash,
    res: t.resourceId,
    xtype: t.expectType,
    xrev: t.expectRevision,
    xstates: t.expectStates,
    pid: t.processId,
    pver: t.processVersion,
    xpast: t.expectPassed,
    par: t.wakeParent,
    ...(moves && {
      [typeof moves.toState === 'string' ? 'c_to' : 'c_map']: moves.toState,
      c_kind: moves.feedKind,
      c_proc: moves.process,
      c_trans: moves.transitioning,
      c_msg: moves.message,
      c_prog: moves.progress === null ? null : Math.round(moves.progress),
      c_data: moves.data,
      c_refs: moves.refs,
      c_setname: moves.name !== undefined || null,
      c_name: moves.name,
      c_setdesc: moves.description !== undefined || null,
      c_desc: moves.description,
    }),
    ...(end && { e_exit: end.exitReason, e_progress: end.progress, e_code: end.errorCode, e_msg: end.errorMessage }),
    ...(process && {
      p_name: process.name,
      p_status: process.status,
      p_waiting: process.waitingHandler,
      p_slot: process.slot,
      p_dispatch: process.dispatch,
      p_execs: process.executionCount,
      p_progress: process.progress,
      p_pred: process.predecessorId,
      p_held: process.heldBy,
      p_adm: process.admitted,
      p_code: process.errorCode,
      p_msg: process.errorMessage,
      ...clock('p_dl', process.deadlineMillis),
      ...clock('p_wdl', process.waitDeadlineMillis),
      ...(wake === 'deadline' ? { p_wakedl: true } : wake === 'keep' ? { p_wakekeep: true } : { p_wake: wake }),
    }),
    ...(update && { p_cap: update.notAfter }),
    ...(starts && {
      p_began: starts.beganState,
      p_defver: starts.definitionVersion,
      p_token: starts.token,
      p_data: starts.data,
      p_notify: starts.notify,
      p_prio: starts.priority,
      p_parent: starts.parentId,
      p_pdisp: starts.parentDispatch,
      p_total: starts.totalMillis,
    }),
    ...(insert && {
      i_type: insert.type,
      i_kind: insert.kind,
      i_uuid: insert.uuid,
      i_name: insert.name,
      i_desc: insert.description,
      i_data: insert.data,
      i_account: insert.accountId,
      i_refs: insert.refs,
      i_regions:
        Object.keys(insert.regions).length === 0
          ? null
          : { field: { state: 'off', transitioning: 'no', message: null, progress: null } },
    }),
  };
  return Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== null && value !== undefined));
}
