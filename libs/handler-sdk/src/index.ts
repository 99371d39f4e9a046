export * from './process-handler.js';
export {
  serveHandlers,
  type ExternalContext,
  type ExternalHandler,
  type ServedHandlers,
  type ServeHandlersOptions,
} from './serve-handlers.js';
