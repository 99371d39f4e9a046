/**
 * Python and Go for the example handlers, as far as this machine has them. Nothing is installed system-wide: a Python
 * environment and the Go handler go into the cache folder. What cannot be set up is left out with a reason, never
 * silently: callers print it.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const handlers = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'examples', 'handlers');

/** A registry that does not answer within this time is taken as absent, milliseconds. */
const SETUP_MILLIS = 180_000;

export function cacheDir() {
  return process.env.DROVER_CACHE_DIR ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'drover');
}

/**
 * @returns {Promise<{
 *   python: { command: string, env: Record<string, string> } | null, pythonReason: string | null,
 *   go: string | null, goReason: string | null }>}
 * `python`: an interpreter that can import nats-py, with the variables it needs; `go`: the built handler
 */
export async function toolchains() {
  const [python, go] = await Promise.all([settled('Python handlers', preparePython), settled('Go handler', prepareGo)]);
  return { python: python.value, pythonReason: python.reason, go: go.value, goReason: go.reason };
}

async function settled(what, prepare) {
  try {
    return { value: await prepare(), reason: null };
  } catch (error) {
    return { value: null, reason: `${what} left out: ${error.message}` };
  }
}

/** A venv with nats-py; where venv lacks ensurepip (Debian without python3-venv), a folder on PYTHONPATH. */
async function preparePython() {
  const requirements = join(handlers, 'python', 'requirements.txt');
  const version = await run('python3', ['-c', 'import sys; print("%d.%d.%d" % sys.version_info[:3])'], 'python3');
  const folder = join(cacheDir(), `python-${await keyOf([version], [requirements])}`);
  const venv = { command: join(folder, 'venv', 'bin', 'python'), env: {} };
  const target = { command: 'python3', env: { PYTHONPATH: join(folder, 'packages') } };
  const works = (python) => run(python.command, ['-c', 'import nats'], 'import nats', python.env).then(() => true);

  if (existsSync(join(folder, 'venv')) && (await works(venv).catch(() => false))) return venv;
  if (existsSync(join(folder, 'packages')) && (await works(target).catch(() => false))) return target;

  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--retries', '1'];
  try {
    await run('python3', ['-m', 'venv', join(folder, 'venv')], 'python3 -m venv');
    await run(venv.command, [...pip, '-r', requirements], 'pip install');
    await works(venv);
    return venv;
  } catch (venvError) {
    try {
      await rm(join(folder, 'venv'), { recursive: true, force: true });
      await run('python3', [...pip, '--target', join(folder, 'packages'), '-r', requirements], 'pip install --target');
      await works(target);
      return target;
    } catch (targetError) {
      await rm(folder, { recursive: true, force: true });
      throw new Error(`${venvError.message}; ${targetError.message}`, { cause: targetError });
    }
  }
}

async function prepareGo() {
  const source = join(handlers, 'go');
  const version = await run('go', ['env', 'GOVERSION'], 'go');
  const files = (await readdir(source)).filter((file) => /\.(go|mod|sum)$/.test(file)).sort();
  const key = await keyOf(
    [version],
    files.map((file) => join(source, file)),
  );
  const binary = join(cacheDir(), `go-${key}`, 'container-driver');
  if (existsSync(binary)) return binary;
  await mkdir(dirname(binary), { recursive: true });
  const building = `${binary}.${process.pid}`;
  await run('go', ['build', '-mod=readonly', '-o', building, '.'], 'go build', {}, source);
  await rename(building, binary);
  await writeFile(join(dirname(binary), 'README'), 'Built by Drover from examples/handlers/go. Safe to delete.\n');
  return binary;
}

/** Names a cache entry by what went into it, so that a changed handler is never run from a stale build. */
async function keyOf(words, files) {
  const hash = createHash('sha256');
  for (const word of words) hash.update(`${word}\n`);
  for (const file of files) hash.update(await readFile(file));
  return hash.digest('hex').slice(0, 16);
}

/** Runs a program to its end; rejects with one line that says what failed and the last line it printed. */
function run(command, args, what, env = {}, cwd = undefined) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), SETUP_MILLIS);
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => (out += chunk));
    child.stderr.on('data', (chunk) => (err += chunk));
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new Error(error.code === 'ENOENT' ? `${command} is not installed` : `${what}: ${error.message}`));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve(out.trim());
      else if (signal !== null) reject(new Error(`${what} gave no answer within ${SETUP_MILLIS / 1000} s`));
      else
        reject(new Error(`${what} failed: ${(err || out).trim().split('\n').at(-1)?.slice(0, 200) ?? `exit ${code}`}`));
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(JSON.stringify(await toolchains(), null, 2));
