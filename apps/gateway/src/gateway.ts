import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
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
import { Overload } from './overload/overload.js';

/** Connections that the system holds for a busy moment (the kernel's own bound may be lower): one that it drops is tried again after seconds. */
const BACKLOG = 4_096;

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

/**
 * Starts a gateway. The admin port answers at once (alive, not ready); the public one as soon as NATS does. Whatever else is down then
 * or later is a 503.
 */
export async function startGateway(options: GatewayOptions, logger: Logger): Promise<Gateway> {
  const started: { readiness?: Readiness } = {};
  const ready = async (): Promise<Record<string, boolean>> => started.readiness?.checks() ?? { nats: false };
  const admin = await startAdminServer({ port: options.adminPort, host: options.adminHost, ready });
  const gatewayId = newToken();
  const connection = await connectNats(options.natsUrl, `gateway-${gatewayId}`);
  const app = await createApp(options, logger, new MessageBus(connection), gatewayId);
  await app.listen({ port: options.httpPort, host: options.httpHost, backlog: BACKLOG });
  started.readiness = app.get(Readiness);
  return {
    url: await app.getUrl(),
    adminUrl: admin.url,
    close: async () => {
      await app.close();
      await connection.drain();
      await admin.close();
    },
  };
}

async function createApp(
  options: GatewayOptions,
  logger: Logger,
  bus: MessageBus,
  gatewayId: string,
): Promise<NestFastifyApplication> {
  const app = await NestFactory.create<NestFastifyApplication>(
    GatewayModule.with({ bus, logger, gatewayId }),
    fastifyAdapter(),
    {
      bodyParser: false,
      logger: new NestLogger(logger),
    },
  );
  const fastify = app.getHttpAdapter().getInstance();
  installBodyParsers(fastify);
  // There is no authentication yet, so the rules hold however DROVER_AUTH is set.
  const rules = { enforce: true, allowedHosts: [...options.allowedHosts] };
  installHooks(fastify, rules, app.get(Overload), app.get(GatewayMetrics));
  return app;
}
