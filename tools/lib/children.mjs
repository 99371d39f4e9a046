import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** How Node runs a program of ours: stacks in our own lines, and memory that may be given back (libs/telemetry/src/quiet-collection.ts). As in the images. */
export const NODE_FLAGS = ['--enable-source-maps', '--expose-gc'];

let guard;

/** One guard per launcher, started with its first child; see guard.mjs. */
function tellGuard(message) {
  if (!guard) {
    guard = spawn(process.execPath, [fileURLToPath(new URL('guard.mjs', import.meta.url))], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    guard.on('error', () => {});
    guard.stdin.on('error', () => {});
    guard.unref();
    guard.stdin.unref?.();
  }
  guard.stdin.write(`${JSON.stringify(message)}\n`);
}

/**
 * Starts a program in a process group of its own, so that a Ctrl-C in the terminal reaches the launcher only and the
 * launcher decides the order of stopping. Its output goes to `logFile`.
 * @param {object} options
 * @param {string} options.name       for messages
 * @param {string} options.command
 * @param {string[]} [options.args]
 * @param {string} options.logFile    appended to
 * @param {string} [options.stopSignal] what ends it cleanly; SIGTERM unless said
 * @returns a handle; `exited` resolves to what a person would say about the end
 */
export function startChild({ name, command, args = [], logFile, stopSignal = 'SIGTERM', ...options }) {
  const log = openSync(logFile, 'a');
  let child;
  try {
    child = spawn(command, args, { detached: true, stdio: ['ignore', log, log], ...options });
  } finally {
    closeSync(log);
  }
  const pid = child.pid;
  if (pid) tellGuard({ add: pid, signal: stopSignal });
  const exited = new Promise((done) => {
    child.once('error', (error) => done(`could not start: ${error.message}`));
    child.once('exit', (code, signal) => done(signal ? `ended by ${signal}` : `ended with code ${code}`));
  });
  const handle = { name, pid, logFile, running: pid !== undefined, exited, kill, stop };
  exited.then(() => {
    handle.running = false;
    if (pid) tellGuard({ remove: pid });
  });
  return handle;

  /** Signals it, if it still runs, and waits for its end. */
  async function kill(signal = 'SIGKILL') {
    if (handle.running) child.kill(signal);
    return exited;
  }

  /** Asks it to end; takes it down when it does not within the time. */
  async function stop(timeoutMillis = 10_000) {
    const timer = setTimeout(() => handle.running && child.kill('SIGKILL'), timeoutMillis);
    try {
      return await kill(stopSignal);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Lets the launcher end without waiting for its guard. For a launcher whose children have all ended. */
export async function releaseGuard() {
  if (!guard) return;
  guard.ref(); // else Node sees nothing left to wait for, and ends with code 13
  guard.stdin.end();
  if (guard.exitCode === null) await once(guard, 'exit');
  guard = undefined;
}
