import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { connectNats, ContractServer, MessageBus } from '@drover/messaging';
import { createLogger, NestLogger, startAdminServer } from '@drover/telemetry';
import { AppModule } from './app.module.js';
import { InProcessHandlers } from './in-process/in-process-handlers.js';
import { loadHandlers } from './in-process/load-handlers.js';
import { surviveStrayErrors } from './in-process/stray-errors.js';
import { EngineRegistry } from './registry/engine-registry.js';
import { ReplySlots } from './replies/reply-slots.js';
import { registerMetrics } from './metrics.js';
import { loadSettings } from './settings.js';

/** Requests worked on at once, besides those that wait in the intake. */
const IN_FLIGHT = 4_096;

const settings = loadSettings();
const logger = createLogger('process-engine', { level: settings.logLevel });
const loaded = await loadHandlers(settings.handlers);
const inProcess = new InProcessHandlers(
  loaded.map(({ handler }) => handler),
  settings.handlersCheck,
);
if (loaded.length > 0) {
  surviveStrayErrors(logger);
  logger.info({ handlers: inProcess.names, check: inProcess.checked }, 'in-process handlers loaded');
}
const connection = await connectNats(settings.natsUrl, 'process-engine');
const bus = new MessageBus(connection);
const server = new ContractServer(bus, {
  // What the intake lets wait, and what is being done.
  maxInFlight: settings.intakeQueue + IN_FLIGHT,
  onInternalError: (err, subject) => logger.error({ err, subject }, 'a request failed unexpectedly'),
});

const app = await NestFactory.createMicroservice(AppModule.with(bus, logger, inProcess, settings), {
  strategy: server,
  logger: new NestLogger(logger),
});
registerMetrics(app, bus);
const admin = await startAdminServer({
  port: settings.adminPort,
  host: settings.adminHost,
  ready: async () => ({
    nats: !connection.isClosed(),
    registry: app.get(EngineRegistry).mirror.snapshot.revision > 0,
    replySlot: app.get(ReplySlots).ready,
  }),
});
await app.listen();
logger.info({ adminPort: admin.port }, 'process engine is up');

// Nest stops the providers first; the connection they talk through goes last.
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, () => {
    void app
      .close()
      .then(() => admin.close())
      .then(() => connection.drain())
      .finally(() => process.exit(0));
  });
