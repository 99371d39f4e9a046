import 'reflect-metadata';
import { ConfigError, loadGatewayConfig } from '@drover/config';
import { collectWhenQuiet, createLogger } from '@drover/telemetry';
import { startGateway } from './gateway.js';

/** A shutdown that hangs is ended after this, milliseconds. */
const SHUTDOWN_MILLIS = 10_000;

async function main(): Promise<void> {
  const config = loadGatewayConfig();
  const logger = createLogger('gateway', { level: config.logLevel });
  const gateway = await startGateway(config, logger);
  collectWhenQuiet();
  logger.info({ url: gateway.url, adminUrl: gateway.adminUrl }, 'the gateway answers');
  logger.warn('there is no authentication yet: whoever reaches the port may do everything');
  // On is the setting's default too: only who asks for it must hear that it does nothing.
  if (config.auth && process.env['DROVER_AUTH'])
    logger.warn('DROVER_AUTH=on has no effect yet: nothing asks for a key; only Host and Origin are checked');
  const stop = (signal: string): void => {
    logger.info({ signal }, 'stopping');
    setTimeout(() => process.exit(1), SHUTDOWN_MILLIS).unref();
    gateway.close().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'the shutdown failed');
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

main().catch((error: unknown) => {
  console.error(error instanceof ConfigError ? error.message : error);
  process.exit(1);
});
