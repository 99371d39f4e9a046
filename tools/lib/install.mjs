import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Nx is only used in this clone; it must neither start a daemon nor talk to a cloud. */
export const QUIET_NX = { NX_DAEMON: 'false', NX_NO_CLOUD: 'true', NX_TUI: 'false' };

/** Runs a program with the terminal as its own. @returns its exit code */
export function show(command, args, { cwd = ROOT, env = {}, timeoutMillis } = {}) {
  return new Promise((done) => {
    const child = spawn(command, args, { cwd, stdio: 'inherit', env: { ...process.env, ...QUIET_NX, ...env } });
    const timer = timeoutMillis && setTimeout(() => child.kill('SIGKILL'), timeoutMillis);
    child.once('error', (error) => {
      console.error(`${command}: ${error.message}`);
      done(127);
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      done(code ?? 1);
    });
  });
}

/**
 * Whether node_modules differs from the lock file. Compared by content, since a checkout gives every file a new time.
 * Optional packages may be absent: they belong to other platforms.
 */
export function installIsStale(root = ROOT) {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return true;
  const have = readPackages(installed);
  const want = readPackages(join(root, 'package-lock.json'));
  return Object.entries(want).some(([path, entry]) => {
    if (path === '' || entry.optional || entry.devOptional || entry.peer || entry.link) return false;
    return have[path]?.version !== entry.version;
  });
}

const readPackages = (file) => JSON.parse(readFileSync(file, 'utf8')).packages;

/** Installs from the lock file when needed. @throws Error when npm fails */
export async function installIfNeeded(say) {
  if (!installIsStale()) return;
  say('Installing the dependencies (npm ci) …');
  const code = await show('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  if (code !== 0) throw new Error('npm ci failed: see its messages above.');
}

/** Compiles what changed. @throws Error when it does not compile */
export async function build(projects = []) {
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const code = await show(process.execPath, [tsc, '-b', ...projects]);
  if (code !== 0) throw new Error('The TypeScript sources do not compile: see the messages above.');
}
