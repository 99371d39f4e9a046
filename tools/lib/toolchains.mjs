/**
 * Python and Go for the example handlers, as far as this machine has them. Nothing is installed system-wide: a Python
 * environment and the Go handler go into the cache. What cannot be set up is left out with a reason, never silently:
 * callers print it.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDir, publishExecutable, withScratch } from './cache.mjs';
import { run as runProgram, which } from './run.mjs';

const HANDLERS = fileURLToPath(new URL('../../examples/handlers/', import.meta.url));

/** A registry that has not delivered within this time is taken as absent. */
const SETUP_MILLIS = 180_000;

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<{
 *   python: { path: string, env: Record<string, string> } | null, pythonReason: string | null,
 *   go: string | null, goReason: string | null }>}
 * `python`: an interpreter that imports nats-py, with the variables it needs; `go`: the built handler. A reason is set
 * exactly when its language is null.
 */
export async function toolchains(env = process.env) {
  const [python, go] = await Promise.all([
    attempt('Python', () => preparePython(env)),
    attempt('Go', () => prepareGo(env)),
  ]);
  return { python: python.value, pythonReason: python.reason, go: go.value, goReason: go.reason };
}

async function attempt(language, prepare) {
  try {
    return { value: await prepare(), reason: null };
  } catch (error) {
    return { value: null, reason: `${language} handlers are left out: ${error.message}` };
  }
}

/** A venv with nats-py; where venv has no ensurepip (Debian without python3-venv), a folder for PYTHONPATH. */
async function preparePython(env) {
  const python3 = await installed('python3', env);
  const requirements = join(HANDLERS, 'python', 'requirements.txt');
  const version = await run(python3, ['-c', 'import sys; print(sys.version)'], { env });
  const folder = join(cacheDir(env), `python-${await keyOf(version, [requirements])}`);
  const venv = { path: join(folder, 'venv', 'bin', 'python'), env: {} };
  const packages = { path: python3, env: { PYTHONPATH: join(folder, 'packages') } };
  const works = (python) => run(python.path, ['-c', 'import nats'], { env: { ...env, ...python.env } });
  for (const python of [venv, packages]) {
    const there = existsSync(python === venv ? venv.path : packages.env.PYTHONPATH);
    if (there && (await works(python).catch(() => undefined)) !== undefined) return python;
  }

  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements];
  try {
    await run(python3, ['-m', 'venv', join(folder, 'venv')], { env });
    await run(venv.path, install, { env });
    return venv;
  } catch {
    await rm(join(folder, 'venv'), { recursive: true, force: true });
    await run(python3, [...install, '--target', packages.env.PYTHONPATH], { env });
    return packages;
  }
}

/** The Go handler's executable, built from the sources as they are. */
async function prepareGo(env) {
  const go = await installed('go', env);
  const source = join(HANDLERS, 'go');
  const files = (await readdir(source)).filter((file) => /\.(go|mod|sum)$/.test(file)).sort();
  const version = await run(go, ['env', 'GOVERSION'], { env, cwd: source });
  const name = `go-container-driver-${await keyOf(
    version,
    files.map((file) => join(source, file)),
  )}`;
  const cached = join(cacheDir(env), name);
  if (existsSync(cached)) return cached;
  return withScratch(cacheDir(env), async (scratch) => {
    await run(go, ['build', '-o', join(scratch, name), '.'], { env, cwd: source });
    return publishExecutable(cacheDir(env), join(scratch, name), name);
  });
}

async function installed(program, env) {
  const path = await which(program, env);
  if (path === undefined) throw new Error(`${program} is not on PATH`);
  return path;
}

/** Names a cache entry by what went into it: a changed handler never runs from a stale build. */
async function keyOf(version, files) {
  const hash = createHash('sha256').update(version);
  for (const file of files) hash.update(await readFile(file));
  return hash.digest('hex').slice(0, 16);
}

/** What the program printed. @throws Error whose message names the command and the last line it said */
async function run(command, args, options) {
  const ran = await runProgram(command, args, { timeoutMillis: SETUP_MILLIS, ...options });
  if (!ran.ok) throw new Error(`${[basename(command), ...args.slice(0, 3)].join(' ')}: ${ran.reason}`);
  return ran.out.trim();
}
