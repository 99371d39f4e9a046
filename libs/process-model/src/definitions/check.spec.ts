import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { delegateTarget, doneFor, statesOf, transitioningFor } from '../states/index.js';
import { checkRegistry, checkType } from './check.js';
import { compileType } from './compile.js';
import type { ProcessDocument, ResourceTypeDocument } from './document.js';
import type { CheckResult } from './findings.js';
import type { TypeDefinition } from './types.js';

function compile(document: Partial<ResourceTypeDocument>): TypeDefinition {
  const whole: ResourceTypeDocument = { apiVersion: 'drover/v1', kind: 'ResourceType', name: 'disk', ...document };
  return compileType(whole, { version: 1, system: false });
}

function check(document: Partial<ResourceTypeDocument>): CheckResult {
  return checkType(compile(document), document.accept);
}

/** A sound machine without default processes, plus what a test adds to it. */
function machine(processes: Record<string, ProcessDocument>): Partial<ResourceTypeDocument> {
  return {
    defaultProcesses: false,
    processes: {
      create: { start: ['requested'], transitioning: 'creating', done: 'ready' },
      remove: { start: ['ready'], transitioning: 'removing', done: 'removed' },
      ...processes,
    },
  };
}

const codes = (findings: { finding: string }[]): string[] => findings.map((finding) => finding.finding);

describe('checkType', () => {
  it('finds nothing in a plain type', () => {
    expect(check({})).toEqual({ errors: [], warnings: [] });
    expect(check(machine({}))).toEqual({ errors: [], warnings: [] });
  });

  it.each<[string, Record<string, ProcessDocument>, string, RegExp]>([
    [
      'a process that can never start',
      { grow: { start: ['small'], transitioning: 'growing', done: 'ready' } },
      'never-starts',
      /disk\.grow can never start: none of its start states \(small\) can be reached from requested/,
    ],
    [
      'a delegate to nothing',
      { create: { start: ['requested'], transitioning: 'creating', done: 'ready', delegate: 'boot' } },
      'dangling-delegate',
      /delegates to disk\.boot, which does not exist; the type has create, remove/,
    ],
    [
      'a circle of delegates',
      {
        a: { start: ['ready'], transitioning: 'doing-a', done: 'ready', delegate: 'b' },
        b: { start: ['ready'], transitioning: 'doing-b', done: 'ready', delegate: 'a' },
      },
      'circular-delegate',
      /disk\.a → disk\.b → disk\.a/,
    ],
    [
      'a process that delegates to itself',
      { a: { start: ['ready'], transitioning: 'doing-a', done: 'ready', delegate: 'a' } },
      'circular-delegate',
      /disk\.a → disk\.a/,
    ],
    [
      'a delegate that cannot start there',
      {
        create: { start: ['requested'], transitioning: 'creating', done: 'ready', delegate: 'purge' },
        purge: { start: ['removed'], transitioning: 'purging', done: 'purged' },
      },
      'delegate-impossible',
      /disk\.purge, which can start neither from ready nor from creating/,
    ],
    [
      'a transitioning state with no way out',
      { update: { start: ['ready'], transitioning: 'updating', done: { other: 'ready' } } },
      'no-way-out',
      /the transitioning state updating has no way out/,
    ],
    [
      'a start state without an entry',
      { update: { start: ['ready'], transitioning: { requested: 'updating' }, done: 'ready' } },
      'missing-transitioning',
      /may start from ready, but `transitioning` has no entry/,
    ],
    [
      'an entry for a state that is no start',
      { update: { start: ['ready'], transitioning: { ready: 'updating', other: 'updating' }, done: 'ready' } },
      'ambiguous-map',
      /an entry for other, which is no start state/,
    ],
    [
      'a dead end',
      { break: { start: ['ready'], transitioning: 'breaking', done: 'broken' } },
      'dead-end',
      /broken is a dead end: no process starts from it; let one start there, or list broken under final/,
    ],
    [
      'rest in a state where others work',
      { update: { start: ['ready'], transitioning: 'updating', done: 'removing' } },
      'done-is-transitioning',
      /disk\.update rests in removing, the transitioning state of disk\.remove/,
    ],
    [
      'an onError that names nothing',
      { update: { start: ['ready'], transitioning: 'updating', done: 'ready', onError: 'fail' } },
      'unknown-on-error',
      /onError names disk\.fail, which does not exist/,
    ],
    [
      'an onError that cannot start there',
      { update: { start: ['ready'], transitioning: 'updating', done: 'ready', onError: 'create' } },
      'on-error-impossible',
      /disk\.create, which can start neither from updating nor from ready/,
    ],
    [
      'an onCancel that names nothing',
      { update: { start: ['ready'], transitioning: 'updating', done: 'ready', onCancel: 'gone' } },
      'unknown-on-cancel',
      /onCancel names gone, which no process knows/,
    ],
    [
      'an onCancel where nobody works',
      { update: { start: ['ready'], transitioning: 'updating', done: 'ready', onCancel: 'removing' } },
      'unknown-on-cancel',
      /removing, a transitioning state/,
    ],
    [
      'a state field that is not declared',
      { allocate: { start: ['inactive'], transitioning: 'activating', done: 'active', stateField: 'allocationState' } },
      'unknown-state-field',
      /"allocationState", which is not declared/,
    ],
  ])('%s is an error', (_, processes, code, message) => {
    const { errors } = check(machine(processes));
    expect(codes(errors)).toContain(code);
    expect(errors.find((finding) => finding.finding === code)!.message).toMatch(message);
  });

  it('a type whose initial state nothing leaves is a dead end', () => {
    expect(codes(check({ defaultProcesses: false }).errors)).toEqual(['dead-end']);
  });

  it('a single unreachable start or done state is a warning', () => {
    const { errors, warnings } = check(
      machine({
        update: {
          start: ['ready', 'lost'],
          transitioning: { ready: 'updating', lost: 'finding' },
          done: { updating: 'ready', finding: 'found' },
        },
      }),
    );
    expect(errors).toEqual([]);
    expect(warnings).toMatchObject([
      { finding: 'unreachable-start', state: 'lost' },
      { finding: 'unreachable-done', state: 'found' },
    ]);
  });

  it('no path to removed is a warning, for the type or for a state', () => {
    expect(check({ defaultProcesses: { exclude: ['remove', 'purge'] } }).warnings).toMatchObject([
      { finding: 'no-path-to-removed' },
    ]);
    const trap = machine({
      trap: { start: ['ready'], transitioning: 'trapping', done: 'trapped' },
      wriggle: { start: ['trapped'], transitioning: 'wriggling', done: 'trapped' },
    });
    const states = check(trap).warnings.map((warning) => warning.state);
    expect(states.sort()).toEqual(['trapped', 'trapping', 'wriggling']);
  });

  it('a declared final state is no dead end; one that no process knows is a warning', () => {
    const broken = machine({ break: { start: ['ready'], transitioning: 'breaking', done: 'broken' } });
    expect(check({ ...broken, final: ['broken'] })).toEqual({ errors: [], warnings: [] });
    expect(codes(check({ final: ['nowhere'] }).warnings)).toEqual(['unknown-final']);
  });

  it('states reached by delegate, onError, onCancel or pre-emption count as reached', () => {
    const { errors, warnings } = check(
      machine({
        create: { start: ['requested'], transitioning: 'creating', done: 'ready', delegate: 'start' },
        start: {
          start: ['creating'],
          transitioning: 'starting',
          done: 'running',
          onError: 'error',
          onCancel: 'halted',
        },
        error: { start: ['starting'], transitioning: 'erroring', done: 'error' },
        stop: { start: ['starting', 'running'], transitioning: 'stopping', done: 'halted' },
        remove: { start: ['ready', 'halted', 'error'], transitioning: 'removing', done: 'removed' },
      }),
    );
    expect({ errors, warnings }).toEqual({ errors: [], warnings: [] });
  });

  it('each state field is a machine of its own', () => {
    const allocate = {
      start: ['inactive'],
      transitioning: 'activating',
      done: 'active',
      stateField: 'allocationState',
    };
    const regions = { stateFields: { allocationState: { initial: 'inactive' } } };
    expect(check({ ...regions, processes: { allocate } }).errors).toMatchObject([
      { finding: 'dead-end', state: 'active' },
    ]);
    const free = { start: ['requested'], transitioning: 'freeing', done: 'inactive', stateField: 'allocationState' };
    expect(codes(check({ ...regions, processes: { free } }).errors)).toContain('never-starts');
  });

  it('accept turns a named error into a warning that says why, and nothing else', () => {
    const document = machine({ break: { start: ['ready'], transitioning: 'breaking', done: 'broken' } });
    const accept = [{ finding: 'dead-end', state: 'broken', why: 'kept for forensics' }];
    const { errors, warnings } = check({ ...document, accept });
    expect(errors).toEqual([]);
    expect(codes(warnings)).toEqual(['dead-end', 'no-path-to-removed', 'no-path-to-removed']);
    expect(warnings[0]!.accepted).toBe('kept for forensics');
    expect(codes(check({ ...document, accept: [{ ...accept[0]!, state: 'ready' }] }).errors)).toEqual(['dead-end']);
  });

  it('accept cannot make a process run that the engine could not run; an acceptance of nothing is a warning', () => {
    const dangling = machine({
      create: { start: ['requested'], transitioning: 'creating', done: 'ready', delegate: 'x' },
    });
    expect(codes(check({ ...dangling, accept: [{ finding: 'dangling-delegate', why: 'x' }] }).errors)).toEqual([
      'dangling-delegate',
    ]);
    expect(codes(check({ accept: [{ finding: 'dead-end', state: 'active', why: 'x' }] }).warnings)).toEqual([
      'unused-accept',
    ]);
  });
});

describe('checkRegistry', () => {
  it('names are unique over all types, singular and plural, in any letter case', () => {
    const findings = checkRegistry([
      compile({ name: 'disk' }),
      compile({ name: 'floppy', plural: 'Disks'.toLowerCase() }),
    ]);
    expect(findings).toMatchObject([
      { finding: 'name-taken', type: 'floppy', message: expect.stringContaining('"disks"') },
    ]);
    expect(codes(checkRegistry([compile({ name: 'ipPool' }), compile({ name: 'ippool' })]))).toContain('name-taken');
  });

  it('a reference to an unknown type is an error, in whatever order the types come', () => {
    const nic = compile({ name: 'nic', fields: { hostId: { type: 'reference', to: 'host' } } });
    const host = compile({ name: 'host' });
    expect(checkRegistry([nic])).toMatchObject([
      { finding: 'unknown-reference', message: expect.stringContaining('"host"') },
    ]);
    expect(checkRegistry([nic, host])).toEqual([]);
    expect(checkRegistry([host, nic])).toEqual([]);
  });
});

describe('any machine', () => {
  const state = fc.constantFrom('requested', 'a', 'b', 'c', 'd', 'removed');
  const process = fc.record({
    start: fc.uniqueArray(state, { minLength: 1, maxLength: 4 }),
    transitioning: fc.constantFrom('a-ing', 'b-ing', 'c-ing'),
    done: state,
    delegate: fc.option(fc.constantFrom('one', 'two', 'three'), { nil: null }),
    onError: fc.option(fc.constantFrom('one', 'two'), { nil: null }),
  });
  const processes = fc.dictionary(fc.constantFrom('one', 'two', 'three', 'create', 'remove'), process, { minKeys: 1 });

  it('compiles to complete maps, keeps what is written out, and the checker always ends', () => {
    fc.assert(
      fc.property(processes, fc.boolean(), (written, defaultProcesses) => {
        const document = { processes: written, defaultProcesses };
        const type = compile(document);
        const { errors } = check(document);
        for (const [verb, one] of Object.entries(type.processes)) {
          for (const start of one.startStates) expect(doneFor(one, transitioningFor(one, start)!)).not.toBeNull();
          if (verb in written) expect(one.startStates).toEqual(written[verb]!.start);
          if (errors.length > 0 || one.delegate === null) continue;
          for (const working of Object.values(one.transitioning))
            expect(delegateTarget(type, one, working)).not.toBeNull();
        }
        for (const finding of errors)
          if (finding.state !== undefined) expect(statesOf(type, 'state').has(finding.state)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});
