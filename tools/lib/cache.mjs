import { chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Folder for what is fetched once and used by every clone on this machine.
 * @param {NodeJS.ProcessEnv} env
 */
export function cacheDir(env = process.env) {
  return env.DROVER_CACHE_DIR || join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'drover');
}

/**
 * Runs `fill` in a private folder inside the cache and removes that folder whatever happens, so that an interrupted
 * download or build never looks like a finished one. The folder is on the cache's own file system: a rename out of it
 * is atomic.
 */
export async function withScratch(cache, fill) {
  await mkdir(cache, { recursive: true });
  const scratch = await mkdtemp(join(cache, '.partial-'));
  try {
    return await fill(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Puts a finished executable into the cache under its final name, in one step. */
export async function publishExecutable(cache, file, name) {
  const target = join(cache, name);
  await chmod(file, 0o755);
  await rename(file, target).catch(async (error) => {
    if (error.code !== 'EXDEV') throw error;
    await copyFile(file, `${target}.${process.pid}`);
    await rename(`${target}.${process.pid}`, target);
  });
  return target;
}

/** Writes a small file so that a reader sees the old or the new text, never half of one. */
export async function writeWhole(file, text, mode = 0o644) {
  const partial = `${file}.${process.pid}`;
  await writeFile(partial, text, { mode });
  await rename(partial, file);
}

/** The file's trimmed text, or undefined when there is none. */
export async function readIfPresent(file) {
  return readFile(file, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );
}
