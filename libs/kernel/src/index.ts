export * from './backoff.js';
export * from './batcher.js';
export * from './clock.js';
export * from './errors.js';
export * from './glob.js';
export * from './ids.js';
export * from './json.js';
export * from './throttle.js';
