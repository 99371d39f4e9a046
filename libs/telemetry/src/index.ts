export { createLogger, type Logger } from './logger.js';
export { NestLogger } from './nest-logger.js';
export { collectWhenQuiet } from './quiet-collection.js';
export { startAdminServer, type AdminServer, type AdminServerOptions } from './admin-server.js';
