import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Services boot at once on a small machine; 5,000 types take their time too. */
const READY_MILLIS = 180_000;

/** Waits until a program has written a word into its log. @throws with the log's end when it ends or takes too long */
export function untilPrinted(child, word) {
  return until(child, `say "${word}"`, () => readFileSync(child.logFile, 'utf8').includes(word));
}

/** Waits until a program answers a URL with a status of success. @throws as {@link untilPrinted} */
export function untilOk(child, url) {
  return until(child, `answer ${url}`, () =>
    fetch(url).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
}

async function until(child, what, happened) {
  // Often: boots are measured with it.
  for (const deadline = Date.now() + READY_MILLIS; Date.now() < deadline; await sleep(20)) {
    if (!child.running) throw new Error(`${child.name} ${await child.exited}: ${tail(child.logFile)}`);
    if (await happened()) return;
  }
  throw new Error(`${child.name} does not ${what} within ${READY_MILLIS / 1_000} s: ${tail(child.logFile)}`);
}

/** The last lines of a log. */
export function tail(file) {
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').slice(-5).join('\n') : '';
}
