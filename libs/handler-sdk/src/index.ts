export * from './process-handler.js';
