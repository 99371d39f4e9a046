import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Mutant, MUTANTS } from './mutants.js';
import { simulate, simulateSeeds } from './simulate.js';
import { typesOf } from './world/scenario.js';

const definition = (name: string): string =>
  readFileSync(new URL(`../../../examples/definitions/${name}.yaml`, import.meta.url), 'utf8');
const types = typesOf(['instance', 'volume', 'nic', 'ipAddress'].map(definition));

/** Seeds in which nothing may be found. */
const SEEDS = 150;
/** Seeds in which each planted defect must show itself. */
const DEFECT_SEEDS = 400;

describe('a simulated world', () => {
  it(`keeps every invariant in ${SEEDS} seeds, each of at least 500 events`, () => {
    const failed: string[] = [];
    const { seeds, events, violations } = simulateSeeds(
      { from: 1, to: SEEDS, types },
      ({ seed, violations: wrong }) => {
        failed.push(`npm run sim -- --seed ${seed}: ${wrong.join('; ')}`);
        return true;
      },
    );
    console.log(`${seeds} seeds, ${events} events, ${violations} violations`);
    expect(failed).toEqual([]);
    expect(events).toBeGreaterThanOrEqual(seeds * 500);
  }, 120_000);

  it('is the same for the same seed, and another for another', () => {
    const lines = (seed: number): string[] => {
      const trace: string[] = [];
      simulate({ seed, types, trace: (line) => trace.push(line) });
      return trace;
    };
    expect(lines(7)).toEqual(lines(7));
    expect(lines(7)).not.toEqual(lines(9));
  });

  it.each(Object.keys(MUTANTS) as Mutant[])(
    'notices the planted defect %s',
    (mutant) => {
      let seen: string | null = null;
      simulateSeeds({ from: 1, to: DEFECT_SEEDS, types, mutant }, ({ violations }) => {
        seen = violations[0]!;
        return false;
      });
      expect(seen).not.toBeNull();
    },
    120_000,
  );
});
