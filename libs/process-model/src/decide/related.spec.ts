import { beforeEach, describe, expect, it } from 'vitest';
import type { ProcessDefinition } from '../definitions/types.js';
import { compile, failure, handler, builtin, Life, ok } from './life.fixture.js';
import {
  CHILDREN_WAKE_MILLIS,
  type RelatedChild,
  type RelatedInput,
  type RelatedMember,
  relatedNeed,
} from './related.js';
import { readReply } from './reply.js';

const volume = compile(`
apiVersion: drover/v1
kind: ResourceType
name: volume
fields: { rackId: { type: reference, to: rack } }
processes:
  activate: { start: [inactive, registering], transitioning: activating, done: active }
`);

const rack = (related: string, more = ''): string => `
apiVersion: drover/v1
kind: ResourceType
name: rack
relationships: { volumes: { list: volume, by: rackId } }
defaultProcesses: false
final: [failed]
processes:
  start:
    start: [stopped]
    transitioning: starting
    done: running
    retry: { maxAttempts: 1 }
    timeoutMillis: 1000
    related: [${related}]
    ${more}
  fail: { start: [starting, stopped], transitioning: failing, done: failed }
  stop: { start: [running, starting, requested], transitioning: stopping, done: stopped }
`;

const activate = volume.processes['activate'] as ProcessDefinition;
const BEFORE = '{ forEach: volumes, process: activate }';

let life: Life;
let nextChild: number;
beforeEach(() => {
  nextChild = 1_000;
});

function begin(related: string, more = '', handlers = [handler('demo', 'rack.start')]): void {
  life = new Life(handlers, 'stopped', rack(related, more));
  life.start('start');
}

const member = (id: number, state = 'inactive', live: string | null = null): RelatedMember => ({ id, state, live });

function child(resourceId: number, over: Partial<RelatedChild> = {}): RelatedChild {
  const blank = { name: 'volume.activate', status: null, exitReason: null, errorCode: null, errorMessage: null };
  return { id: nextChild++, resourceId, ...blank, ...over };
}
const live = (resourceId: number, status = 'dispatched'): RelatedChild => child(resourceId, { status });
const done = (resourceId: number): RelatedChild => child(resourceId, { exitReason: 'DONE' });
const failed = (resourceId: number, errorMessage = 'no disk'): RelatedChild =>
  child(resourceId, { exitReason: 'FAILED', errorCode: 'X', errorMessage });

/** What the engine reads, given to the process. */
function read(members: RelatedMember[], children: RelatedChild[] = [], over: Partial<RelatedInput> = {}) {
  const process = life.process();
  return life.input({
    kind: 'related',
    dispatch: process.dispatch,
    version: process.version,
    target: activate,
    idPrefix: 'v',
    members,
    children,
    tooMany: false,
    tried: new Map(),
    ...over,
  });
}

const started = (): number[][] =>
  life.asked.flatMap((effect) => (effect.kind === 'startChildren' ? [effect.resourceIds] : []));
const steps = (): string[] => life.progress.done;

describe('work before the handlers', () => {
  it('begins with the process: the engine reads at once, and again soon should it die', () => {
    begin(BEFORE);
    expect(life.process()).toMatchObject({ status: 'waitingChildren', dispatch: 1 });
    expect(life.asked).toEqual([{ kind: 'related' }]);
    expect(life.wakeIn()).toBeLessThanOrEqual(5_000);
    expect(relatedNeed(life.process(), life.resource, life.around)).toEqual({
      dispatch: 1,
      parentDispatches: [1],
      relation: { kind: 'list', type: 'volume', ref: 'rackId:7' },
      process: 'volume.activate',
      type: 'volume',
    });
  });

  it('with nothing related, the handlers begin at once', () => {
    begin(BEFORE);
    read([]);
    expect(life.process()).toMatchObject({ status: 'dispatched', dispatch: 2 });
    expect(steps()).toEqual(['before.volumes.activate']);
    life.reply(ok());
    expect(life.resource.state).toBe('running');
  });

  it('starts what can start, then waits in the database until the last has ended', () => {
    begin(BEFORE);
    const version = life.process().version;
    read([member(11), member(12), member(13, 'active')]);
    expect(started()).toEqual([[11, 12]]);
    // Nothing was committed: a repeat of the same starts is harmless, and the wake-up that is there makes it.
    expect(life.process().version).toBe(version);
    read(
      [member(11, 'activating', 'volume.activate'), member(12, 'activating', 'volume.activate')],
      [live(11), live(12)],
    );
    expect(life.wakeIn()).toBe(CHILDREN_WAKE_MILLIS);
    expect(life.resource.message).toBe('waiting for volume.activate of volumes');
    read([member(11, 'active'), member(12, 'activating', 'volume.activate')], [done(11), live(12)]);
    expect(life.process().status).toBe('waitingChildren');
    const { revision } = life.resource;
    read([member(11, 'active'), member(12, 'activating', 'volume.activate')], [done(11), live(12)]);
    expect(life.resource.revision).toBe(revision);
    read([member(11, 'active'), member(12, 'active')], [done(11), done(12)]);
    expect(life.process().status).toBe('dispatched');
    life.reply(ok());
    expect([life.resource.state, life.violations()]).toEqual(['running', []]);
  });

  it('a wake-up asks the engine to read, and commits nothing', () => {
    begin(BEFORE);
    expect(life.input({ kind: 'wake' })).toEqual({ kind: 'effects', effects: [{ kind: 'related' }] });
  });

  it('what was read before the process changed is read again: a child may have ended unseen', () => {
    begin(BEFORE);
    const { version } = life.process();
    expect(read([member(11)], [], { version: version - 1 })).toEqual({
      kind: 'effects',
      effects: [{ kind: 'related' }],
    });
    expect(read([member(11)], [], { dispatch: 9 }).kind).toBe('ignore');
  });

  it('in sequence one starts when the one before it has ended', () => {
    begin('{ forEach: volumes, process: activate, order: sequence }');
    read([member(12), member(11)]);
    read([member(11, 'activating', 'volume.activate'), member(12)], [live(11)]);
    read([member(11, 'active'), member(12)], [done(11)]);
    expect(started()).toEqual([[11], [12]]);
  });

  it('at most 256 are under way at one time', () => {
    begin(BEFORE);
    const members = Array.from({ length: 300 }, (_, i) => member(i + 1));
    read(members);
    const under = members.slice(0, 250).map(({ id }) => live(id));
    read(members, under);
    expect(started().map((ids) => ids.length)).toEqual([256, 6]);
  });

  it('only resources in the given states count', () => {
    begin('{ forEach: volumes, process: activate, states: [inactive] }');
    read([member(11, 'registering'), member(12), member(13, 'removing', 'volume.remove')]);
    expect(started()).toEqual([[12]]);
  });

  it('one that another process holds is looked at again after a second', () => {
    begin(BEFORE);
    read([member(11, 'updating-active', 'volume.update')]);
    expect(life.wakeIn()).toBe(1_000);
    expect(life.resource.message).toBe(
      'waiting for volume.activate of volumes: 1v11 is updating-active, held by volume.update',
    );
    read([member(11)], [], { tried: new Map([[11, { code: 'ResourceBusy', message: 'taken', retryable: true }]]) });
    expect(life.wakeIn()).toBe(1_000);
    // The same process, started by somebody else, is waited for.
    read([member(11, 'activating', 'volume.activate')]);
    expect(life.wakeIn()).toBe(1_000);
    expect(started()).toEqual([]);
  });

  it('one that can neither start nor is done fails the step, with its state named', () => {
    begin(BEFORE, '', []);
    read([member(11, 'removing')]);
    expect(life.process()).toMatchObject({ status: 'parked', errorCode: 'ChildFailed' });
    expect(life.resource.message).toBe(
      'volume.activate failed for 1 of volumes: 1v11 is removing; volume.activate starts from inactive, registering',
    );
  });

  it('a refused start fails the step', () => {
    begin(BEFORE);
    read([member(11)], [], {
      tried: new Map([[11, { code: 'ActionNotAvailable', message: 'it is in use', retryable: false }]]),
    });
    expect(life.process()).toMatchObject({
      status: 'parked',
      errorMessage: expect.stringContaining('1v11: it is in use') as never,
    });
  });

  it('a child process that is not declared fails the step', () => {
    begin(BEFORE);
    read([], [], { target: null });
    expect(life.process()).toMatchObject({
      status: 'parked',
      errorMessage: 'volume.activate is not declared; declare it, then retry',
    });
  });
});

describe('children that fail', () => {
  it('fail the step once none is live, and start no more', () => {
    begin('{ forEach: volumes, process: activate }', 'onError: fail');
    read([member(11), member(12), member(13)], [failed(11), live(12)]);
    expect(started()).toEqual([]);
    expect(life.process().status).toBe('waitingChildren');
    read([member(11), member(12, 'active'), member(13)], [failed(11), done(12)]);
    expect(life.finished[0]).toMatchObject({ name: 'rack.start', exitReason: 'FAILED', errorCode: 'ChildFailed' });
    expect(life.resource.state).toBe('failed');
  });

  it('a failure counts although its onError ended well', () => {
    begin(BEFORE);
    const first = failed(11);
    read([member(11, 'error')], [first, child(11, { name: 'volume.error', exitReason: 'DONE' })]);
    expect(life.process()).toMatchObject({
      status: 'parked',
      errorMessage: expect.stringContaining('no disk') as never,
    });
  });

  it('a canceled one failed, unless it came where it should', () => {
    begin(BEFORE);
    read([member(11)], [child(11, { exitReason: 'CANCELED' })]);
    expect(life.process().errorMessage).toContain('1v11: volume.activate was canceled');
    begin(BEFORE);
    read([member(11, 'active')], [child(11, { exitReason: 'CANCELED' })]);
    expect(life.process().status).toBe('dispatched');
  });

  it('are ignored where the definition says so', () => {
    begin('{ forEach: volumes, process: activate, onFailure: ignore }');
    read([member(11), member(12, 'removing')], [failed(11)]);
    expect(life.process().status).toBe('dispatched');
  });

  it('a retry begins with children of its own', () => {
    begin(BEFORE);
    read([member(11)], [failed(11)]);
    life.operate('retry');
    expect(life.process()).toMatchObject({ status: 'waitingChildren', dispatch: 2 });
    expect(relatedNeed(life.process(), life.resource, life.around)?.parentDispatches).toEqual([2]);
  });

  it('a parked one keeps its parent waiting, and is named', () => {
    begin(BEFORE);
    read([member(11)], [child(11, { status: 'parked', errorMessage: 'no disk' })]);
    expect(life.process().status).toBe('waitingChildren');
    expect(life.resource.message).toBe(
      'waiting for volume.activate of volumes: volume.activate of 1v11 is parked (no disk)',
    );
    read([member(11, 'active')], [done(11)]);
    expect(life.process().status).toBe('dispatched');
  });
});

describe('work with the handlers', () => {
  const WITH = '{ forEach: volumes, process: activate, when: with }';

  it('is started ahead of them, and joined behind them', () => {
    begin(WITH, '', [handler('demo', 'rack.start'), handler('late', 'post.rack.start')]);
    expect(life.progress.plan).toEqual(['with.volumes.activate', 'handle.demo', 'join.volumes.activate', 'post.late']);
    read([member(11)]);
    read([member(11, 'activating', 'volume.activate')], [live(11)]);
    expect(life.process()).toMatchObject({ status: 'dispatched', dispatch: 2 });
    life.reply(ok());
    expect(life.process()).toMatchObject({ status: 'waitingChildren', dispatch: 3 });
    expect(relatedNeed(life.process(), life.resource, life.around)?.parentDispatches).toEqual([1]);
    read([member(11, 'active')], [done(11)]);
    expect(life.process().status).toBe('dispatched');
    life.reply(ok());
    expect(life.resource.state).toBe('running');
  });

  it('a join that failed begins anew when it is retried', () => {
    begin(WITH);
    read([member(11)], [live(11)]);
    life.reply(ok());
    read([member(11)], [failed(11)]);
    expect(life.process().status).toBe('parked');
    life.operate('retry');
    expect(relatedNeed(life.process(), life.resource, life.around)?.parentDispatches).toEqual([4]);
    read([member(11)]);
    expect(started().at(-1)).toEqual([11]);
  });

  it('a cancel waits for the handler, then cancels the children', () => {
    begin(WITH);
    read([member(11)], [live(11)]);
    life.operate('cancel');
    expect(life.process().status).toBe('canceling');
    life.reply(ok());
    expect(life.process()).toMatchObject({ status: 'canceling' });
    expect(relatedNeed(life.process(), life.resource, life.around)).toMatchObject({
      parentDispatches: [1],
      relation: null,
    });
    read([], [done(11)]);
    expect([life.isLive(), life.resource.state]).toEqual([false, 'stopped']);
  });
});

describe('work behind the handlers', () => {
  it('comes after the post-listeners', () => {
    begin('{ forEach: volumes, process: activate, when: after }', '', [handler('late', 'post.rack.start')]);
    life.reply(ok());
    expect(life.process()).toMatchObject({ status: 'waitingChildren' });
    read([member(11, 'active')]);
    expect(life.resource.state).toBe('running');
  });

  it('an in-process handler may ask for it, behind its own step', () => {
    life = new Life(
      [builtin('plan', 'rack.start', { priority: 1 }), handler('demo', 'rack.start')],
      'stopped',
      rack(''),
    );
    life.start('start');
    const related = [{ forEach: 'volumes', process: 'activate', order: 'sequence' }];
    life.reply(readReply({ related }, { inProcess: true }));
    expect(life.progress.plan).toEqual(['handle.plan', 'behind.volumes.activate', 'handle.demo']);
    expect(life.process().status).toBe('waitingChildren');
    read([member(11), member(12)]);
    expect(started()).toEqual([[11]]);
    read([member(11, 'active'), member(12, 'active')], [done(11), done(12)]);
    life.reply(ok());
    expect(life.resource.state).toBe('running');
  });

  it('what a result asks for must make sense, and only results of in-process handlers may', () => {
    life = new Life([builtin('plan', 'rack.start')], 'stopped', rack(''));
    life.start('start');
    life.reply(readReply({ related: [{ forEach: 'disks', process: 'activate' }] }, { inProcess: true }));
    expect(life.process()).toMatchObject({ status: 'parked', errorCode: 'HandlerDataRefused' });
    expect(readReply({ related: [{ forEach: 'volumes' }] }, { inProcess: true })).toMatchObject({ kind: 'rejected' });
    expect(
      readReply({ related: [{ forEach: 'volumes', process: 'x', when: 'after' }] }, { inProcess: true }),
    ).toMatchObject({
      reason: 'The reply\'s "related" has an entry with the unknown key "when"',
    });
    expect(readReply({ related: [] })).toMatchObject({
      kind: 'rejected',
      reason: expect.stringMatching(/Unknown key/) as never,
    });
  });
});

describe('a cancel', () => {
  it('cancels the children, waits until they have ended, then leaves', () => {
    begin(BEFORE);
    read([member(11), member(12)], [live(11), live(12)]);
    life.operate('cancel');
    expect(life.process()).toMatchObject({ status: 'canceling' });
    expect(life.asked.at(-1)).toEqual({ kind: 'related' });
    const children = [live(11), child(12, { status: 'canceling' })];
    read([], children);
    expect(life.asked.at(-1)).toEqual({ kind: 'cancelChildren', processIds: [children[0]!.id] });
    read([], children, { tried: new Map([[children[0]!.id, null]]) });
    expect(life.wakeIn()).toBe(CHILDREN_WAKE_MILLIS);
    expect(life.input({ kind: 'wake' })).toEqual({ kind: 'effects', effects: [{ kind: 'related' }] });
    read([], [child(11, { exitReason: 'CANCELED' }), child(12, { exitReason: 'CANCELED' })]);
    expect([life.isLive(), life.resource.state, life.resource.transitioning]).toEqual([false, 'stopped', 'no']);
    expect(life.violations()).toEqual([]);
  });

  it('leaves at once where the children may go on', () => {
    begin('{ forEach: volumes, process: activate, onCancel: leave }');
    read([member(11)], [live(11)]);
    life.operate('cancel');
    expect([life.isLive(), life.resource.state]).toEqual([false, 'stopped']);
  });

  it('by force leaves at once, whoever is live', () => {
    begin(BEFORE);
    read([member(11)], [live(11)]);
    life.operate('cancel');
    life.operate('force', 'failed');
    expect([life.isLive(), life.resource.state]).toEqual([false, 'failed']);
  });
});

it('a failed handler does not wait for what goes on beside it', () => {
  begin('{ forEach: volumes, process: activate, when: with }');
  read([member(11)], [live(11)]);
  life.reply(failure('no', { retryable: false }));
  expect(life.process().status).toBe('parked');
});
