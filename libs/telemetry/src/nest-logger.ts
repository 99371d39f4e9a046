import type { LoggerService } from '@nestjs/common';
import type { Logger } from 'pino';

/** Sends what Nest says to our own log. Nest's `context` (a class name) comes last in its arguments. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  // Nest reports each module and route at `log`; that is detail of a boot, not of the service's life.
  log(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.write('trace', message, rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
  }

  private write(level: 'fatal' | 'error' | 'warn' | 'debug' | 'trace', message: unknown, rest: unknown[]): void {
    const context = typeof rest.at(-1) === 'string' ? rest.at(-1) : undefined;
    const stack = rest.slice(0, -1).find((part) => typeof part === 'string');
    const err = message instanceof Error ? message : rest.find((part) => part instanceof Error);
    const fields = { ...(context ? { context } : {}), ...(stack ? { stack } : {}), ...(err ? { err } : {}) };
    this.logger[level](fields, message instanceof Error ? message.message : toText(message));
  }
}

const toText = (message: unknown): string => (typeof message === 'string' ? message : JSON.stringify(message));
