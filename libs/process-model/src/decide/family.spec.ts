import type { CommitTransition } from '@drover/contracts';
import { expect, describe, it } from 'vitest';
import { failure, handler, Life, ok } from './life.fixture.js';

const PARENT = { id: 99, dispatch: 1, onParentEnd: 'cancel' } as const;

const RACK = `
apiVersion: drover/v1
kind: ResourceType
name: rack
relationships: { disks: { list: disk, by: rackId } }
stateFields: { power: { initial: off } }
defaultProcesses: false
final: [failed, spun]
processes:
  start:
    start: [stopped]
    transitioning: starting
    done: running
    onError: fail
    retry: { maxAttempts: 1 }
    related: [{ forEach: disks, process: spin, when: with }]
  fail: { start: [starting, stopped], transitioning: failing, done: failed }
  stop: { start: [running, starting, requested], transitioning: stopping, done: stopped }
  spin: { start: [stopped], transitioning: spinning, done: spun, onCancel: stopped, onError: fail2, retry: { maxAttempts: 1 } }
  fail2: { start: [spinning], transitioning: failing2, done: failed }
  park: { start: [stopped], transitioning: parking, done: spun, onCancel: parked, retry: { maxAttempts: 1 } }
  slow:
    start: [stopped]
    transitioning: slowing
    done: running
    totalMillis: 1000
    related: [{ forEach: disks, process: spin }]
  remove: { start: [stopped], transitioning: removing, done: removed }
`;

/** A life with all transitions that were committed in it. */
function life(...handlers: Parameters<typeof handler>[]): Life & { committed: CommitTransition[] } {
  const made = Object.assign(
    new Life(
      handlers.map((one) => handler(...one)),
      'stopped',
      RACK,
    ),
    {
      committed: [] as CommitTransition[],
    },
  );
  made.onCommit = (transition) => void made.committed.push(transition);
  return made;
}

/** The rack starts, with children beside its handler. */
function parent(): ReturnType<typeof life> {
  const rack = life(['demo', 'rack.start']);
  rack.start('start');
  rack.input({
    kind: 'related',
    dispatch: 1,
    version: 1,
    target: rack.type.processes['spin']!,
    idPrefix: 'd',
    members: [],
    children: [],
    tooMany: false,
    tried: new Map(),
  });
  expect(rack.process().status).toBe('dispatched');
  return rack;
}

/** The commit that wakes children, if there was one. */
const early = ({ committed }: ReturnType<typeof life>): CommitTransition | undefined =>
  committed.find(({ orphans }) => orphans === true);

function child(verb = 'spin'): ReturnType<typeof life> {
  const disk = life(['demo', `rack.${verb}`]);
  disk.start(verb, {}, null, PARENT);
  return disk;
}

describe('the commit that ends a parent early wakes its children', () => {
  it('by force', () => {
    const rack = parent();
    rack.operate('force', 'stopped');
    expect(early(rack)).toMatchObject({ end: { exitReason: 'CANCELED' }, start: null });
  });

  it('by a failure that goes on into onError', () => {
    const rack = parent();
    rack.reply(failure('no', { retryable: false }));
    expect(early(rack)).toMatchObject({ end: { exitReason: 'FAILED' }, start: { name: 'rack.fail' } });
  });

  it('by pre-emption', () => {
    const rack = parent();
    rack.start('stop');
    expect(early(rack)).toMatchObject({ end: { exitReason: 'CANCELED' }, start: { name: 'rack.stop' } });
  });

  it('and by the removal of its resource, whatever region it works in', () => {
    const rack = life();
    rack.start('remove');
    expect(early(rack)).toMatchObject({ change: { toState: 'removed' } });
  });

  it('a parked parent is live: its children stay', () => {
    const rack = life(['demo', 'rack.park']);
    rack.start('park');
    rack.reply(failure('no', { retryable: false }));
    expect(rack.process().status).toBe('parked');
    expect(early(rack)).toBeUndefined();
  });

  it('nothing of it where no work on related resources has begun', () => {
    const rack = life(['demo', 'rack.spin']);
    rack.start('spin');
    rack.operate('force', 'stopped');
    expect(early(rack)).toBeUndefined();
  });
});

describe('a child', () => {
  it('is started only while its parent waits for it, and says what an early end of it means', () => {
    const disk = child();
    expect(disk.committed[0]).toMatchObject({ asChild: { parentEnd: null }, start: { parentId: 99 } });
    const left = life();
    left.start('spin', {}, null, { ...PARENT, onParentEnd: 'leave' });
    expect(left.committed[0]).toMatchObject({ asChild: { parentEnd: 'leave' } });
    const alone = life();
    alone.start('spin');
    expect(alone.committed[0]).not.toHaveProperty('asChild');
  });

  it('whose parent has ended cancels itself as by an operator: the handler is told, its answer awaited', () => {
    const disk = child();
    disk.parentEnds();
    disk.pass(0);
    expect(disk.process()).toMatchObject({ status: 'canceling' });
    expect(disk.resource.message).toBe('canceling since its parent process 1pi99 has ended');
    expect(disk.cancelled).toMatchObject([{ handler: 'demo', reason: 'since its parent process 1pi99 has ended' }]);
    disk.reply(ok());
    expect([disk.isLive(), disk.resource.state, disk.violations()]).toEqual([false, 'stopped', []]);
    expect(disk.finished[0]).toMatchObject({
      exitReason: 'CANCELED',
      progress: { steps: [{ error: { code: 'ParentEnded' } }, {}] },
    });
  });

  it('is cancelled when it is parked, too, by the same rules', () => {
    const lone = child('park');
    lone.reply(failure('no', { retryable: false }));
    lone.parentEnds();
    lone.pass(0);
    // It parks on a cancel, and is parked: that is recorded, and an operator acts.
    expect([lone.process().status, lone.wakeAt(), lone.violations()]).toEqual(['parked', Infinity, []]);
    expect(lone.progress.steps.at(-1)).toMatchObject({ outcome: 'rejected', error: { code: 'ParentEnded' } });
    lone.operate('force', 'stopped');
    expect(lone.resource.state).toBe('stopped');
  });

  it('that parks on a cancel parks once its handler has answered, and is asked no more', () => {
    const disk = child('park');
    disk.parentEnds();
    disk.pass(0);
    disk.reply(ok());
    expect([disk.process().status, disk.wakeAt(), disk.violations()]).toEqual(['parked', Infinity, []]);
  });

  it('that is being cancelled already waits as it did', () => {
    const disk = child();
    disk.operate('cancel');
    disk.parentEnds();
    disk.pass(0);
    expect(disk.process().status).toBe('canceling');
    disk.reply(ok());
    expect(disk.resource.state).toBe('stopped');
  });

  it('keeps its wake-up through what is decided before it', () => {
    const disk = life(['demo', 'rack.spin'], ['more', 'rack.spin', { priority: 2_000 }]);
    disk.start('spin', {}, null, PARENT);
    disk.parentEnds();
    disk.reply(ok());
    expect([disk.process().status, disk.wakeIn()]).toEqual(['dispatched', 0]);
    disk.pass(0);
    expect(disk.process().status).toBe('canceling');
  });

  it('as does the process that its failure starts', () => {
    const disk = life(['demo', 'rack.spin'], ['mend', 'rack.fail2']);
    disk.start('spin', {}, null, PARENT);
    disk.parentEnds();
    disk.reply(failure('no', { retryable: false }));
    expect(disk.process()).toMatchObject({ name: 'rack.fail2', parentId: 99, parentEnd: 'ended' });
    disk.pass(0);
    expect(disk.process().status).toBe('canceling');
  });

  it('that was parked and goes on tells its parent, which says so no more', () => {
    const disk = child('park');
    disk.reply(failure('no', { retryable: false }));
    expect(disk.committed.at(-1)).toMatchObject({ wakeParent: 99 });
    disk.operate('retry');
    expect(disk.committed.at(-1)).toMatchObject({ wakeParent: 99, update: { status: 'dispatched' } });
    disk.reply(ok());
    expect(disk.resource.state).toBe('spun');
  });
});

it('a cancel of a parked process cancels the children it left at work', () => {
  const rack = life();
  rack.start('slow');
  rack.pass(2_000);
  expect(rack.process()).toMatchObject({ status: 'parked', errorCode: 'TotalTimeout' });
  rack.operate('cancel');
  expect([rack.process().status, rack.asked.at(-1)]).toEqual(['canceling', { kind: 'related' }]);
});
