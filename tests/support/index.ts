/** What tests of the running services share: see docs/operations/testing.md. */
export { Client } from './client.js';
export { Cluster, type HandlerOptions, type RegisteredHandler } from './cluster.js';
export { type Answer, Delivery, inTurn, late, never, SILENCE, TestHandler } from './test-handler.js';
export { DurableHandler, type WorkAnswer, type WorkDelivery } from './durable-handler.js';
export { ContainerDriver, type EventLine } from './container-driver.js';
export { Load } from './load.js';
