import { loadConfig } from './load.js';
import { choice, flag, folder, list, optional, port, text, url, type Values } from './settings.js';

/** What every service reads. */
export const serviceSettings = {
  natsUrl: url('DROVER_NATS_URL', ['nats', 'tls'], 'nats://127.0.0.1:4222'),
  adminPort: port('DROVER_ADMIN_PORT', 9090),
  /** Loopback unless said: /metrics tells more than the public port does. Images set 0.0.0.0 for the probes. */
  adminHost: text('DROVER_ADMIN_HOST', '127.0.0.1'),
  logLevel: choice('DROVER_LOG_LEVEL', ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'info'),
};

export const gatewaySettings = {
  ...serviceSettings,
  httpPort: port('DROVER_HTTP_PORT', 8080),
  httpHost: text('DROVER_HTTP_HOST', '127.0.0.1'),
  /** Off only where the launcher says so: nobody gets an open gateway by forgetting a variable. */
  auth: flag('DROVER_AUTH', true),
  /** Further `Host` values that are answered while authentication is off. */
  allowedHosts: list('DROVER_ALLOWED_HOSTS'),
  adminKey: optional(text('DROVER_ADMIN_KEY')),
  adminSecret: optional(text('DROVER_ADMIN_SECRET')),
};

export const engineSettings = { ...serviceSettings };

export const storeSettings = {
  ...serviceSettings,
  databaseUrl: url('DROVER_DATABASE_URL', ['postgresql', 'postgres']),
  /** Folder of definition documents applied at boot. */
  definitions: optional(folder('DROVER_DEFINITIONS')),
};

export type GatewayConfig = Values<typeof gatewaySettings>;
export type EngineConfig = Values<typeof engineSettings>;
export type StoreConfig = Values<typeof storeSettings>;

/** @throws ConfigError with every problem at once */
export const loadGatewayConfig = (env: NodeJS.ProcessEnv = process.env): GatewayConfig =>
  loadConfig(gatewaySettings, env);

/** @throws ConfigError with every problem at once */
export const loadEngineConfig = (env: NodeJS.ProcessEnv = process.env): EngineConfig => loadConfig(engineSettings, env);

/** @throws ConfigError with every problem at once */
export const loadStoreConfig = (env: NodeJS.ProcessEnv = process.env): StoreConfig => loadConfig(storeSettings, env);
