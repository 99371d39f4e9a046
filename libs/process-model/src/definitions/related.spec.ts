import { DroverError } from '@drover/kernel';
import { describe, expect, it } from 'vitest';
import { refsAfter, refsOf, relationOf } from '../fields/index.js';
import { checkRegistry, checkType, registryWarnings } from './check.js';
import { compileType } from './compile.js';
import type { ProcessDocument, ResourceTypeDocument } from './document.js';
import { declareType, loadDefinitions } from './load.js';

const document = (name: string, rest: Partial<ResourceTypeDocument> = {}): ResourceTypeDocument => ({
  apiVersion: 'drover/v1',
  kind: 'ResourceType',
  name,
  ...rest,
});
const type = (name: string, rest: Partial<ResourceTypeDocument> = {}) =>
  compileType(document(name, rest), { version: 1, system: false });

const volume = (rest: Partial<ResourceTypeDocument> = {}) =>
  type('volume', { fields: { instanceId: { type: 'reference', to: 'instance' } }, ...rest });
const activate = (rest: Partial<ProcessDocument>): ProcessDocument => ({
  start: ['inactive', 'registering'],
  transitioning: 'activating',
  done: 'active',
  ...rest,
});
const instance = (process: Partial<ProcessDocument> = {}) =>
  type('instance', {
    fields: { hostId: { type: 'reference', to: 'host' }, standby: { type: 'reference', to: 'host' } },
    relationships: {
      volumes: { list: 'volume', by: 'instanceId' },
      hosts: { list: 'host', through: 'instanceHostMap', by: 'instanceId', to: 'hostId' },
    },
    processes: { activate: activate(process) },
  });
const map = type('instanceHostMap', {
  fields: { instanceId: { type: 'reference', to: 'instance' }, hostId: { type: 'reference', to: 'host' } },
});
const all = (process: Partial<ProcessDocument> = {}) => [instance(process), volume(), type('host'), map];

describe('relationships', () => {
  it('reference fields give one each, named without Id; declared ones follow', () => {
    expect(instance().relationships).toEqual({
      host: { kind: 'reference', type: 'host', field: 'hostId' },
      standby: { kind: 'reference', type: 'host', field: 'standby' },
      volumes: { kind: 'list', type: 'volume', by: 'instanceId' },
      hosts: { kind: 'through', type: 'host', through: 'instanceHostMap', by: 'instanceId', to: 'hostId' },
    });
  });

  it.each([
    ['state', /reserved/],
    ['transitions', /reserved/],
    ['cpus', /the field cpus/],
    ['CPUS'.toLowerCase(), /the field cpus/],
    ['host', /the link of the field hostId/],
    ['healthState', /the state field healthState/],
  ])('none may be named %s: links, fields and regions share one space of names', (name, message) => {
    const make = () =>
      type('instance', {
        fields: { cpus: { type: 'int' }, hostId: { type: 'reference', to: 'host' } },
        stateFields: { healthState: { initial: 'unknown' } },
        relationships: { [name]: { list: 'volume', by: 'instanceId' } },
      });
    expect(make).toThrow(message);
  });

  it('through and to go together', () => {
    const make = () => type('instance', { relationships: { hosts: { list: 'host', by: 'instanceId', to: 'hostId' } } });
    expect(make).toThrow(DroverError);
  });

  it('a related type that is not declared is a warning; what a declared one lacks is an error that says what to do', () => {
    expect(checkRegistry([instance(), type('host')])).toEqual([]);
    expect(registryWarnings([instance(), type('host')]).map(({ message }) => message)).toEqual([
      'instance: the relationship volumes needs the type "volume", which is not declared; declare it too',
      'instance: the relationship hosts needs the type "instanceHostMap", which is not declared; declare it too',
    ]);
    expect(checkRegistry(all())).toEqual([]);
    const [, , host] = all();
    expect(checkRegistry([instance(), type('volume'), host!, map])).toMatchObject([
      {
        finding: 'relationship-impossible',
        message:
          'instance: the relationship volumes needs the field "instanceId" of volume to be a reference to instance; declare it there, or correct the relationship',
      },
    ]);
  });

  it('types may be declared one after the other: the warning is listed with the first', () => {
    const first = declareType(document('disk', { relationships: { parts: { list: 'part', by: 'diskId' } } }), [], {
      version: 1,
    });
    expect(first.warnings).toMatchObject([{ finding: 'unknown-related-type' }]);
    const folder = loadDefinitions(
      [
        {
          name: 'a.json',
          text: JSON.stringify(document('disk', { relationships: { parts: { list: 'part', by: 'diskId' } } })),
        },
      ],
      { system: false },
    );
    expect(folder.types[0]!.warnings).toMatchObject([{ finding: 'unknown-related-type' }]);
  });
});

describe('related work', () => {
  it('is filled in: a verb is one of the related type', () => {
    const { related } = instance({ related: [{ forEach: 'volumes', process: 'activate' }] }).processes['activate']!;
    expect(related).toEqual([
      {
        forEach: 'volumes',
        process: 'volume.activate',
        when: 'before',
        order: 'parallel',
        onFailure: 'fail',
        onCancel: 'cancel',
        onParentEnd: 'cancel',
        states: null,
      },
    ]);
  });

  it('names relationships of its type, each entry once', () => {
    const related = [
      { forEach: 'discs', process: 'activate' },
      { forEach: 'volumes', process: 'activate' },
      { forEach: 'volumes', process: 'volume.activate' },
    ];
    const { errors } = checkType(instance({ related, include: ['volume'], refuseWhile: ['nobody'] }));
    expect(errors.map(({ finding, message }) => [finding, message.slice(0, 70)])).toEqual([
      ['unknown-relationship', 'instance.activate: related names the relationship "discs", which insta'],
      ['unknown-relationship', 'instance.activate: include names the relationship "volume", which inst'],
      ['unknown-relationship', 'instance.activate: refuseWhile names the relationship "nobody", which '],
      ['duplicate-related', 'instance.activate: related lists volume.activate for volumes twice wit'],
    ]);
  });

  it('names a process of the related type that can start in the given states', () => {
    const unknown = checkRegistry(all({ related: [{ forEach: 'volumes', process: 'fly' }] }));
    expect(unknown).toMatchObject([{ finding: 'unknown-related-process', process: 'instance.activate' }]);
    const never = checkRegistry(all({ related: [{ forEach: 'volumes', process: 'activate', states: ['removed'] }] }));
    expect(never.map(({ message }) => message)).toEqual([
      'instance.activate: volume.activate can start from none of the states removed; it starts from inactive, registering',
    ]);
    const later = registryWarnings([
      instance({ related: [{ forEach: 'volumes', process: 'fly' }] }),
      type('host'),
      map,
    ]);
    expect(later).toContainEqual(
      expect.objectContaining({ process: 'instance.activate', finding: 'unknown-related-type' }),
    );
  });

  it('does not lead in a circle', () => {
    const back = volume({
      relationships: {},
      processes: { activate: activate({ related: [{ forEach: 'instance', process: 'activate' }] }) },
    });
    const found = checkRegistry([
      instance({ related: [{ forEach: 'volumes', process: 'activate' }] }),
      back,
      type('host'),
      map,
    ]);
    expect(found).toMatchObject([
      {
        finding: 'circular-related',
        message:
          'instance.activate: related work leads in a circle: instance.activate → volume.activate → instance.activate; remove one of the entries',
      },
      { process: 'volume.activate' },
    ]);
  });
});

describe('references', () => {
  it('are numbers by field, and change only with a reference field', () => {
    expect(refsOf(instance(), { hostId: '1h5', standby: null, cpus: 4 })).toEqual(['hostId:5']);
    expect(refsAfter(instance(), { hostId: '1h5' }, { standby: '1H6' })).toEqual(['hostId:5', 'standby:6']);
    expect(refsAfter(instance(), { hostId: '1h5' }, { hostId: null })).toEqual([]);
    expect(refsAfter(instance(), { hostId: '1h5' }, { data: {} })).toBeUndefined();
    expect(refsAfter(type('host'), {}, { hostId: '1h5' })).toBeUndefined();
  });

  it('relationships are read by them', () => {
    const { host, volumes, hosts } = instance().relationships as Record<string, never>;
    const resource = { id: 7, data: { hostId: '1h5' } };
    expect(relationOf(host!, resource)).toEqual({ kind: 'reference', type: 'host', id: 5 });
    expect(relationOf(host!, { id: 7, data: {} })).toBeNull();
    expect(relationOf(volumes!, resource)).toEqual({ kind: 'list', type: 'volume', ref: 'instanceId:7' });
    expect(relationOf(hosts!, resource)).toEqual({
      kind: 'through',
      type: 'host',
      through: 'instanceHostMap',
      ref: 'instanceId:7',
      to: 'hostId',
    });
  });
});
