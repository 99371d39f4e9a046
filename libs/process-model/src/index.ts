export * from './definitions/index.js';
export * from './states/index.js';
export * from './fields/index.js';
export * from './decide/index.js';
export * from './handlers/bindings.js';
export { stepsOf } from './handlers/steps-of.js';
export * from './leases/slot-leases.js';
export * from './view/external-resource.js';
export * from './dot/index.js';
