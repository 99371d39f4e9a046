export { startNats, startNatsOf, type NatsOptions, type NatsServer } from './nats.js';
export { createDatabase, startPostgres, type PostgresServer, type TestDatabase } from './postgres.js';
export { startStack, type RunningService, type ServiceName, type Stack, type StackOptions } from './stack.js';
export { waitFor, type WaitOptions } from './wait-for.js';
export { freePort, fillHistory, fillResources } from './servers.js';
