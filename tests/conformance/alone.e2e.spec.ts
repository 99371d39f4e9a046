import { describe } from 'vitest';
import { ALONE } from './areas/index.js';
import { run } from './run.js';

/** One after the other, on a stack that nobody else uses. */
describe('conformance of what concerns the whole cluster', () => run(ALONE, { concurrent: false }));
