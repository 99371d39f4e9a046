export {
  choice,
  flag,
  folder,
  integer,
  list,
  optional,
  port,
  text,
  url,
  type Setting,
  type SettingsSpec,
  type Values,
} from './settings.js';
export { ConfigError, loadConfig } from './load.js';
export {
  engineSettings,
  gatewaySettings,
  loadEngineConfig,
  loadGatewayConfig,
  loadStoreConfig,
  serviceSettings,
  storeSettings,
  type EngineConfig,
  type GatewayConfig,
  type StoreConfig,
} from './services.js';
