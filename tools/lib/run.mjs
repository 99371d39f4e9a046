import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/**
 * Runs a program to its end. Never throws for the program's own failure: the caller decides what that means.
 * @returns {Promise<{ok: boolean, out: string, reason: string}>} `reason` is the last line it said on stderr, or why it could not run
 */
export function run(command, args, { timeoutMillis = 10_000, ...options } = {}) {
  return new Promise((done) => {
    const child = execFile(
      command,
      args,
      { timeout: timeoutMillis, killSignal: 'SIGKILL', maxBuffer: 16 << 20, ...options },
      (error, stdout, stderr) => {
        if (!error) return done({ ok: true, out: stdout, reason: '' });
        const said = (stderr.trim() || stdout.trim()).split('\n').at(-1);
        const reason = error.killed ? `gave no answer within ${timeoutMillis / 1000} s` : said || error.message;
        done({ ok: false, out: stdout, reason });
      },
    );
    child.stdin?.end();
  });
}

/** First executable file of that name on PATH, or undefined. */
export async function which(name, env = process.env) {
  for (const folder of (env.PATH ?? '').split(delimiter).filter(Boolean)) {
    const candidate = join(folder, name);
    if (
      await access(candidate, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return candidate;
  }
  return undefined;
}
