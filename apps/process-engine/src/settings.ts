import { engineSettings, list, loadConfig, type Values } from '@drover/config';

const settings = {
  ...engineSettings,
  /** modules that export `handlers: ProcessHandler[]`, loaded at boot */
  handlerModules: list('DROVER_HANDLER_MODULES'),
};

export type Settings = Values<typeof settings>;

/** @throws ConfigError with every problem at once */
export const loadSettings = (): Settings => loadConfig(settings);
