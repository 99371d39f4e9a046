import { createServer } from 'node:net';

/** How many ports above a taken default are tried. */
const TRIES = 100;

/**
 * Where free ports are looked for: below those that a system gives to outgoing connections (from 32,768 or 49,152 on), of which one would now
 * and then take a port between its choice and its use.
 */
const FIRST = 20_000;
const COUNT = 12_700;

/** Programs that choose at the same moment begin at places of their own. */
let next = (process.pid * 97) % COUNT;

/**
 * A TCP port nobody listens on at this moment. Another program may take it before its user does: whoever needs
 * certainty lets the server itself choose.
 */
export async function freePort(host = '127.0.0.1') {
  for (let tries = 0; tries < COUNT; tries++) {
    const port = FIRST + next;
    next = (next + 1) % COUNT;
    if (await isFree(port, host)) return port;
  }
  throw new Error(`No port between ${FIRST} and ${FIRST + COUNT - 1} is free.`);
}

/** The port to use for a server people connect to, and a sentence when it is not the usual one. */
export async function choosePort({ configured, fallback, host = '127.0.0.1', name, variable }) {
  if (configured !== undefined && configured !== '') {
    const port = Number(configured);
    if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error(`${variable} is not a port number.`);
    if (port === 0) return { port: await freePort(host) };
    if (await isFree(port, host)) return { port };
    throw new Error(`${variable} names port ${port}, which another program uses.`);
  }
  for (let port = fallback; port < fallback + TRIES; port++) {
    if (await isFree(port, host)) {
      return { port, note: port === fallback ? undefined : `Port ${fallback} is taken: ${name} uses ${port}.` };
    }
  }
  throw new Error(`No port between ${fallback} and ${fallback + TRIES - 1} is free for ${name}.`);
}

function isFree(port, host) {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => done(true)));
  });
}
