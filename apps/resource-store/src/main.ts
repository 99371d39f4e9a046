import 'reflect-metadata';
import { SUBJECTS } from '@drover/contracts';
import { connectNats, ContractServer, MessageBus } from '@drover/messaging';
import { NestLogger, startAdminServer } from '@drover/telemetry';
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

/** False until the database is prepared and while the program stops. */
let serving = false;
let dataSource: DataSource | undefined;
let natsUp = false;

const admin = await startAdminServer({
  port: settings.adminPort,
  host: settings.adminHost,
  registry: metrics,
  ready: async () => ({
    serving,
    nats: natsUp,
    database:
      (await dataSource?.query('select 1').then(
        () => true,
        () => false,
      )) === true,
  }),
});

const connection = await connectNats(settings.natsUrl, 'resource-store');
natsUp = true;
void (async () => {
  for await (const { type } of connection.status()) {
    if (type === 'disconnect') natsUp = false;
    if (type === 'reconnect') natsUp = true;
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
dataSource = app.get(DataSource);
await prepareDatabase(app);
connection.subscribe(SUBJECTS.hint.registry, { callback: () => app.get(RegistryService).forget() });
await app.listen();
serving = true;
log.info({ admin: admin.url }, 'the resource store serves');

let stopping = false;
/** Requests in hand are answered, the lease is given back, then the connections close. */
async function stop(signal: string): Promise<void> {
  if (stopping) return;
  stopping = true;
  serving = false;
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
