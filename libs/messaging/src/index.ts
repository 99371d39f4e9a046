export * from './bus.js';
export * from './connection.js';
export * from './consumer-info.js';
export * from './expected.js';
export * from './nest-server.js';
export * from './outbox.js';
export * from './guarded-stream.js';
export * from './upkeep.js';
