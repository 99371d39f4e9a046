import { engineSettings, flag, list, loadConfig, type Values } from '@drover/config';

const settings = {
  ...engineSettings,
  /** folders, files and packages of in-process handlers, loaded at boot: all of them, or the engine does not start */
  handlers: list('DROVER_HANDLERS'),
  /** every in-process handler runs twice, and a difference fails the attempt: for tests and CI */
  handlersCheck: flag('DROVER_HANDLERS_CHECK', false),
};

export type Settings = Values<typeof settings>;

/** @throws ConfigError with every problem at once */
export const loadSettings = (): Settings => loadConfig(settings);
