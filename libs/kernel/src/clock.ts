/** Milliseconds that never jump back; for leases and elapsed times inside one program only. Durable times are the database's. */
export function monotonicMillis(): number {
  return performance.now();
}

export function sleep(millis: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, millis);
    signal?.addEventListener('abort', done, { once: true });
  });
}
