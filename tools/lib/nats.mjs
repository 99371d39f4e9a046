import { mkdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startChild } from './children.mjs';

const START_MILLIS = 15_000;

/**
 * Starts a nats-server with JetStream on loopback and waits until it takes connections.
 * @param {object} options
 * @param {string} options.path    the executable
 * @param {string} options.dir     folder for its store, its log and its ports file
 * @param {number} [options.port]  0: the server chooses a free one itself, so that none can be snatched in between
 */
export async function startNatsServer({ path, dir, port = 0 }) {
  await mkdir(dir, { recursive: true });
  const logFile = join(dir, 'nats-server.log');
  const child = startChild({
    name: 'nats-server',
    command: path,
    args: ['-a', '127.0.0.1', '-p', String(port || -1), '-js', '-sd', join(dir, 'store'), '--ports_file_dir', dir],
    logFile,
  });
  const url = await natsUrl(child, join(dir, `${basename(path)}_${child.pid}.ports`));
  return { child, url, port: Number(new URL(url).port), logFile };
}

/**
 * The URL from the file that the server writes once it listens. Its name carries the pid: this is our server and not
 * one that happens to answer on the port.
 */
async function natsUrl(child, portsFile) {
  const deadline = Date.now() + START_MILLIS;
  while (child.running && Date.now() < deadline) {
    const ports = await readFile(portsFile, 'utf8')
      .then(JSON.parse)
      .catch(() => undefined);
    if (ports?.nats?.[0]) {
      await rm(portsFile, { force: true });
      return ports.nats[0];
    }
    await sleep(20);
  }
  const end = child.running ? `did not listen within ${START_MILLIS / 1000} s` : await child.exited;
  await child.kill();
  throw new Error(`nats-server ${end}; see ${child.logFile}`);
}
