import type { Logger } from '@drover/telemetry';

/** Injection token and type of the structured log: pino's own methods. */
export abstract class Log {
  abstract error: Logger['error'];
  abstract warn: Logger['warn'];
  abstract info: Logger['info'];
  abstract debug: Logger['debug'];
}
