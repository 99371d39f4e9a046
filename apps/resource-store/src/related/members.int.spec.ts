import type { RelationRef, ResourceRow } from '@drover/contracts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { QueryService } from '../query/query.service.js';
import { startStore, type TestStore } from '../testing/start-store.js';
import { blank, change, create } from '../testing/transitions.js';

let store: TestStore;
beforeAll(async () => {
  store = await startStore();
});
afterAll(async () => {
  await store[Symbol.asyncDispose]();
});

async function insert(type: string, refs: string[], state: string | null = null): Promise<number> {
  const made = create(state);
  const { resourceId } = await store.applied({ ...made, insert: { ...made.insert!, type, refs } });
  return resourceId;
}

async function list(relation: RelationRef): Promise<number[]> {
  const page = { filters: [], limit: 100, afterId: null, descending: false, includeRemoved: false };
  const { resources } = await store.get(QueryService).resources({ type: relation.type, ...page, relation });
  return resources.map(({ id }: ResourceRow) => id);
}

it('a page of a relationship holds its members alone: by reference, by reverse list, and many to many', async () => {
  const owner = await insert('instance', []);
  const members = [
    await insert('volume', [`instanceId:${owner}`]),
    await insert('volume', [`instanceId:${owner}`, 'x:1']),
  ];
  await insert('volume', [`instanceId:${owner}9`]);
  await insert('nic', [`instanceId:${owner}`]);
  await insert('volume', [`instanceId:${owner}`], 'removed');
  expect(await list({ kind: 'list', type: 'volume', ref: `instanceId:${owner}` })).toEqual(members);
  expect(await list({ kind: 'reference', type: 'volume', id: members[1]! })).toEqual([members[1]]);
  expect(await list({ kind: 'reference', type: 'nic', id: members[1]! })).toEqual([]);
  const hosts = [await insert('host', []), await insert('host', []), await insert('host', [])];
  await insert('instanceHostMap', [`instanceId:${owner}`, `hostId:${hosts[0]}`]);
  await insert('instanceHostMap', [`hostId:${hosts[2]}`, `instanceId:${owner}`]);
  await insert('instanceHostMap', [`instanceId:${owner}`, `hostId:${hosts[1]}`], 'removed');
  const map = {
    kind: 'through',
    type: 'host',
    through: 'instanceHostMap',
    ref: `instanceId:${owner}`,
    to: 'hostId',
  } as const;
  expect(await list(map)).toEqual([hosts[0], hosts[2]]);
});

it('a change of references moves a member from one relation to another', async () => {
  const [a, b] = [await insert('instance', []), await insert('instance', [])];
  const volume = await insert('volume', [`instanceId:${a}`]);
  await store.applied(
    blank({ resourceId: volume, change: change(null, { data: { instanceId: `1i${b}` }, refs: [`instanceId:${b}`] }) }),
  );
  expect(await list({ kind: 'list', type: 'volume', ref: `instanceId:${a}` })).toEqual([]);
  expect(await list({ kind: 'list', type: 'volume', ref: `instanceId:${b}` })).toEqual([volume]);
  await store.applied(blank({ resourceId: volume, change: change(null, { data: { instanceId: null }, refs: [] }) }));
  expect(await list({ kind: 'list', type: 'volume', ref: `instanceId:${b}` })).toEqual([]);
});
