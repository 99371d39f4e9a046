import type { ResourceRow } from '@drover/contracts';
import { describe, expect, it } from 'vitest';
import { compile } from '../decide/life.fixture.js';
import { dates, externalResource } from './external-resource.js';

const type = compile(
  '{apiVersion: drover/v1, kind: ResourceType, name: ipAddress, fields: {host: {type: string}, secret: {type: password}}, stateFields: {dns: {initial: absent}}}',
);

const ROW: ResourceRow = {
  id: 5,
  type: 'ipAddress',
  kind: 'ipAddress',
  uuid: 'u-1',
  name: 'web',
  description: null,
  state: 'activating',
  transitioning: 'yes',
  message: null,
  progress: 40,
  regions: { dns: { state: 'adding', transitioning: 'yes', message: null, progress: null } },
  revision: 3,
  data: { secret: 'hush', data: { free: true } },
  accountId: 1,
  created: 0,
  removed: null,
};

describe('externalResource', () => {
  it('shows envelope, declared fields and regions, and no password', () => {
    expect(externalResource(ROW, type)).toEqual({
      id: '1ia5',
      type: 'ipAddress',
      kind: 'ipAddress',
      uuid: 'u-1',
      name: 'web',
      description: null,
      state: 'activating',
      transitioning: 'yes',
      transitioningMessage: 'In Progress',
      transitioningProgress: 40,
      created: '1970-01-01T00:00:00.000Z',
      createdTS: 0,
      removed: null,
      removedTS: null,
      accountId: '1a1',
      revision: 3,
      host: null,
      dns: 'adding',
      dnsTransitioning: 'yes',
      data: { free: true },
    });
  });

  it('a region that was never moved is in its initial state', () => {
    expect(externalResource({ ...ROW, regions: {} }, type)).toMatchObject({ dns: 'absent', dnsTransitioning: 'no' });
  });

  it.each(['removed', 'purging', 'purged'])(
    'a region of a resource that is %s stays where it was, and nothing is going on there',
    (state) => {
      expect(externalResource({ ...ROW, state }, type)).toMatchObject({ state, dns: 'adding', dnsTransitioning: 'no' });
    },
  );

  it('a message is shown as it is; at rest there is none', () => {
    expect(externalResource({ ...ROW, message: 'pulling' }, type)['transitioningMessage']).toBe('pulling');
    expect(externalResource({ ...ROW, transitioning: 'no' }, type)['transitioningMessage']).toBeNull();
  });

  it('times have both forms', () => {
    expect(dates('x', 1_000)).toEqual({ x: '1970-01-01T00:00:01.000Z', xTS: 1_000 });
    expect(dates('x', null)).toEqual({ x: null, xTS: null });
  });
});
