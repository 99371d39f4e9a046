import { compileType, TypeRegistry } from '@drover/process-model';
import { describe, expect, it } from 'vitest';
import { changedFields, registrationFields } from './registration.js';

const types = new TypeRegistry([
  compileType({ apiVersion: 'drover/v1', kind: 'ResourceType', name: 'instance' }, { version: 1, system: false }),
]);
const on = (name: string) => ({ name: 'demo', processConfigs: [{ name }] });

describe('a registration', () => {
  it.each([
    'instance.activate',
    'Instance.Activate',
    'pre.instance.activate,post.instance.remove',
    '*.create',
    'instance.*',
    'volume.*',
    '*.*',
  ])('may name %s', (name) => {
    expect(registrationFields(on(name), types)).toEqual(on(name));
  });

  it("takes Cattle's older spelling and its names of priorities", () => {
    expect(
      registrationFields({ name: 'demo', processNames: 'instance.activate', priorityName: 'default_override' }, types),
    ).toEqual({
      name: 'demo',
      processNames: 'instance.activate',
      priority: 1500,
    });
  });

  it.each([
    [{ processConfigs: [{ name: 'instance.activate' }] }, 'MissingRequired', 'name'],
    [{ name: 'demo' }, 'MissingRequired', 'processConfigs'],
    [{ name: 'demo', processConfigs: [] }, 'MissingRequired', 'processConfigs'],
    [{ ...on('instance.activate'), name: 'two words' }, 'InvalidFormat', 'name'],
    [{ ...on('instance.activate'), name: 'x'.repeat(65) }, 'InvalidFormat', 'name'],
    [{ ...on('instance.activate'), retries: 0 }, 'InvalidFormat', 'retries'],
    [{ ...on('instance.activate'), delivery: 'pigeon' }, 'InvalidFormat', 'delivery'],
    [{ ...on('instance.activate'), colour: 'red' }, 'InvalidField', undefined],
    [{ ...on('instance.activate'), priorityName: 'first' }, 'InvalidOption', 'priorityName'],
    [on('activate'), 'InvalidFormat', 'processConfigs'],
    [on('in stance.*'), 'InvalidFormat', 'processConfigs'],
    [on(','), 'InvalidFormat', 'processConfigs'],
    [on('instance.fly'), 'InvalidReference', 'processConfigs'],
    [on('pre.machine.activate'), 'InvalidReference', 'processConfigs'],
    [
      { name: 'demo', processConfigs: [{ name: 'instance.activate', onError: 'instance.fly' }] },
      'InvalidReference',
      'onError',
    ],
  ])('%j is refused', (body, code, fieldName) => {
    expect(() => registrationFields(body, types)).toThrow(
      expect.objectContaining({ code, extra: expect.objectContaining(fieldName === undefined ? {} : { fieldName }) }),
    );
  });

  it('an unknown process is answered with those alike', () => {
    expect(() => registrationFields(on('instance.fly'), types)).toThrow(/instance\.create/);
  });
});

describe('a change of a registration', () => {
  it('leaves to the engine what is not of a registration', () => {
    const body = { id: '1eh5', state: 'active', revision: 3, retries: null, priorityName: 'pre' };
    expect(changedFields(body, types)).toEqual({
      id: '1eh5',
      state: 'active',
      revision: 3,
      retries: null,
      priority: 500,
    });
  });

  it('is checked where it changes one', () => {
    expect(() => changedFields({ processConfigs: [{ name: 'instance.fly' }] }, types)).toThrow(/no process/);
    expect(() => changedFields({ name: 'two words' }, types)).toThrow(/does not match/);
  });
});
