export * from './commit.js';
export * from './commit-wire.js';
export * from './engine.js';
export * from './handler.js';
export * from './request.js';
export * from './rows.js';
export * from './store.js';
export * from './subjects.js';
