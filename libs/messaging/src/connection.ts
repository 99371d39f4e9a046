import { connect, type NatsConnection } from 'nats';

/**
 * Connects to NATS and stays connected: unlimited reconnects, 100 ms apart. The client's default wait of 2 s made a recovering
 * cluster drop its first batches.
 * @param urls comma-separated server URLs
 * @param name shows in the broker's connection list
 */
export async function connectNats(urls: string, name: string): Promise<NatsConnection> {
  return connect({
    servers: urls.split(',').map((url) => url.trim()),
    name,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
    reconnectJitter: 50,
    waitOnFirstConnect: true,
    pingInterval: 10_000,
    maxPingOut: 3,
    noAsyncTraces: true,
  });
}
