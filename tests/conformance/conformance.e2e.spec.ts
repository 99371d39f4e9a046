import { describe } from 'vitest';
import { AREAS } from './areas/index.js';
import { run } from './run.js';

/** Beside each other: each scenario has types and handlers of its own. */
describe('conformance', () => run(AREAS, { concurrent: true }));
