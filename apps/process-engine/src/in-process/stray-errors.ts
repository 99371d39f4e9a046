import { AsyncLocalStorage } from 'node:async_hooks';
import type { Logger } from '@drover/telemetry';

/** The in-process handler on whose behalf code runs, its timers and forgotten promises included. */
export const underHandler = new AsyncLocalStorage<string | undefined>();

/** Errors that handlers threw where nobody could catch them. */
export const strays = { count: 0 };

/**
 * An error in a handler's timer or forgotten promise would end this program: it is logged with the handler's name instead, and the
 * engine goes on. One that is not a handler's ends the program as ever: the engine's own state may be half.
 */
export function surviveStrayErrors(log: Pick<Logger, 'error' | 'fatal'>): void {
  process.on('uncaughtException', (err) => {
    const handler = underHandler.getStore();
    if (handler === undefined) {
      log.fatal({ err }, 'an error that nobody caught');
      process.exit(1);
    }
    strays.count++;
    log.error({ err, handler }, 'an in-process handler threw outside its attempt: await every promise it makes');
  });
}
