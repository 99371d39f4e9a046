import type { Area } from '../scenario.js';
import { cancel, why } from './cancel.js';
import { durableSteps, history, replies } from './durable-steps.js';
import { failure, operators } from './failure.js';
import { gates } from './gates.js';
import { ordering, results } from './ordering.js';
import { presence, purge } from './presence.js';
import { related } from './related.js';
import { preemption, scheduling } from './scheduling.js';

/** All areas, in the order of the page. */
export const AREAS: readonly Area[] = [
  scheduling,
  ordering,
  results,
  durableSteps,
  failure,
  operators,
  cancel,
  preemption,
  gates,
  presence,
  related,
  replies,
  history,
  why,
  purge,
];
