export { processDot, resourceDot, type DotOptions, type ProcessHandlers } from './dot.js';
