import type { Logger } from '@drover/telemetry';

/** Token for the service's logger: injected by type. */
export abstract class Log {
  abstract debug: Logger['debug'];
  abstract info: Logger['info'];
  abstract warn: Logger['warn'];
  abstract error: Logger['error'];
}
