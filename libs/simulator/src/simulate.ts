import type { TypeDefinition } from '@drover/process-model';
import type { Mutant } from './mutants.js';
import type { StoreModel } from './store/store-model.js';
import { World, type WorldOptions } from './world/world.js';

/** What became of one seed. */
export interface SeedResult {
  seed: number;
  events: number;
  /** what was wrong, in words that begin with the number of the invariant; empty when nothing was */
  violations: string[];
  /** what is left */
  store: StoreModel;
}

/** Runs one seed to its end, or to its first violation. The same seed, types and defect give the same events on every machine. */
export function simulate(options: WorldOptions): SeedResult {
  const world = new World(options);
  try {
    world.run();
  } catch (error) {
    // A decision that throws is a violation like any other: it can be replayed.
    world.checks.fail(`thrown: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
  return { seed: options.seed, events: world.events, violations: world.checks.violations, store: world.store };
}

/**
 * Runs seeds one after the other.
 * @param failed called for each seed with violations; false: go no further
 */
export function simulateSeeds(
  {
    from,
    to,
    types,
    mutant = null,
  }: { from: number; to: number; types: readonly TypeDefinition[]; mutant?: Mutant | null },
  failed: (result: SeedResult) => boolean = () => true,
): { seeds: number; events: number; violations: number } {
  let events = 0;
  let violations = 0;
  let seeds = 0;
  for (let seed = from; seed <= to; seed++) {
    const result = simulate({ seed, types, mutant });
    seeds++;
    events += result.events;
    violations += result.violations.length;
    if (result.violations.length > 0 && !failed(result)) break;
  }
  return { seeds, events, violations };
}
