import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NODE_FLAGS, releaseGuard, startChild } from './children.mjs';
import { build, installIfNeeded, ROOT } from './install.mjs';
import { lockFolder } from './lock.mjs';
import { resolveNatsServer } from './nats-server.mjs';
import { startNatsServer } from './nats.mjs';
import { choosePort, freePort } from './ports.mjs';
import { startPostgresServer } from './postgres.mjs';
import { ensureRunningInstance, httpClient, waitForHandler, walkInstance } from './walk.mjs';

/** Three services booting at once on a small machine; beyond this something is wrong. */
const READY_MILLIS = 60_000;
const SERVICES = ['resource-store', 'process-engine', 'gateway'];
const HANDLER = join(ROOT, 'examples', 'handlers', 'typescript');

const say = (line) => console.log(line);

/** Starts everything, gives the tour, and stays until a signal or the end of a part. */
export async function launch() {
  const started = [];
  let release = async () => {};
  const stopRequest = firstSignal();
  let code = 0;
  try {
    await installIfNeeded(say);
    await build([...SERVICES.map((app) => join('apps', app, 'tsconfig.lib.json')), join(HANDLER, 'tsconfig.lib.json')]);
    const dir = resolve(process.env.DROVER_DATA_DIR || join(ROOT, '.drover'));
    release = await lockFolder(dir, say);
    const up = start(dir, started, stopRequest);
    await Promise.race([up, stopRequest]);
    if (!stopRequest.came) {
      const end = await Promise.race([stopRequest, firstEnd(started)]);
      if (end?.child)
        throw new Error(
          `${end.child.name} ${end.how}. Its log: ${end.child.logFile}\n${await tail(end.child.logFile)}`,
        );
    } else {
      // The start may be half way; what it is about to start is in `started` before it is waited for.
      await Promise.race([up.catch(() => {}), sleep(500)]);
    }
  } catch (error) {
    if (!stopRequest.came) {
      console.error(`\n${error.message}`);
      code = 1;
    }
  } finally {
    await stopAll(started);
    await release();
    await releaseGuard();
  }
  process.exit(code);
}

/** A promise of the first Ctrl-C or termination; `came` tells whether it has arrived. A second one ends at once. */
function firstSignal() {
  let arrived;
  const promise = new Promise((done) => (arrived = done));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (promise.came) return;
      promise.came = true;
      say('\nStopping …');
      arrived(undefined);
    });
  }
  return promise;
}

/** The first started program that ends by itself: nothing here is meant to. */
const firstEnd = (started) => Promise.race(started.map(({ child }) => child.exited.then((how) => ({ child, how }))));

async function start(dir, started, stopRequest) {
  const logs = join(dir, 'logs');
  await mkdir(logs, { recursive: true });
  // Also says what is wrong with a configured port before anything runs.
  const http = await httpPort();
  const [databaseUrl, natsUrl] = await both(database(dir, started), nats(dir, started));
  const services = await serviceOptions({ dir, logs, databaseUrl, natsUrl, http });
  for (const service of services) {
    if (stopRequest.came) return;
    started.push({ child: startChild(service) });
  }
  await Promise.all(services.map((service, index) => ready(service, started.at(index - services.length).child)));
  if (stopRequest.came) return;
  const handler = exampleHandler(dir, logs, natsUrl);
  if (handler) started.push({ child: startChild(handler) });
  await tour(http, { dir, logs, natsUrl, embedded: !process.env.DROVER_NATS_URL, handler });
}

/** Both answers; when one fails, only after the other is known too, so that what it started can be stopped. */
async function both(...promises) {
  const outcomes = await Promise.allSettled(promises);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return outcomes.map((outcome) => outcome.value);
}

async function httpPort() {
  const host = process.env.DROVER_HTTP_HOST || '127.0.0.1';
  const { port, note } = await choosePort({
    configured: process.env.DROVER_HTTP_PORT,
    fallback: 8080,
    host,
    name: 'the gateway',
    variable: 'DROVER_HTTP_PORT',
  });
  if (note) say(note);
  const reached = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return {
    host,
    port,
    url: `http://${reached.includes(':') ? `[${reached}]` : reached === '127.0.0.1' ? 'localhost' : reached}:${port}`,
    local: `http://${reached}:${port}`,
  };
}

async function database(dir, started) {
  if (process.env.DROVER_DATABASE_URL) return process.env.DROVER_DATABASE_URL;
  const configured = process.env.DROVER_POSTGRES_PORT;
  const { port } = await choosePort({
    configured: configured || '0',
    fallback: 0,
    name: 'PostgreSQL',
    variable: 'DROVER_POSTGRES_PORT',
  });
  const server = await startPostgresServer({ dir: join(dir, 'postgres'), port: configured ? port : undefined, say });
  started.push({ child: server.child });
  return server.url;
}

async function nats(dir, started) {
  const found = await resolveNatsServer({ say });
  if (found.url) return found.url;
  const { port, note } = await choosePort({
    configured: process.env.DROVER_NATS_PORT,
    fallback: 4222,
    name: 'NATS',
    variable: 'DROVER_NATS_PORT',
  });
  if (note) say(note);
  const server = await startNatsServer({ path: found.path, dir: join(dir, 'nats'), port });
  started.push({ child: server.child });
  return server.url;
}

async function serviceOptions({ dir, logs, databaseUrl, natsUrl, http }) {
  const shared = {
    ...process.env,
    DROVER_NATS_URL: natsUrl,
    DROVER_DATA_DIR: dir,
    DROVER_AUTH: process.env.DROVER_AUTH || 'off',
    DROVER_LOG_LEVEL: process.env.DROVER_LOG_LEVEL || 'info',
  };
  delete shared.DROVER_DATABASE_URL;
  const own = {
    'resource-store': {
      DROVER_DATABASE_URL: databaseUrl,
      DROVER_DEFINITIONS: process.env.DROVER_DEFINITIONS || join(ROOT, 'examples', 'definitions'),
    },
    'process-engine': {},
    gateway: { DROVER_HTTP_HOST: http.host, DROVER_HTTP_PORT: String(http.port) },
  };
  return Promise.all(
    SERVICES.map(async (app, index) => {
      const adminPort = await adminPortFor(app, index);
      return {
        name: app,
        command: process.execPath,
        args: [...NODE_FLAGS, join(ROOT, 'apps', app, 'dist', 'main.js')],
        logFile: join(logs, `${app}.log`),
        cwd: ROOT,
        env: { ...shared, ...own[app], DROVER_ADMIN_PORT: String(adminPort) },
        adminPort,
      };
    }),
  );
}

/** One machine, three admin ports: a configured one is the first of three in a row. */
async function adminPortFor(app, index) {
  const base = process.env.DROVER_ADMIN_PORT;
  if (!base) return freePort();
  const { port } = await choosePort({
    configured: String(Number(base) + index),
    fallback: 0,
    name: app,
    variable: 'DROVER_ADMIN_PORT',
  });
  return port;
}

async function ready({ name, adminPort, logFile }, child) {
  const deadline = Date.now() + READY_MILLIS;
  while (child.running) {
    const response = await fetch(`http://127.0.0.1:${adminPort}/readyz`, { signal: AbortSignal.timeout(3_000) }).catch(
      () => undefined,
    );
    if (response?.ok) return;
    if (Date.now() > deadline)
      throw new Error(
        `${name} is not ready after ${READY_MILLIS / 1000} s: ${(await response?.text()) ?? 'no answer'}. Its log: ${logFile}`,
      );
    await sleep(100);
  }
  throw new Error(`${name} ${await child.exited}. Its log: ${logFile}\n${await tail(logFile)}`);
}

function exampleHandler(dir, logs, natsUrl) {
  const main = join(HANDLER, 'dist', 'main.js');
  if (!existsSync(main)) return undefined;
  return {
    name: 'demo handler',
    command: process.execPath,
    args: [main],
    logFile: join(logs, 'demo-handler.log'),
    cwd: dir,
    env: { ...process.env, DROVER_NATS_URL: natsUrl, DROVER_CONTAINERS_DIR: join(dir, 'containers') },
  };
}

async function tour(http, { dir, logs, natsUrl, embedded, handler }) {
  sayWhoMayCall(http.host);
  if (handler) await giveTour(httpClient(http.local));
  say(`
Drover runs.
  Front page   ${http.url}/
  API          ${http.url}/v1
  Pictures     ${http.url}/v1/resourcedefinitions/1rd!instance/resourcedot?format=html
  NATS         ${natsUrl}${embedded ? '' : ' (DROVER_NATS_URL)'}
  Data, logs   ${dir}, ${logs}
Ctrl-C stops it; the data stays.`);
}

function sayWhoMayCall(host) {
  const local = host === 'localhost' || host === '::1' || host.startsWith('127.');
  const who = local
    ? 'only programs on this machine may use the API (Host and Origin are checked)'
    : `whoever reaches ${host} may use the API (Host and Origin are checked, but a program can write what it likes there)`;
  say(`\nAuthentication is not built yet: ${who}.`);
  if (['on', 'true'].includes((process.env.DROVER_AUTH ?? '').toLowerCase()))
    say(`Warning: DROVER_AUTH=${process.env.DROVER_AUTH} has no effect yet. Nothing asks for a key.`);
}

async function giveTour(client) {
  if (!(await waitForHandler(client, 'demo'))) {
    say('The example handler "demo" has not registered yet: the tour is left out.');
    return;
  }
  say('\nOne instance goes through create, start, stop and remove. Transition and handler:');
  await walkInstance(client, say);
  const { id, kept } = await ensureRunningInstance(client);
  say(kept ? `Instance ${id} still runs from an earlier start.` : `Instance ${id} was started and stays running.`);
}

/** The example handler and the services together, then PostgreSQL, then NATS. */
async function stopAll(started) {
  const servers = started.filter(({ child }) => child.name === 'PostgreSQL' || child.name === 'nats-server');
  await Promise.all(started.filter((entry) => !servers.includes(entry)).map(({ child }) => child.stop(5_000)));
  for (const name of ['PostgreSQL', 'nats-server']) {
    for (const { child } of servers) if (child.name === name) await child.stop();
  }
  if (started.length > 0) say('Stopped.');
}

async function tail(file, lines = 15) {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}
