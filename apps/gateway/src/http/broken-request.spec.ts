import { createServer, type ServerOptions } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { answerBrokenRequest } from './fastify.js';

const QUICK: ServerOptions = { requestTimeout: 100, headersTimeout: 100, connectionsCheckingInterval: 20 };

describe('what is no whole request', () => {
  /** @returns all that came on a connection on which `sent` was sent, once the server has closed it */
  const answerTo = async (sent: string, options: ServerOptions = {}): Promise<string> => {
    const server = createServer(options, (_request, response) => response.end('reached'));
    server.on('clientError', (error, socket) => answerBrokenRequest(error, socket as never));
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    let text = '';
    socket.on('data', (data) => (text += data.toString()));
    if (sent !== '') socket.write(sent);
    await new Promise((resolve) => socket.once('close', resolve));
    return text;
  };

  it('is told so where it is no HTTP', async () => {
    const answer = await answerTo('nonsense\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(answer).toContain('"code":"InvalidBodyContent"');
  });

  it('is told so where the rest of it did not come in time', async () => {
    const answer = await answerTo('POST /v1/instances HTTP/1.1\r\nhost: drover\r\n', QUICK);
    expect(answer).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
    expect(JSON.parse(answer.split('\r\n\r\n')[1]!)).toMatchObject({
      type: 'error',
      status: 408,
      code: 'RequestTimeout',
    });
  });

  it('gets no answer where nothing was sent: the next request would take it for its own', async () => {
    expect(await answerTo('', QUICK)).toBe('');
  });
});
