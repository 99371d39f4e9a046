import { describe, expect, it } from 'vitest';
import { handler, Life, ok } from './life.fixture.js';
import { planCreate, planStart, planStartOn, planWrite, type StartRequest } from './start.js';

const REQUEST: StartRequest = { data: { a: 1 }, notify: null, token: 't', commandId: 'c', commandHash: 'h' };
const INSERT = {
  type: 'machine',
  kind: 'machine',
  uuid: 'u',
  name: null,
  description: null,
  data: {},
  accountId: null,
  regions: { disk: 'detached' },
};

describe('planStart', () => {
  it('reads nothing first: the statement guards on type and states and picks the transitioning state', () => {
    const life = new Life([handler('demo', 'machine.update')]);
    const { transition, effects } = planStart(life.type.processes['update']!, 7, life.around, REQUEST);
    expect(transition).toMatchObject({
      commandId: 'c',
      commandHash: 'h',
      registryRevision: 1,
      resourceId: 7,
      expectType: 'machine',
      expectRevision: null,
      expectStates: ['stopped', 'running'],
      processId: null,
      change: { toState: { stopped: 'updating-stopped', running: 'updating-running' }, feedKind: 'transitioning' },
      start: { name: 'machine.update', status: 'dispatched', dispatch: 1, data: { a: 1 }, beganState: null },
      returnResource: true,
    });
    expect(effects).toEqual([{ kind: 'dispatch' }]);
  });

  it("leaves another process's transitioning states to the second look, where pre-emption is decided", () => {
    const life = new Life();
    expect(planStart(life.type.processes['stop']!, 7, life.around, REQUEST).transition.expectStates).toEqual([
      'running',
    ]);
  });

  it('an update writes its fields in the same transaction, under the revision it was asked for', () => {
    const life = new Life();
    const write = { data: { cpus: 2 }, name: 'web' };
    const { transition } = planStart(life.type.processes['update']!, 7, life.around, {
      ...REQUEST,
      write,
      expectRevision: 4,
    });
    expect(transition).toMatchObject({ expectRevision: 4, change: { data: { cpus: 2 }, name: 'web' } });
    expect(transition.change).not.toHaveProperty('description');
  });

  it('without handlers nothing is sent: the process goes on, or is found again within seconds', () => {
    const life = new Life();
    const { transition, effects } = planStart(life.type.processes['start']!, 7, life.around, REQUEST);
    expect(transition.start).toMatchObject({ status: 'ready', dispatch: 0, wakeMillis: 5_000, deadlineMillis: null });
    expect(effects).toEqual([{ kind: 'advance' }]);
  });
});

describe('planCreate', () => {
  it('inserts and starts create in one transition', () => {
    const life = new Life([handler('demo', 'machine.create')]);
    expect(planCreate(life.type.processes['create'], INSERT, life.around, REQUEST)).toMatchObject({
      transition: {
        insert: INSERT,
        resourceId: null,
        change: { toState: 'creating', transitioning: 'yes' },
        start: { name: 'machine.create', beganState: 'requested', status: 'dispatched' },
      },
      effects: [{ kind: 'dispatch' }],
    });
  });

  it.each([
    ['no such process', undefined],
    ['one that does not start from requested', 'stop'],
    ['one of another state field', 'attach'],
  ])('%s: the resource alone, at rest', (_, verb) => {
    const life = new Life();
    const definition = verb === undefined ? undefined : life.type.processes[verb];
    expect(planCreate(definition, INSERT, life.around, REQUEST)).toMatchObject({
      transition: { insert: INSERT, change: null, start: null },
      effects: [],
    });
  });
});

describe('planWrite', () => {
  it('writes fields, moves nothing and starts nothing', () => {
    const life = new Life();
    const { transition, effects } = planWrite(life.resource, life.around, { ...REQUEST, write: { data: { cpus: 2 } } });
    expect(transition).toMatchObject({
      expectRevision: 1,
      change: { toState: null, feedKind: 'changed', transitioning: 'no', data: { cpus: 2 } },
      start: null,
    });
    expect(effects).toEqual([]);
    life.commit(transition);
    expect(life.resource).toMatchObject({ state: 'stopped', revision: 2, data: { cpus: 2 } });
  });
});

describe('planStartOn', () => {
  it('where the region has become free, it is the plain start, under the revision that was seen', () => {
    const life = new Life();
    const decision = planStartOn(life.type.processes['start']!, life.resource, null, [], life.around, REQUEST);
    expect(decision).toMatchObject({
      transition: { expectRevision: 1, processId: null, start: { name: 'machine.start' } },
    });
  });

  it('the refusal names present state, start states and legal actions, for people and for programs', () => {
    const life = new Life([], 'failed');
    const refusal = planStartOn(life.type.processes['start']!, life.resource, null, ['remove'], life.around, REQUEST);
    expect(refusal).toMatchObject({
      code: 'ActionNotAvailable',
      message: 'machine.start cannot start in state failed; it starts from stopped, creating. Available now: remove',
      extra: { detail: { state: 'failed', actions: ['remove'], startStates: ['stopped', 'creating'] } },
    });
  });

  it('a pre-emption carries the command, the fields to write and the present rows as guards', () => {
    const life = new Life([handler('demo', 'machine.start,machine.stop')]);
    life.start('start');
    const live = life.process();
    const decision = planStartOn(life.type.processes['stop']!, life.resource, live, [], life.around, {
      ...REQUEST,
      write: { data: { cpus: 2 } },
    });
    expect(decision).toMatchObject({
      transition: {
        commandId: 'c',
        expectRevision: 2,
        processId: live.id,
        processVersion: live.version,
        end: { exitReason: 'CANCELED' },
        start: { name: 'machine.stop', token: 't', predecessorId: live.id, data: { a: 1 } },
        change: { toState: 'stopping', process: 'machine.stop', feedKind: 'transitioning', data: { cpus: 2 } },
      },
    });
  });

  it('a predecessor whose deadline has passed is waited for no longer', () => {
    const life = new Life([handler('demo', 'machine.start,machine.stop')]);
    life.start('start');
    life.now += 5_000;
    life.start('stop');
    expect(life.wakeIn()).toBe(0);
    life.pass(0);
    expect(life.process()).toMatchObject({ name: 'machine.stop', status: 'dispatched' });
    life.reply(ok());
    expect(life.violations()).toEqual([]);
  });
});
