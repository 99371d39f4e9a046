import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from '../install.mjs';

/**
 * Runs a program of bench/dist with its configuration; what it says on stderr is shown.
 * @param {string} program  as `run/client.js`
 * @param {object} config
 * @param {(child: import('node:child_process').ChildProcess) => void} [started]
 * @returns {Promise<object>} the one line it prints
 */
export async function runClient(program, config, started = () => {}) {
  const child = spawn(process.execPath, ['--enable-source-maps', join(ROOT, 'bench/dist', program)], {
    env: { ...process.env, NODE_ENV: 'production', BENCH_CONFIG: JSON.stringify(config) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  started(child);
  let out = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`the client ended with ${code}`);
  return JSON.parse(out);
}
