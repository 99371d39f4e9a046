import { describe, expect, it } from 'vitest';
import { checkType } from './check.js';
import { compileType, sameDefinition } from './compile.js';
import type { ResourceTypeDocument } from './document.js';
import { idPrefixOf, pluralOf } from './names.js';
import { parseDocuments } from './parse.js';
import type { TypeDefinition } from './types.js';

function compile(document: Partial<ResourceTypeDocument>, system = false): TypeDefinition {
  const whole: ResourceTypeDocument = { apiVersion: 'drover/v1', kind: 'ResourceType', name: 'disk', ...document };
  return compileType(whole, { version: 1, system });
}

/** The sketch of the design page, word for word where it matters. */
const SKETCH = `
apiVersion: drover/v1
kind: ResourceType
name: instance
extends: null
fields:
  imageUuid: { type: string, required: true, create: true }
  hostId: { type: reference, to: host }
  cpus: { type: int, min: 1, default: 1, update: true }
stateFields: { allocationState: { initial: inactive } }
defaultProcesses: { rename: { inactive: stopped, active: running }, renameProcess: { activate: start }, exclude: [] }
final: []
processes:
  start:
    start: [stopped, creating]
    transitioning: starting
    done: running
    onError: error
    onCancel: stopped
    timeoutMillis: 45000
    retry: { maxAttempts: 5, initialMillis: 2000, maxMillis: 120000, jitter: 0.2 }
  error: { start: [starting, creating, stopped], transitioning: erroring, done: error }
  remove: { start: [requested, creating, stopped, erroring, error], transitioning: removing, done: removed }
  update:
    start: [stopped, running]
    transitioning: { stopped: updating-stopped, running: updating-running }
    done: { updating-stopped: stopped, updating-running: running }
  create: { start: [requested], transitioning: creating, done: stopped, delegate: start }
accept: []
`;

describe('compileType', () => {
  it('three lines are a whole type, with the six default processes', () => {
    const type = compile({});
    expect(Object.keys(type.processes)).toEqual(['create', 'activate', 'deactivate', 'remove', 'purge', 'update']);
    expect(type).toMatchObject({
      plural: 'disks',
      idPrefix: 'd',
      finalStates: ['removed', 'purged'],
      purgeAfterMillis: 86_400_000,
      system: false,
      version: 1,
    });
    expect(type.processes['create']).toEqual({
      name: 'disk.create',
      verb: 'create',
      resourceType: 'disk',
      stateField: 'state',
      startStates: ['requested'],
      transitioning: { requested: 'registering' },
      done: { registering: 'inactive' },
      delegate: { process: 'disk.activate', always: false },
      onError: null,
      onCancel: null,
      parksOnCancel: false,
      timeoutMillis: 45_000,
      heartbeatMillis: null,
      retry: { maxAttempts: 5, initialMillis: 2_000, maxMillis: 120_000, jitter: 0.2, nonRetryable: [] },
      waitMillis: 86_400_000,
      totalMillis: null,
      preempt: 'wait',
      priority: 0,
      maxConcurrent: null,
      related: [],
      include: [],
      refuseWhile: [],
      source: 'default',
    });
  });

  it("the design's sketch compiles", () => {
    const type = compileType(parseDocuments(SKETCH, { format: 'yaml' })[0] as ResourceTypeDocument, {
      version: 3,
      system: false,
    });
    expect(type.processes['start']).toMatchObject({
      onError: 'instance.error',
      onCancel: 'stopped',
      source: 'declared',
    });
    expect(type.processes['create']!.delegate).toEqual({ process: 'instance.start', always: false });
    expect(type.processes['deactivate']!.startStates).toEqual(['requested', 'running']);
    expect(type.processes['activate']).toBeUndefined();
    expect(type.version).toBe(3);
    expect(checkType(type)).toEqual({ errors: [], warnings: [] });
  });

  it('generated processes lose unreachable start states and go when none remains', () => {
    const type = compile({ defaultProcesses: { exclude: ['activate'] } });
    expect(type.processes['create']!.delegate).toBeNull();
    expect(type.processes['update']).toMatchObject({
      startStates: ['inactive'],
      transitioning: { inactive: 'updating-inactive' },
      done: { 'updating-inactive': 'inactive' },
    });
    const bare = compile({ defaultProcesses: { exclude: ['remove'] } });
    expect(bare.processes['purge']).toBeUndefined();
  });

  it('written-out processes are never trimmed and replace the generated ones', () => {
    const remove = { start: ['inactive', 'nowhere'], transitioning: 'removing', done: 'removed' };
    expect(compile({ processes: { remove } }).processes['remove']).toMatchObject({
      startStates: remove.start,
      source: 'declared',
    });
  });

  it('renames reach states, names and delegates', () => {
    const type = compile({
      defaultProcesses: { rename: { inactive: 'off', active: 'on' }, renameProcess: { activate: 'boot' } },
    });
    expect(type.processes['boot']).toMatchObject({ startStates: ['off', 'registering'], done: { activating: 'on' } });
    expect(type.processes['create']!.delegate!.process).toBe('disk.boot');
    expect(type.processes['update']!.transitioning).toEqual({ off: 'updating-inactive', on: 'updating-active' });
  });

  it('a delegate may be a verb, a full name, or taken always', () => {
    const create = { start: ['requested'], transitioning: 'creating', done: 'inactive' };
    const delegateOf = (delegate: NonNullable<typeof create & { delegate: unknown }>['delegate']) =>
      compile({ processes: { create: { ...create, delegate: delegate as never } } }).processes['create']!.delegate;
    expect(delegateOf('activate')).toEqual({ process: 'disk.activate', always: false });
    expect(delegateOf('Disk.activate')).toEqual({ process: 'disk.activate', always: false });
    expect(delegateOf({ to: 'activate', always: true })).toEqual({ process: 'disk.activate', always: true });
  });

  it.each([
    ['a reserved field', { fields: { state: { type: 'string' } } }, /"state" is reserved/],
    ['a reserved field in other letters', { fields: { createdts: { type: 'int' } } }, /reserved/],
    ['a region named as the envelope', { stateFields: { data: { initial: 'a' } } }, /"data" is reserved/],
    [
      'the progress field of a region',
      { stateFields: { a: { initial: 'b' } }, fields: { aTransitioning: { type: 'int' } } },
      /state field/,
    ],
    ['a field that is a region too', { stateFields: { a: { initial: 'b' } }, fields: { a: { type: 'int' } } }, /both/],
    ['a link', { fields: { whyId: { type: 'reference', to: 'host' } } }, /link of the field "whyId" is reserved/],
    ['a route', { name: 'subscribe' }, /"subscribe" is reserved/],
    ['a plural that is a route', { name: 'externalHandler' }, /reserved/],
    ['a name every object has', { fields: { valueOf: { type: 'int' } } }, /reserved/],
    ['a name that is no subject token', { name: 'my.disk' }, /does not match/],
    ['a verb in capitals', { processes: { goUp: { start: ['a'], transitioning: 'b', done: 'c' } } }, /goUp/],
    ['a parent', { extends: 'volume' }, /subtypes are not supported yet/],
    ['a reference to nothing', { fields: { hostId: { type: 'reference' } } }, /name the type it points to/],
    ['an enum without options', { fields: { a: { type: 'enum' } } }, /list the legal values/],
    [
      'a default out of bounds',
      { fields: { a: { type: 'int', min: 1, default: 0 } } },
      /its default must be at least 1/,
    ],
    ['an exclude of nothing', { defaultProcesses: { exclude: ['fly'] } }, /"fly", which is no default process/],
  ])('%s is refused', (_, document, message) => {
    expect(() => compile(document as Partial<ResourceTypeDocument>)).toThrow(message);
  });

  it('the product itself may use the names that are reserved for it', () => {
    expect(compile({ name: 'externalHandler' }, true).plural).toBe('externalHandlers');
  });

  it('plural and prefix follow the rule unless written', () => {
    expect(['disk', 'address', 'box', 'switch', 'policy'].map(pluralOf)).toEqual([
      'disks',
      'addresses',
      'boxes',
      'switches',
      'policys',
    ]);
    expect(['instance', 'ipAddress', 'externalHandler'].map(idPrefixOf)).toEqual(['i', 'ia', 'eh']);
    expect(compile({ plural: 'discs', idPrefix: 'dk' })).toMatchObject({ plural: 'discs', idPrefix: 'dk' });
  });

  it('two compilations of one document are the same but for the version', () => {
    expect(sameDefinition(compile({}), { ...compile({}), version: 9 })).toBe(true);
    expect(sameDefinition(compile({}), compile({ final: ['lost'] }))).toBe(false);
  });
});

describe('purgeAfterMillis', () => {
  const purgeAfter = (over: object) =>
    compileType({ apiVersion: 'drover/v1', kind: 'ResourceType', name: 'thing', ...over } as never, {
      version: 1,
      system: false,
    }).purgeAfterMillis;

  it('is a day unless said, null for ever, and nothing without a purge process', () => {
    expect(purgeAfter({})).toBe(86_400_000);
    expect(purgeAfter({ purgeAfterMillis: 0 })).toBe(0);
    expect(purgeAfter({ purgeAfterMillis: null })).toBe(null);
    expect(purgeAfter({ defaultProcesses: { exclude: ['purge'] } })).toBe(null);
    expect(purgeAfter({ defaultProcesses: { renameProcess: { purge: 'wipe' } } })).toBe(null);
  });

  it('without a purge process that starts from removed is refused', () => {
    const refused = { purgeAfterMillis: 5, defaultProcesses: { exclude: ['purge'] } };
    expect(() => purgeAfter(refused)).toThrow('purgeAfterMillis needs a process "purge" that starts from removed');
    expect(() => purgeAfter({ purgeAfterMillis: -1 })).toThrow(/purgeAfterMillis/);
  });
});
