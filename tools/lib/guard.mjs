/**
 * Ends the programs of a launcher that died without stopping them. The launcher writes one JSON line per change
 * (`{add: pid, signal}` or `{remove: pid}`) into this program's stdin; the pipe closes when the launcher ends, however
 * it ends, SIGKILL included. What is still registered then gets its signal, and SIGKILL a moment later.
 */
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** PostgreSQL needs about 50 ms for a fast stop; the services promise one second. */
const GRACE_MILLIS = 2_500;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});

const guarded = new Map();
for await (const line of createInterface({ input: process.stdin })) {
  const { add, remove, signal } = JSON.parse(line);
  if (add) guarded.set(add, signal);
  if (remove) guarded.delete(remove);
}

/** @returns whether the process was there */
function send(pid, signal) {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

// Last started, first stopped: services before the servers they use.
const deadline = Date.now() + GRACE_MILLIS;
for (const [pid, signal] of [...guarded].reverse()) send(pid, signal);
while (Date.now() < deadline && [...guarded.keys()].some((pid) => send(pid, 0))) await sleep(50);
for (const pid of guarded.keys()) send(pid, 'SIGKILL');
