import { engineSettings, flag, integer, list, loadConfig, type Values } from '@drover/config';

const settings = {
  ...engineSettings,
  /** folders, files and packages of in-process handlers, loaded at boot: all of them, or the engine does not start */
  handlers: list('DROVER_HANDLERS'),
  /** every in-process handler runs twice, and a difference fails the attempt: for tests and CI */
  handlersCheck: flag('DROVER_HANDLERS_CHECK', false),
  /** how often removed resources are looked for that are due to be purged */
  purgeEveryMillis: integer('DROVER_PURGE_EVERY_MILLIS', { fallback: 60_000, min: 100, max: 86_400_000 }),
};

export type Settings = Values<typeof settings>;

/** @throws ConfigError with every problem at once */
export const loadSettings = (): Settings => loadConfig(settings);
