export * from './definitions/index.js';
export * from './states/index.js';
export * from './fields/index.js';
