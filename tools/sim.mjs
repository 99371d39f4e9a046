/**
 * Runs the decisions of Drover in simulated worlds where messages get lost and programs die, and checks the invariants after every
 * event. The same seed gives the same world on every machine.
 *   npm run sim -- --seeds 10000                        seeds 1 to 10,000
 *   npm run sim -- --seed 4711 [--trace]                one seed; with everything that happens in it
 *   npm run sim -- --seeds 200 --mutant no-fence        with a planted defect, which must be noticed
 *   npm run sim -- --mutants                            every planted defect, and the first seed that notices it
 * docs/operations/simulation.md says how to read what it finds.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from './lib/install.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** Real definitions that the simulated world has beside its own. */
const DEFINITIONS = ['instance', 'volume', 'nic', 'ipAddress'];
/** Failing seeds that are listed. */
const MAX_LISTED = 10;

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    /** first of the seeds */
    from: { type: 'string', default: '1' },
    mutant: { type: 'string' },
    mutants: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    build: { type: 'boolean', default: true },
  },
  allowNegative: true,
});

const say = (line) => process.stderr.write(`${line}\n`);

try {
  if (options.build) await buildSimulator();
  process.exitCode = await main();
} catch (error) {
  say(`sim: ${error.message}`);
  process.exitCode = 1;
}

async function main() {
  const { MUTANTS, simulate, simulateSeeds, typesOf } = await import('../libs/simulator/dist/index.js');
  const types = typesOf(
    DEFINITIONS.map((name) => readFileSync(join(ROOT, `examples/definitions/${name}.yaml`), 'utf8')),
  );
  const mutant = options.mutant ?? null;
  if (mutant !== null && !Object.hasOwn(MUTANTS, mutant))
    throw new Error(`there is no planted defect ${mutant}; there are ${Object.keys(MUTANTS).join(', ')}`);
  const replay = (seed) => `npm run sim -- --seed ${seed}${mutant === null ? '' : ` --mutant ${mutant}`}`;

  if (options.mutants) return everyMutant(MUTANTS, simulateSeeds, types);
  if (options.seed !== undefined) {
    const seed = number('seed');
    const trace = options.trace ? (line) => console.log(line) : undefined;
    const { events, violations } = simulate({ seed, types, mutant, trace });
    for (const violation of violations) console.log(violation);
    if (violations.length > 0) console.log(`again: ${replay(seed)} --trace`);
    console.log(`1 seed, ${events} events, ${violations.length} violations`);
    return violations.length === 0 ? 0 : 1;
  }
  const from = number('from');
  const to = from + number('seeds', '1000') - 1;
  // Refused requests are most of the errors here. Where something was thrown, one seed alone tells.
  Error.stackTraceLimit = 0;
  let listed = 0;
  const { seeds, events, violations } = simulateSeeds({ from, to, types, mutant }, (failed) => {
    if (listed++ < MAX_LISTED)
      console.log(`seed ${failed.seed}: ${failed.violations[0]}\n  again: ${replay(failed.seed)} --trace`);
    return true;
  });
  console.log(`${seeds} seeds, ${events} events, ${violations} violations`);
  return violations === 0 ? 0 : 1;
}

function everyMutant(mutants, simulateSeeds, types) {
  const to = number('seeds', '400');
  let missed = 0;
  for (const [mutant, what] of Object.entries(mutants)) {
    let found = null;
    simulateSeeds({ from: 1, to, types, mutant }, (failed) => {
      found = failed;
      return false;
    });
    if (found === null) missed++;
    console.log(
      `${mutant} (${what}): ${found === null ? 'NOT NOTICED' : `seed ${found.seed}: ${found.violations[0]}`}`,
    );
  }
  console.log(`${Object.keys(mutants).length} planted defects, ${missed} not noticed in ${to} seeds`);
  return missed === 0 ? 0 : 1;
}

function number(name, otherwise) {
  const value = Number(options[name] ?? otherwise);
  if (!Number.isSafeInteger(value) || value <= 0) throw new Error(`--${name} takes a whole number above 0`);
  return value;
}

async function buildSimulator() {
  if (!existsSync(join(ROOT, 'node_modules'))) throw new Error('not installed yet: run "npm ci" first');
  await build([join('libs/simulator', 'tsconfig.lib.json')]);
}
