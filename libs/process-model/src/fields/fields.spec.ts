import { DroverError, mergeData, type JsonObject } from '@drover/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileType } from '../definitions/compile.js';
import { coerceForm, references, validateCreate, validateHandlerData, validateUpdate } from './index.js';

const type = compileType(
  {
    apiVersion: 'drover/v1',
    kind: 'ResourceType',
    name: 'instance',
    stateFields: { allocationState: { initial: 'inactive' } },
    fields: {
      imageUuid: { type: 'string', required: true, minLength: 2, maxLength: 8 },
      hostId: { type: 'reference', to: 'host', nullable: true, update: true },
      cpus: { type: 'int', min: 1, max: 8, default: 1, update: true },
      ratio: { type: 'float' },
      on: { type: 'boolean' },
      since: { type: 'date' },
      size: { type: 'enum', options: ['s', 'm'] },
      labels: { type: 'map', update: true },
      tags: { type: 'array', maxLength: 2 },
      anything: { type: 'json' },
      containerId: { type: 'string', create: false },
    },
  },
  { version: 1, system: false },
);

function errorOf(work: () => unknown): { code: string; field: string | undefined; message: string } {
  try {
    work();
  } catch (error) {
    if (error instanceof DroverError) return { code: error.code, field: error.extra.fieldName, message: error.message };
    throw error;
  }
  throw new Error('was accepted');
}

describe('validateCreate', () => {
  it('lays out envelope columns, declared fields, the free map and defaults', () => {
    const body = { type: 'instance', name: 'web', uuid: 'u-1', imageUuid: 'nginx', data: { a: 1 }, hostId: '1h5' };
    expect(validateCreate(type, body)).toEqual({
      name: 'web',
      uuid: 'u-1',
      data: { imageUuid: 'nginx', data: { a: 1 }, hostId: '1h5', cpus: 1 },
    });
  });

  it.each<[string, JsonObject, string]>([
    ['imageUuid', {}, 'MissingRequired'],
    ['imageUuid', { imageUuid: null }, 'NotNullable'],
    ['imageUuid', { imageUuid: 1 }, 'InvalidFormat'],
    ['imageUuid', { imageUuid: 'x' }, 'MinLengthExceeded'],
    ['imageUuid', { imageUuid: 'x'.repeat(9) }, 'MaxLengthExceeded'],
    ['cpus', { imageUuid: 'xx', cpus: 0 }, 'MinLimitExceeded'],
    ['cpus', { imageUuid: 'xx', cpus: 9 }, 'MaxLimitExceeded'],
    ['cpus', { imageUuid: 'xx', cpus: 1.5 }, 'InvalidFormat'],
    ['cpus', { imageUuid: 'xx', cpus: '2' }, 'InvalidFormat'],
    ['cpus', { imageUuid: 'xx', cpus: null }, 'NotNullable'],
    ['ratio', { imageUuid: 'xx', ratio: 'a' }, 'InvalidFormat'],
    ['on', { imageUuid: 'xx', on: 1 }, 'InvalidFormat'],
    ['since', { imageUuid: 'xx', since: 'yesterday' }, 'InvalidFormat'],
    ['size', { imageUuid: 'xx', size: 'xl' }, 'InvalidOption'],
    ['labels', { imageUuid: 'xx', labels: [] }, 'InvalidFormat'],
    ['tags', { imageUuid: 'xx', tags: [1, 2, 3] }, 'MaxLengthExceeded'],
    ['hostId', { imageUuid: 'xx', hostId: 'five' }, 'InvalidReference'],
    ['data', { imageUuid: 'xx', data: 1 }, 'InvalidFormat'],
    ['name', { imageUuid: 'xx', name: 5 }, 'InvalidFormat'],
    ['containerId', { imageUuid: 'xx', containerId: 'c' }, 'FieldNotWritable'],
    ['state', { imageUuid: 'xx', state: 'running' }, 'FieldNotWritable'],
    ['allocationState', { imageUuid: 'xx', allocationState: 'active' }, 'FieldNotWritable'],
    ['type', { imageUuid: 'xx', type: 'host' }, 'FieldNotWritable'],
    ['colour', { imageUuid: 'xx', colour: 'red' }, 'InvalidField'],
    ['toString', { imageUuid: 'xx', toString: 'red' }, 'InvalidField'],
  ])('%s in %j is %s', (field, body, code) => {
    expect(errorOf(() => validateCreate(type, body))).toMatchObject({ code, field });
  });

  it('an unknown field lists the known ones', () => {
    expect(errorOf(() => validateCreate(type, { colour: 1 })).message).toMatch(
      /"colour" is no field of instance; it has name, .*cpus.*data/,
    );
  });
});

describe('validateUpdate', () => {
  const current = {
    id: '1i5',
    type: 'instance',
    state: 'running',
    name: 'web',
    imageUuid: 'nginx',
    cpus: 1,
    links: { self: 'x' },
    data: {},
  };

  it('a whole resource sent back unchanged changes nothing', () => {
    expect(validateUpdate(type, { ...current, hostId: null, description: null }, current)).toEqual({ data: {} });
  });

  it('returns only what changes', () => {
    expect(validateUpdate(type, { ...current, cpus: 4, name: 'db', data: { a: 1 } }, current)).toEqual({
      name: 'db',
      data: { cpus: 4, data: { a: 1 } },
    });
    expect(validateUpdate(type, { hostId: null }, { ...current, hostId: '1h1' })).toEqual({ data: { hostId: null } });
  });

  it.each<[string, JsonObject, string]>([
    ['state', { state: 'stopped' }, 'FieldNotWritable'],
    ['id', { id: '1i6' }, 'FieldNotWritable'],
    ['uuid', { uuid: 'other' }, 'FieldNotWritable'],
    ['imageUuid', { imageUuid: 'redis' }, 'FieldNotWritable'],
    ['allocationStateTransitioning', { allocationStateTransitioning: 'yes' }, 'FieldNotWritable'],
    ['colour', { colour: 1 }, 'InvalidField'],
    ['cpus', { cpus: 99 }, 'MaxLimitExceeded'],
  ])('%s in %j is %s', (field, body, code) => {
    expect(errorOf(() => validateUpdate(type, body, current))).toMatchObject({ code, field });
  });
});

it('references lists the resources that a body points to', () => {
  expect(references(type, { hostId: '1h5', imageUuid: 'x' })).toEqual([{ field: 'hostId', type: 'host', id: '1h5' }]);
  expect(references(type, { hostId: null })).toEqual([]);
});

it('form fields are read by the types of the fields', () => {
  const form = { imageUuid: '12', cpus: '2', on: 'true', labels: '{"a":1}', tags: 'x', ratio: 'often', data: '{}' };
  expect(coerceForm(type, form)).toEqual({
    imageUuid: '12',
    cpus: 2,
    on: true,
    labels: { a: 1 },
    tags: ['x'],
    ratio: 'often',
    data: {},
  });
});

describe('validateHandlerData', () => {
  const stored: JsonObject = { imageUuid: 'nginx', cpus: 1, labels: { a: 1 }, data: { x: { y: 1 }, z: 2 } };

  it('a handler may write any declared field, name, description and data', () => {
    expect(
      validateHandlerData(type, stored, { containerId: 'c1', name: 'web', description: null, data: { q: 1 } }),
    ).toEqual({
      name: 'web',
      description: null,
      data: { containerId: 'c1', data: { q: 1 } },
    });
  });

  it('+x merges into map x, deep where said so, and gives the whole new value', () => {
    expect(validateHandlerData(type, stored, { '+data': { q: 1, '+x': { w: 2 } }, '+labels': { b: 2 } }).data).toEqual({
      data: { x: { y: 1, w: 2 }, z: 2, q: 1 },
      labels: { a: 1, b: 2 },
    });
    expect(validateHandlerData(type, {}, { '+data': { hello: 'world' } }).data).toEqual({ data: { hello: 'world' } });
  });

  it('null empties a field that is not required', () => {
    expect(validateHandlerData(type, stored, { containerId: null }).data).toEqual({ containerId: null });
  });

  it.each<[string, JsonObject]>([
    ['state', { state: 'running' }],
    ['uuid', { uuid: 'x' }],
    ['allocationState', { allocationState: 'active' }],
    ['colour', { colour: 'red' }],
    ['+colour', { '+colour': {} }],
    ['constructor', { constructor: 1 }],
    ['+name', { '+name': {} }],
    ['name', { name: 5 }],
    ['cpus', { cpus: 0 }],
    ['imageUuid', { imageUuid: null }],
    ['data', { data: 'x' }],
    ['+data', { '+data': 'x' }],
    ['+data', { '+data': { '+__proto__': {} } }],
    ['containerId', { containerId: 'a\u0000b' }],
  ])('%s in %j is refused by name', (key, patch) => {
    const error = errorOf(() => validateHandlerData(type, stored, patch));
    expect(error).toMatchObject({ code: 'HandlerDataRefused', field: key });
    expect(error.message).toContain(`"${key}"`);
  });

  it('a document over 256 KiB is refused', () => {
    const big = { '+data': { more: 'x'.repeat(200 * 1024) } };
    const once = { ...stored, ...validateHandlerData(type, stored, big).data };
    expect(errorOf(() => validateHandlerData(type, once, { '+data': { again: 'x'.repeat(100 * 1024) } })).code).toBe(
      'DataTooLarge',
    );
  });

  it('says what mergeData says, for any map', () => {
    const key = fc.string({ minLength: 1, maxLength: 3 }).filter((text) => !text.startsWith('+'));
    const map = fc.dictionary(
      key,
      fc.oneof(fc.integer(), fc.string(), fc.constant({ a: 1 })),
    ) as fc.Arbitrary<JsonObject>;
    fc.assert(
      fc.property(map, map, (free, patch) => {
        const changed = validateHandlerData(type, { data: free }, { '+data': patch }).data;
        expect(changed).toEqual({ data: mergeData({ data: free }, { '+data': patch })['data'] });
      }),
      { numRuns: 100 },
    );
  });
});
