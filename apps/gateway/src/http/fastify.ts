import { FastifyAdapter } from '@nestjs/platform-fastify';
import { DroverError, MAX_BODY_BYTES } from '@drover/kernel';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { answerOf } from '../errors/error-body.js';

/** Longest time a client may take to send its request, milliseconds. */
const REQUEST_MILLIS = 30_000;

/** Fastify with the API's rules on paths and sizes, and its one error shape also for requests that reach no route. */
export function fastifyAdapter(): FastifyAdapter {
  return new FastifyAdapter({
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_MILLIS,
    // Idle keep-alive connections must not delay the shutdown; a request under way gets its answer.
    forceCloseConnections: 'idle',
    routerOptions: {
      caseSensitive: false,
      ignoreTrailingSlash: true,
      ignoreDuplicateSlashes: true,
      maxParamLength: 500,
    },
    frameworkErrors: (_error: Error, _request: FastifyRequest, reply: FastifyReply) => {
      const { json } = answerOf(new DroverError('InvalidBodyContent', 'The URL is not valid'));
      void reply.code(json.status).type('application/json; charset=utf-8').send(JSON.stringify(json));
    },
    clientErrorHandler: (error, socket) => answerBrokenRequest(error, socket as Socket),
  });
}

/** What is not even HTTP, or did not arrive in time, gets an error of the usual shape, written by hand. */
export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const late = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  // Opened in advance and never used: an answer would be taken for that of the request which may be on its way.
  if (late && socket.bytesRead === 0) return void socket.destroy();
  const { json } = answerOf(
    late
      ? new DroverError('RequestTimeout', `The request did not arrive within ${REQUEST_MILLIS / 1_000} seconds`)
      : new DroverError('InvalidBodyContent', 'The request is not valid HTTP'),
  );
  const body = JSON.stringify(json);
  const head = `HTTP/1.1 ${json.status} ${STATUS_CODES[json.status]}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close`;
  socket.end(`${head}\r\n\r\n${body}`);
}
