import type { Area } from '../scenario.js';
import { alone } from './alone.js';
import { cancel } from './cancel.js';
import { durableSteps } from './durable-steps.js';
import { failure } from './failure.js';
import { gates } from './gates.js';
import { history } from './history.js';
import { operators } from './operators.js';
import { ordering } from './ordering.js';
import { preemption } from './preemption.js';
import { presence } from './presence.js';
import { purge } from './purge.js';
import { related } from './related.js';
import { replies } from './replies.js';
import { results } from './results.js';
import { scheduling } from './scheduling.js';
import { why } from './why.js';

/** The areas whose scenarios run beside each other, in the order of the page. */
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

/** Those that would disturb others. */
export const ALONE: readonly Area[] = [alone];

export const ALL: readonly Area[] = [...AREAS, ...ALONE];
