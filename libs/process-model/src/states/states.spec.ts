import { describe, expect, it } from 'vitest';
import { compileType } from '../definitions/compile.js';
import {
  chainTarget,
  delegateTarget,
  doneFor,
  initialState,
  isDone,
  isStart,
  isTransitioning,
  legalActions,
  onErrorTarget,
  ownProcess,
  statesOf,
  transitioningFor,
  transitioningStates,
} from './index.js';

const type = compileType(
  {
    apiVersion: 'drover/v1',
    kind: 'ResourceType',
    name: 'disk',
    stateFields: { allocationState: { initial: 'inactive' } },
    processes: {
      allocate: { stateField: 'allocationState', start: ['inactive'], transitioning: 'activating', done: 'active' },
      deallocate: {
        stateField: 'allocationState',
        start: ['activating', 'active'],
        transitioning: 'deactivating',
        done: 'inactive',
      },
      error: { start: ['activating', 'inactive'], transitioning: 'erroring', done: 'error' },
      remove: { start: ['requested', 'inactive', 'error'], transitioning: 'removing', done: 'removed' },
    },
  },
  { version: 1, system: false },
);
const { create, activate, update, allocate, error } = type.processes as Record<string, (typeof type.processes)[string]>;

describe('state predicates', () => {
  it('start, transitioning and done states, and the way between them', () => {
    expect([
      isStart(create!, 'requested'),
      isTransitioning(create!, 'registering'),
      isDone(create!, 'inactive'),
    ]).toEqual([true, true, true]);
    expect([isStart(create!, 'inactive'), isTransitioning(create!, 'inactive'), isDone(create!, 'requested')]).toEqual([
      false,
      false,
      false,
    ]);
    expect([transitioningFor(update!, 'active'), doneFor(update!, 'updating-active')]).toEqual([
      'updating-active',
      'active',
    ]);
    expect([
      transitioningFor(update!, 'removed'),
      doneFor(update!, 'active'),
      transitioningFor(update!, 'constructor'),
    ]).toEqual([null, null, null]);
  });

  it('a state may be start and done of one process', () => {
    expect([isStart(update!, 'active'), isDone(update!, 'active')]).toEqual([true, true]);
  });

  it('an action is listed exactly when its process may start from the present state of its state field', () => {
    expect(legalActions(type, 'inactive')).toEqual(['activate', 'remove', 'update', 'allocate', 'error']);
    expect(legalActions(type, 'active', { allocationState: 'activating' })).toEqual([
      'deactivate',
      'update',
      'deallocate',
    ]);
    expect(legalActions(type, 'removed', { allocationState: 'deactivating' })).toEqual(['purge']);
    // A resource that exists no more but for its record starts nothing in its other regions.
    expect(legalActions(type, 'removed', { allocationState: 'inactive' })).toEqual(['purge']);
  });

  it('each state field has states of its own', () => {
    expect(initialState(type, 'state')).toBe('requested');
    expect([...transitioningStates(type, 'allocationState')]).toEqual(['activating', 'deactivating']);
    expect(statesOf(type, 'allocationState')).toEqual(new Set(['inactive', 'activating', 'active', 'deactivating']));
  });
});

describe('continuations', () => {
  it('a delegate goes on from where its process would have ended, else from where it is', () => {
    expect(delegateTarget(type, create!, 'registering')).toEqual({ process: activate, transitioning: 'activating' });
    expect(delegateTarget(type, activate!, 'activating')).toBeNull();
    expect(chainTarget(activate!, 'activating', error!)).toEqual({ process: error, transitioning: 'erroring' });
    expect(chainTarget(create!, 'registering', allocate!)).toBeNull();
    expect(chainTarget(create!, 'registering', type.processes['purge']!)).toBeNull();
  });

  it('onError goes from the transitioning state, else from where a cancel would leave it', () => {
    expect(onErrorTarget(type, activate!, 'activating', 'inactive', 'disk.error')).toMatchObject({
      transitioning: 'erroring',
    });
    expect(onErrorTarget(type, update!, 'updating-inactive', 'inactive', 'disk.error')).toMatchObject({
      transitioning: 'erroring',
    });
    expect(onErrorTarget(type, update!, 'updating-active', 'active', 'disk.error')).toBeNull();
    expect(
      onErrorTarget(type, { ...update!, onCancel: 'inactive' }, 'updating-active', 'active', 'disk.error'),
    ).not.toBeNull();
    expect(onErrorTarget(type, activate!, 'activating', 'inactive')).toBeNull();
    expect(onErrorTarget(type, error!, 'erroring', 'inactive', 'disk.error')).toBeNull();
  });

  it('only processes of the type itself are found', () => {
    expect(ownProcess(type, 'disk.create')).toBe(create);
    expect([
      ownProcess(type, 'host.create'),
      ownProcess(type, 'disk.fly'),
      ownProcess(type, 'disk.constructor'),
    ]).toEqual([null, null, null]);
  });
});
