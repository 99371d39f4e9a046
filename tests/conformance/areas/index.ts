import type { Area } from '../scenario.js';
import { durableSteps, history, replies } from './durable-steps.js';
import { failure, operators } from './failure.js';
import { ordering, results } from './ordering.js';
import { preemption, scheduling } from './scheduling.js';

/** All areas, in the order of the page. */
export const AREAS: readonly Area[] = [
  scheduling,
  ordering,
  results,
  durableSteps,
  failure,
  operators,
  preemption,
  replies,
  history,
];
