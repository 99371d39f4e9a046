import type { ResourceRow } from '@drover/contracts';
import { compileType, linkOfReference, type ResourceTypeDocument, TypeRegistry } from '@drover/process-model';
import { describe, expect, it } from 'vitest';
import { childrenOf } from '../registry/relations.js';
import { resourceJson } from './resource-json.js';

const type = (document: Omit<ResourceTypeDocument, 'apiVersion' | 'kind'>) =>
  compileType({ apiVersion: 'drover/v1', kind: 'ResourceType', ...document }, { version: 1, system: false });

const host = type({ name: 'host' });
const instance = type({
  name: 'instance',
  fields: {
    hostId: { type: 'reference', to: 'host' },
    standby: { type: 'reference', to: 'host' },
    secret: { type: 'password' },
    cpus: { type: 'int' },
  },
  stateFields: { healthState: { initial: 'unknown' } },
});
const types = new TypeRegistry([host, instance]);
const snapshot = { revision: 1, definitions: new Map(), types, handlers: [], pauses: [], limits: [] };
const base = 'http://h/v1';

const row: ResourceRow = {
  id: 5,
  type: 'instance',
  kind: 'instance',
  uuid: 'u',
  name: 'web',
  description: null,
  state: 'inactive',
  transitioning: 'no',
  message: null,
  progress: null,
  regions: { healthState: { state: 'healthy', transitioning: 'no', message: null, progress: null } },
  revision: 3,
  data: { hostId: '1h2', secret: 's3cret', cpus: 2, data: { free: true } },
  accountId: null,
  created: Date.UTC(2026, 0, 1),
  removed: null,
};

describe('the JSON of a resource', () => {
  const json = resourceJson(row, { snapshot, type: instance, base }, 9);

  it('has envelope, declared fields and the free map side by side', () => {
    expect(json).toMatchObject({
      id: '1i5',
      type: 'instance',
      name: 'web',
      state: 'inactive',
      transitioning: 'no',
      created: '2026-01-01T00:00:00.000Z',
      createdTS: Date.UTC(2026, 0, 1),
      removed: null,
      revision: 3,
      cpus: 2,
      hostId: '1h2',
      healthState: 'healthy',
      healthStateTransitioning: 'no',
      data: { free: true },
    });
  });

  it('never tells a password', () => {
    expect(JSON.stringify(json)).not.toContain('s3cret');
  });

  it('links to what is set, to its processes and to the one that the request started', () => {
    const self = `${base}/instances/1i5`;
    expect(json['links']).toEqual({
      self,
      host: `${self}/host`,
      processInstances: `${self}/processinstances`,
      transitions: `${self}/transitions`,
      why: `${self}/why`,
      processInstance: `${base}/processinstances/1pi9`,
    });
  });

  it('lists exactly the actions that may start now', () => {
    expect(Object.keys(json['actions'] as object)).toEqual(['activate', 'remove', 'update']);
    expect(json['actions']).toMatchObject({ activate: `${base}/instances/1i5?action=activate` });
  });

  it('a parent links to its children, by each of their fields', () => {
    expect(childrenOf(types, host).map(({ link, field }) => [link, field])).toEqual([
      ['instances', 'hostId'],
      ['instancesByStandby', 'standby'],
    ]);
    const links = resourceJson({ ...row, id: 2, type: 'host', data: {}, regions: {} }, { snapshot, type: host, base })[
      'links'
    ];
    expect(links).toMatchObject({
      instances: `${base}/hosts/1h2/instances`,
      instancesByStandby: `${base}/hosts/1h2/instancesbystandby`,
    });
  });
});

it.each([
  ['hostId', 'host'],
  ['standby', 'standby'],
  ['Id', 'Id'],
])('the field %s is followed as %s', (field, link) => {
  expect(linkOfReference(field)).toBe(link);
});
