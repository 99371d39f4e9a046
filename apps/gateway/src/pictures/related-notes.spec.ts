import { compileType } from '@drover/process-model';
import { expect, it } from 'vitest';
import { relatedWork, relationships } from './pictures.js';

const type = compileType(
  {
    apiVersion: 'drover/v1',
    kind: 'ResourceType',
    name: 'instance',
    fields: { hostId: { type: 'reference', to: 'host' } },
    relationships: {
      volumes: { list: 'volume', by: 'instanceId' },
      hosts: { list: 'host', through: 'instanceHostMap', by: 'instanceId', to: 'hostId' },
    },
    processes: {
      activate: {
        start: ['inactive', 'registering'],
        transitioning: 'activating',
        done: 'active',
        related: [{ forEach: 'volumes', process: 'activate', states: ['inactive', 'detached'] }],
        include: ['volumes', 'host'],
        refuseWhile: ['hosts'],
      },
    },
  },
  { version: 1, system: false },
);

it('a page says in words who is related and what is done with them', () => {
  expect([...relationships(type), ...relatedWork(type.processes['activate']!)]).toEqual([
    'host: the host that hostId names',
    'volumes: the resources of the type volume whose instanceId names this one',
    'hosts: resources of the type host, by way of instanceHostMap',
    'instance.activate runs volume.activate on volumes that are inactive or detached, before its handlers, in parallel',
    'instance.activate sends volumes, host along to its handlers',
    'instance.activate is refused while hosts is not empty',
  ]);
  expect(relatedWork(type.processes['create']!)).toEqual([]);
});
