import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from './run.mjs';

/** The guard (guard.mjs) has ended a killed launcher's programs by then. */
const LEFTOVERS_MILLIS = 3_500;

/**
 * Makes this program the only launcher on a data folder: two nats-servers on one store would both start and spoil it.
 * @returns a function that gives the lock back
 * @throws Error that names the program which holds it
 */
export async function lockFolder(dir, say) {
  await mkdir(dir, { recursive: true });
  const file = join(dir, 'launcher.pid');
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const handle = await open(file, 'wx');
      await handle.writeFile(`${process.pid}\n`);
      await handle.close();
      return () => rm(file, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const holder = Number(await readFile(file, 'utf8').catch(() => ''));
    if (await isLauncher(holder)) {
      throw new Error(
        `Drover runs already on ${dir} (process ${holder}). Stop it first, or set DROVER_DATA_DIR to another folder.`,
      );
    }
    say('The last run was cut off; waiting until its programs have ended.');
    await sleep(LEFTOVERS_MILLIS);
    await rm(file, { force: true });
  }
  throw new Error(`Another start got hold of ${dir} first.`);
}

/** Whether that process is a launcher: after a reboot the number may be anybody's. */
async function isLauncher(pid) {
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code !== 'EPERM') return false;
  }
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(
    async () => (await run('ps', ['-o', 'command=', '-p', String(pid)])).out,
  );
  return command === '' || command.includes('start.mjs');
}
