import { describe, expect, it } from 'vitest';
import { startNatsOf } from '@drover/testing';
import { Cluster } from './support/index.js';

const TYPE = `
apiVersion: drover/v1
kind: ResourceType
name: disk
fields: { size: { type: int } }
defaultProcesses: false
processes:
  create: { start: [requested], transitioning: creating, done: created }
  remove: { start: [creating, created], transitioning: removing, done: removed }
`;

// Debian's server, the oldest that is supported, and the release that deployments pin.
describe.each(['2.9', undefined])('with nats-server %s', (version) => {
  it('a resource lives its life: durable replies, absent handlers and the feed included', async ({ skip }) => {
    await using nats = await startNatsOf(version, skip);
    await using cluster = await Cluster.start({ nats });
    await cluster.client.define(TYPE);
    const { handler } = await cluster.register('disks', { processes: 'disk.*', attends: false });

    const { resource } = await cluster.client.create('disk', {});
    await cluster.client.until(resource.id, { state: 'creating', message: 'waiting for handler disks' });
    await using _replica = await cluster.replica('disks', () => ({ data: { size: 7 } }));
    const created = await cluster.client.until(resource.id, { state: 'created' });

    expect(created.data['size']).toBe(7);
    expect(handler.deliveries).toHaveLength(0);
    expect(cluster.bus.connection.info?.version.startsWith(version ?? '2.1')).toBe(true);
  });
});
