export * from './data-source.js';
export * from './errors.js';
export * from './migrate.js';
export * from './pinned-connection.js';
export * from './query.js';
