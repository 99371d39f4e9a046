export * from './predicates.js';
export * from './continuations.js';
