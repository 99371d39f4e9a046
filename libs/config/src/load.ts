import type { SettingsSpec, Values } from './settings.js';

/** What an operator has to correct, all of it at once. Names variables, never their values. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly problems: readonly string[]) {
    super(`The configuration is not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  }
}

/**
 * Reads a service's settings from the environment, once, at boot. A service adds its own keys to a common spec:
 * `loadConfig({ ...engineSettings, handlerTimeoutMillis: integer('ENGINE_HANDLER_TIMEOUT_MILLIS', { fallback: 45_000 }) })`.
 * An empty variable counts as absent, since compose files and manifests cannot leave one out.
 * @throws ConfigError with every problem, not only the first
 */
export function loadConfig<S extends SettingsSpec>(spec: S, env: NodeJS.ProcessEnv = process.env): Values<S> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [key, { variable, read, fallback }] of Object.entries(spec)) {
    const given = env[variable]?.trim() ?? '';
    if (given === '') {
      if (fallback === undefined) problems.push(`${variable} must be set`);
      else values[key] = fallback.value;
      continue;
    }
    try {
      values[key] = read(given);
    } catch (error) {
      problems.push(`${variable} ${(error as Error).message}`);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(values) as Values<S>;
}
