import { createServer } from 'node:net';

/** How many ports above a taken default are tried. */
const TRIES = 100;

/**
 * A TCP port nobody listens on at this moment. Another program may take it before its user does: whoever needs
 * certainty lets the server itself choose.
 */
export function freePort(host = '127.0.0.1') {
  return listenOnce(0, host);
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

const isFree = (port, host) =>
  listenOnce(port, host).then(
    () => true,
    () => false,
  );

function listenOnce(port, host) {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once('error', fail);
    server.listen({ port, host, exclusive: true }, () => {
      const chosen = server.address().port;
      server.close(() => done(chosen));
    });
  });
}
