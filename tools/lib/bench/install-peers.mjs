/** Installs the peers into bench/peers, where nothing of ours depends on them, and only when something has changed. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { which } from '../run.mjs';
import { PEERS } from './peers.mjs';

/** pg-boss and Graphile Worker name it; DBOS, Restate and Temporal run on it. */
const NODE = [22, 18];

export async function installPeers(say) {
  const stamp = join(PEERS, 'node_modules', '.installed');
  const wanted = hashOf('package-lock.json');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  const started = Date.now();
  say('the peers are being installed into bench/peers (npm ci, about 500 MB)');
  // No install scripts: all binaries are files of packages, and the scripts there only report or check.
  await toEnd('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], PEERS);
  await writeFile(stamp, wanted);
  say(`installed in ${seconds(started)} s`);
}

/**
 * The Node that everything of the comparison runs on: this one when it is new enough, else the one among the peers'
 * packages.
 */
export function nodeForPeers() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > NODE[0] || (major === NODE[0] && minor >= NODE[1])) return process.execPath;
  const packaged = join(PEERS, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (existsSync(packaged)) return packaged;
  throw new Error(`the peers need Node ${NODE.join('.')} or newer; this is ${process.version}`);
}

/** Builds Temporal's server and its schema tool from the Go module that bench/peers/temporal/server pins. */
export async function installTemporal(say) {
  const [source, target] = [join(PEERS, 'temporal/server'), join(PEERS, 'temporal/bin')];
  const stamp = join(target, '.installed');
  const wanted = hashOf('temporal/server/go.mod') + hashOf('temporal/server/go.sum');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  if ((await which('go')) === undefined) throw new Error('there is no "go" to build its server with');
  const started = Date.now();
  say("Temporal's server is being built (go build, several minutes the first time)");
  const partial = `${target}.partial`;
  await mkdir(partial, { recursive: true });
  // GOTOOLCHAIN=local: the Go that is installed, or a plain refusal.
  await toEnd('go', ['build', '-trimpath', '-ldflags=-s -w', '-o', `${partial}/`, ...COMMANDS], source, {
    GOTOOLCHAIN: 'local',
  });
  await writeFile(join(partial, '.installed'), wanted);
  await rm(target, { recursive: true, force: true });
  await rename(partial, target);
  say(`built in ${seconds(started)} s`);
}

const COMMANDS = ['go.temporal.io/server/cmd/server', 'go.temporal.io/server/cmd/tools/sql'];

function hashOf(file) {
  return createHash('sha256')
    .update(readFileSync(join(PEERS, file)))
    .digest('hex');
}

/** Runs it to its end. What it says on stderr is the error, without the path of a log that nobody else has. */
async function toEnd(command, args, cwd, env = {}) {
  try {
    await promisify(execFile)(command, args, { cwd, env: { ...process.env, ...env }, maxBuffer: 16 << 20 });
  } catch (error) {
    const said = (error.stderr || error.message)
      .split('\n')
      .map((line) => line.replace(/^npm error ?/, '').trim())
      .filter((line) => line !== '' && !line.startsWith('A complete log'));
    throw new Error(`"${command} ${args[0]}": ${said.slice(0, 5).join('; ')}`, { cause: error });
  }
}

const seconds = (started) => Math.round((Date.now() - started) / 1_000);
