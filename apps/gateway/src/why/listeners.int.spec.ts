import { connectNats, MessageBus } from '@drover/messaging';
import { createLogger } from '@drover/telemetry';
import { startNatsOf } from '@drover/testing';
import { describe, expect, it } from 'vitest';
import { Log } from '../log.js';
import { Listeners } from './listeners.js';

const logger = createLogger('test', { level: 'silent' }) as unknown as Log;

describe.each(['2.9', undefined])('asking nats-server %s who listens', (version) => {
  it('tells a subscriber from none, through wildcards and queue groups, and sends it nothing', async ({ skip }) => {
    await using nats = await startNatsOf(version, skip);
    const handler = await connectNats(nats.url, 'handler');
    const asking = await connectNats(nats.url, 'gateway');
    const heard: string[] = [];
    handler.subscribe('drover.process.*.*.*.demo', {
      queue: 'demo',
      callback: (_error, message) => void heard.push(message.subject),
    });
    await handler.flush();
    const listeners = new Listeners(new MessageBus(asking), logger);

    expect(await listeners.on('drover.process.instance.start.handle.demo')).toBe('yes');
    expect(await listeners.on('drover.process.instance.start.handle.other')).toBe('no');
    await handler.close();
    await expect.poll(() => listeners.on('drover.process.instance.start.handle.demo')).toBe('no');
    expect(heard).toEqual([]);
    await asking.close();
    expect(await listeners.on('drover.process.instance.start.handle.demo')).toBe('unknown');
  });
});
