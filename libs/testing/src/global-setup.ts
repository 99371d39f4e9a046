import { SHARED_POSTGRES, startPostgres } from './postgres.js';
import { resolveNatsServer } from './servers.js';

/**
 * Once per vitest project with server tests: finds (or builds) nats-server before any test's clock runs, and starts the
 * one PostgreSQL that all suites take their databases from. Workers inherit its URL with the environment.
 */
export default async function setup(): Promise<() => Promise<void>> {
  const say = (line: string): void => console.log(line);
  await resolveNatsServer({ env: { ...process.env, DROVER_NATS_URL: '' }, say });
  const postgres = await startPostgres();
  process.env[SHARED_POSTGRES] = postgres.url;
  return async () => {
    delete process.env[SHARED_POSTGRES];
    await postgres[Symbol.asyncDispose]();
  };
}
