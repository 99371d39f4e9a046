import { pino, type DestinationStream, type Logger } from 'pino';
export type { Logger } from 'pino';

/** Keys whose values never reach a log, wherever in the first three levels they stand. */
const SECRET_KEYS = [
  'authorization',
  'cookie',
  'password',
  'secret',
  'secretValue',
  'token',
  'adminSecret',
  'databaseUrl',
  'natsUrl',
];
const redacted = SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]);

/**
 * A logger that writes JSON lines to stdout: `level` as a word, `time` in ISO 8601, `service`, and what the call adds.
 * @param service  name of the program: `gateway`, `process-engine`, `resource-store`
 * @param options.level        least level written; `info` unless given
 * @param options.destination  for tests; stdout unless given
 */
export function createLogger(
  service: string,
  { level = 'info', destination }: { level?: string; destination?: DestinationStream } = {},
): Logger {
  const options = {
    level,
    base: { service, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: redacted, censor: '[redacted]' },
  };
  return destination ? pino(options, destination) : pino(options);
}
