export { NO_WATCHED_REFERENCES, WatchedReferences } from './watched-references.js';
export { hindrances, refsAfter, refsOf, refTo, relationOf } from './refs.js';
export { valueProblem, type ValueProblem } from './values.js';
export { coerceForm, references, validateCreate, validateUpdate, type CheckedBody } from './body.js';
export { validateHandlerData, type HandlerData } from './handler-data.js';
