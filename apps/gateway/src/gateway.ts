import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import helmet from '@fastify/helmet';
import type { GatewayConfig } from '@drover/config';
import { newToken } from '@drover/kernel';
import { connectNats, MessageBus } from '@drover/messaging';
import { type Logger, NestLogger, startAdminServer } from '@drover/telemetry';
import { GatewayModule } from './app.module.js';
import { GatewayMetrics } from './health/metrics.js';
import { Readiness } from './health/readiness.js';
import { installBodyParsers } from './http/body-parsers.js';
import { fastifyAdapter } from './http/fastify.js';
import { installHooks } from './http/hooks.js';

/** A running gateway. */
export interface Gateway {
  /** public address, without a slash at the end */
  readonly url: string;
  readonly adminUrl: string;
  close(): Promise<void>;
}

export type GatewayOptions = Pick<
  GatewayConfig,
  'natsUrl' | 'httpPort' | 'httpHost' | 'adminPort' | 'adminHost' | 'allowedHosts'
>;

/** Starts a gateway: ready to answer when the promise resolves, whether or not its dependencies are (they are 503 until then). */
export async function startGateway(options: GatewayOptions, logger: Logger): Promise<Gateway> {
  const gatewayId = newToken();
  const connection = await connectNats(options.natsUrl, `gateway-${gatewayId}`);
  const bus = new MessageBus(connection);
  const app = await NestFactory.create<NestFastifyApplication>(
    GatewayModule.with({ bus, logger, gatewayId }),
    fastifyAdapter(),
    { bodyParser: false, logger: new NestLogger(logger) },
  );
  const fastify = app.getHttpAdapter().getInstance();
  installBodyParsers(fastify);
  // There is no authentication yet, so the rules hold however DROVER_AUTH is set.
  installHooks(fastify, { enforce: true, allowedHosts: [...options.allowedHosts] }, app.get(GatewayMetrics));
  await app.register(helmet, { contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } });
  await app.listen(options.httpPort, options.httpHost);
  const readiness = app.get(Readiness);
  const admin = await startAdminServer({
    port: options.adminPort,
    host: options.adminHost,
    ready: () => readiness.checks(),
  });
  return {
    url: await app.getUrl(),
    adminUrl: admin.url,
    close: async () => {
      await admin.close();
      await app.close();
      await connection.drain();
    },
  };
}
