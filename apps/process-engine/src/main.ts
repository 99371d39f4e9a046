import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { connectNats, ContractServer, MessageBus } from '@drover/messaging';
import { collectWhenQuiet, createLogger, NestLogger, startAdminServer } from '@drover/telemetry';
import { AppModule } from './app.module.js';
import { CommandIntake } from './intake/command-intake.js';
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
// A connection of its own for what clients ask: a flood of it does not stand in one line with replies and commits, and where the broker
// gives up on a reader too slow for it, it is this one.
const asked = new MessageBus(await connectNats(settings.natsUrl, 'process-engine-commands'));
const server: ContractServer = new ContractServer(asked, {
  // What the intake lets wait, and what is being done.
  maxInFlight: settings.intakeQueue + IN_FLIGHT,
  sliced: true,
  refuse: (subject, request) => intake.refusal(subject, request),
  onInternalError: (err, subject) => logger.error({ err, subject }, 'a request failed unexpectedly'),
});

const app = await NestFactory.createMicroservice(AppModule.with(bus, logger, inProcess, settings), {
  strategy: server,
  logger: new NestLogger(logger),
});
const intake: CommandIntake = app.get(CommandIntake);
registerMetrics(app, bus, asked);
const admin = await startAdminServer({
  port: settings.adminPort,
  host: settings.adminHost,
  ready: async () => ({
    nats: !connection.isClosed() && !asked.connection.isClosed(),
    registry: app.get(EngineRegistry).mirror.snapshot.revision > 0,
    replySlot: app.get(ReplySlots).ready,
  }),
});
await app.listen();
collectWhenQuiet();
logger.info({ adminPort: admin.port }, 'process engine is up');

// Nest stops the providers first; the connections they talk through go last.
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, () => {
    void app
      .close()
      .then(() => admin.close())
      .then(() => Promise.all([asked.connection.drain(), connection.drain()]))
      .finally(() => process.exit(0));
  });
