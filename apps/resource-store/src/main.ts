import 'reflect-metadata';
import { SUBJECTS } from '@drover/contracts';
import { connectNats, ContractServer, MessageBus } from '@drover/messaging';
import { collectWhenQuiet, NestLogger, startAdminServer } from '@drover/telemetry';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { Registry } from 'prom-client';
import { DataSource } from 'typeorm';
import { AppModule } from './app.module.js';
import { prepareDatabase } from './boot.js';
import { createStoreLog } from './observability/store-log.js';
import { RegistryService } from './registry/registry.service.js';
import { loadSettings } from './settings.js';

const settings = loadSettings();
const { log, logger } = createStoreLog(settings.logLevel);
const metrics = new Registry();

/** `serving`: false until the database is prepared and while the program stops. */
const health = { serving: false, nats: false, dataSource: null as DataSource | null };

const admin = await startAdminServer({
  port: settings.adminPort,
  host: settings.adminHost,
  registry: metrics,
  ready: async () => ({
    serving: health.serving,
    nats: health.nats,
    database:
      (await health.dataSource?.query('select 1').then(
        () => true,
        () => false,
      )) === true,
  }),
});

collectWhenQuiet();

const connection = await connectNats(settings.natsUrl, 'resource-store');
health.nats = true;
void (async () => {
  for await (const { type } of connection.status()) {
    if (type === 'disconnect') health.nats = false;
    if (type === 'reconnect') health.nats = true;
  }
})();

const bus = new MessageBus(connection);
const server = new ContractServer(bus, {
  trusted: true,
  onInternalError: (error, subject) => log.error({ error, subject }, 'a request failed'),
});
const app = await NestFactory.createMicroservice<MicroserviceOptions>(AppModule.with({ settings, bus, log, metrics }), {
  strategy: server,
  logger: new NestLogger(logger),
  abortOnError: false,
});
health.dataSource = app.get(DataSource);
await prepareDatabase(app);
connection.subscribe(SUBJECTS.hint.registry, { callback: () => app.get(RegistryService).forget() });
await app.listen();
health.serving = true;
log.info({ admin: admin.url }, 'the resource store serves');
// Nobody waits for it, and whoever needs what fails here is told.
void app
  .get(RegistryService)
  .warmUp()
  .catch(() => undefined);

let stopping = false;
/** Requests in hand are answered, the lease is given back, then the connections close. */
async function stop(signal: string): Promise<void> {
  if (stopping) return;
  stopping = true;
  health.serving = false;
  log.info({ signal }, 'stopping');
  // Whatever hangs: the program ends before its supervisor kills it.
  setTimeout(() => process.exit(1), 8_000).unref();
  await app.close();
  await connection.drain().catch(() => undefined);
  await admin.close();
  process.exit(0);
}
process.on('SIGTERM', (signal) => void stop(signal));
process.on('SIGINT', (signal) => void stop(signal));
