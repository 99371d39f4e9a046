import { createLogger, type Logger } from '@drover/telemetry';

/** The service's log, as a name that Nest can inject. Errors go under `error`. */
export abstract class StoreLog {
  abstract info(fields: object, message: string): void;
  abstract warn(fields: object, message: string): void;
  abstract error(fields: object, message: string): void;
}

export function createStoreLog(level: string): { log: StoreLog; logger: Logger } {
  const logger = createLogger('resource-store', { level });
  const write = (at: 'info' | 'warn' | 'error') => (fields: { error?: unknown }, message: string) => {
    const { error, ...rest } = fields;
    logger[at](error === undefined ? rest : { ...rest, err: error }, message);
  };
  return { log: { info: write('info'), warn: write('warn'), error: write('error') }, logger };
}
